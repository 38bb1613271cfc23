// Opens a conversation with the character of a project.
import { join } from 'node:path'
import type { Text } from '../base/errors.js'
import { createDecoder } from '../model/decoder.js'
import type { Adapter } from '../model/adapter.js'
import { loadModel, type Model } from '../model/weights.js'
import { Conversation } from '../generate/conversation.js'
import { createRuntime } from '../runtime/registry.js'
import { loadTokenizer } from '../tokenizer/files.js'
import { readManifest } from './manifest.js'
import { paths, type Project } from './project.js'
import { runStage } from './stage.js'
import { tokenizerStage } from './tokenizer.js'
import { defaultRun, loadTrained, runManifest } from './train.js'

export interface OpenConversation {
  readonly conversation: Conversation
  /** The character's name. */
  readonly name: string
  close(): Promise<void>
}

export interface ConversationChoice {
  /** Name of the run. Default `main`. */
  readonly run?: string
  /** The model before training. */
  readonly base?: boolean
  /** Default: the plan's. */
  readonly seed?: number
  /** Told when the dataset is newer than the run. */
  readonly onWarning?: (text: Text) => void
}

/**
 * Before training, `base` prepares the model where that is not done yet.
 * @throws AppError `no-run` when there is nothing trained yet
 */
export async function openConversation(
  project: Project,
  { run, base = false, seed, onWarning }: ConversationChoice = {},
): Promise<OpenConversation> {
  const { chat, focus, name, train } = project.plan
  const { model, adapter } = base ? await loadStart(project) : await loadTrained(project, run)
  if (!base && (await isOlderThanDataset(project, run))) onWarning?.(trainedBefore)
  const tokenizer = await loadTokenizer(join(project.folder, paths.tokenizer))
  const { maxTokens, seed: plannedSeed, weights, ...sampling } = chat
  const runtime = await createRuntime({ threads: train.engine.threads })
  const decoder = await createDecoder(model, { adapter, weights, runtime })
  const conversation = new Conversation(decoder, tokenizer, { sampling, maxTokens, seed: seed ?? plannedSeed })
  return { conversation, name: focus ?? name, close: () => decoder.close() }
}

/** Manifests carry the time; what they say is enough here, and a large model is not read for it. */
async function isOlderThanDataset(project: Project, run = defaultRun): Promise<boolean> {
  const [trained, dataset] = await Promise.all(
    [runManifest(run), 'dataset'].map(stage => readManifest(project.folder, stage)),
  )
  return trained !== undefined && dataset !== undefined && dataset.finishedAt > trained.finishedAt
}

const trainedBefore: Text = {
  en: 'the dataset was built anew after this training; `dvoynik train --fresh` teaches the character what is new',
  ru: 'набор данных собран заново уже после этого обучения; `dvoynik train --fresh` обучит персонажа новому',
}

async function loadStart(project: Project): Promise<{ model: Model; adapter?: Adapter }> {
  await runStage('tokenizer', tokenizerStage, project, {})
  return { model: await loadModel(join(project.folder, paths.start)) }
}

/** The answers to questions asked one by one, each in a conversation of its own. @throws AppError `no-run` */
export async function askQuestions(
  project: Project,
  questions: readonly string[],
  choice: ConversationChoice = {},
): Promise<string[]> {
  const open = await openConversation(project, choice)
  try {
    const answers: string[] = []
    for (const question of questions) {
      let answer = ''
      for await (const piece of open.conversation.say(question)) answer += piece
      answers.push(answer.trim())
      open.conversation.reset()
    }
    return answers
  } finally {
    await open.close()
  }
}
