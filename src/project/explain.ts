// Shows which rule of which stage acts on a text, in the order of the stages.
import { join } from 'node:path'
import type { Text } from '../base/errors.js'
import { exists } from '../base/files.js'
import { resolvePerson } from '../characters/register.js'
import { createRewriter } from '../characters/rewrite.js'
import { explainCleaning } from '../cleaning/clean.js'
import { explainSpeech, splitSpeech } from '../dialogue/speech.js'
import { chooseDictionary, readDictionaries } from './dictionaries.js'
import { readPeople } from './people.js'
import { paths, type Project } from './project.js'
import { reasonWords, wordFor } from './words.js'

export interface Explanation {
  readonly stage: 'clean' | 'dialogue' | 'rewrite'
  readonly rule: string
  /** The stretch of text, and what became of it. */
  readonly detail: Text
}

/** What every rule says of a text; rewriting is shown when the project has people and a focus. */
export async function explainText(project: Project, text: string): Promise<Explanation[]> {
  const cleaning = explainCleaning(text).map(({ rule, before, after, reason }): Explanation => ({
    stage: 'clean',
    rule,
    detail: after === undefined ? dropped(before, reason ?? rule) : inBoth(`«${before}» → «${after}»`),
  }))
  const speech = explainSpeech(text).map(({ at, mark, rule, verdict }): Explanation => ({
    stage: 'dialogue',
    rule,
    detail: verdictText(mark, around(text, at), verdict),
  }))
  return [...cleaning, ...speech, ...(await explainRewriting(project, text))]
}

const inBoth = (text: string): Text => ({ en: text, ru: text })

function dropped(before: string, reason: string): Text {
  const { en, ru } = wordFor(reasonWords, reason)
  return { en: `«${before}» is dropped: ${en}`, ru: `«${before}» отброшено: ${ru}` }
}

type SpeechDecision = ReturnType<typeof explainSpeech>[number]

function verdictText(mark: SpeechDecision['mark'], near: string, verdict: SpeechDecision['verdict']): Text {
  const [sign, ruling] = [markWords[mark], verdictWords[verdict]]
  return { en: `${sign.en} in «${near}»: ${ruling.en}`, ru: `${sign.ru} в «${near}»: ${ruling.ru}` }
}

const markWords: { readonly [M in SpeechDecision['mark']]: Text } = {
  dash: { en: 'dash', ru: 'тире' },
  quote: { en: 'quotation mark', ru: 'кавычка' },
  aside: { en: 'parenthesis', ru: 'скобка' },
  stray: { en: 'single mark', ru: 'непарный знак' },
}

const verdictWords: { readonly [V in SpeechDecision['verdict']]: Text } = {
  border: { en: 'speech and narration meet here', ru: 'граница речи и слов автора' },
  inner: { en: 'no border', ru: 'не граница' },
  speech: { en: 'speech', ru: 'прямая речь' },
  'not-speech': { en: 'no speech', ru: 'не прямая речь' },
}

/** A few letters on both sides of an offset. */
function around(text: string, at: number): string {
  return text.slice(Math.max(0, at - 12), at + 13).trim()
}

async function explainRewriting(project: Project, text: string): Promise<Explanation[]> {
  const { focus } = project.plan
  if (focus === undefined || !(await exists(join(project.folder, paths.people)))) return []
  const register = await readPeople(project)
  const me = resolvePerson(register, focus)
  const mode = { kind: 'focus', me: me.id } as const
  const dictionary = chooseDictionary(await readDictionaries(project, register, me), mode)
  const rewriter = createRewriter({ register, mode, dictionary })
  const ranges = splitSpeech(text)
    .filter(segment => segment.kind === 'speech')
    .map(({ start, end }) => [start, end] as const)
  const { edits } = rewriter.rewrite(text, { speech: ranges })
  return edits.map(edit => ({
    stage: 'rewrite',
    rule: edit.rule,
    detail: inBoth(`«${text.slice(edit.start, edit.end)}» → «${edit.text}»`),
  }))
}
