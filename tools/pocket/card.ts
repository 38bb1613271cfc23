// Turns what is known of a finished run into the model card.
import type { ConfigJson } from '../../src/model/model-config.js'
import type { Evaluation } from '../../src/train/bits-per-byte.js'
import type { Baselines, CorpusFacts, PhaseFacts, RunFacts } from './facts.js'
import type { OptimizerChoice } from './model.js'

export interface CardFacts {
  readonly facts: RunFacts
  readonly corpus: CorpusFacts
  readonly baselines: Baselines
  /** Over all of the held-out books. */
  readonly evaluation: Evaluation
  readonly samples: readonly { readonly prompt: string; readonly text: string }[]
  readonly model: ConfigJson
}

const samplesShown = 3

export function renderCard(card: CardFacts): string {
  return (
    [
      frontMatter,
      intro(card),
      architecture(card),
      data(card),
      training(card),
      quality(card),
      speech(card),
      limits,
    ].join('\n\n') + '\n'
  )
}

const frontMatter = `---
license: apache-2.0
language: ru
library_name: transformers
pipeline_tag: text-generation
tags: [llama, russian, fiction]
---`

function intro({ facts }: CardFacts): string {
  return `# Dvoynik pocket-ru

A Russian language model of ${millions(facts.parameters)} M parameters that reads and writes like the novels of the 19th century, in its small way.
It ships with Dvoynik so that a character can be trained and talked to in minutes on an ordinary processor, without a download.
It was trained from random weights by Dvoynik's own engine (TypeScript; ONNX Runtime and OpenVINO on a processor); no Python and no other model took part.

Карманная русская модель: её хватает, чтобы за минуты увидеть весь путь от книги до разговора, и не хватает, чтобы вести умную беседу.`
}

function architecture({ model }: CardFacts): string {
  return `## Architecture

LLaMA: ${num(model.num_hidden_layers)} layers, width ${num(model.hidden_size)}, ${num(model.num_attention_heads)} heads of ${num(model.head_dim)}, MLP ${num(model.intermediate_size)} (SwiGLU), RMS norm, rotary positions (base ${num(model.rope_theta)}), tied embeddings, ${num(model.max_position_embeddings)} positions, ${num(model.vocab_size)} tokens.
The tokenizer is a SentencePiece BPE with byte fallback and a line break of its own, trained by Dvoynik on the same text; \`tokenizer.model\` and \`tokenizer.json\` encode alike. Weights are float16 safetensors in Hugging Face layout.`
}

function data({ corpus: { train, heldout } }: CardFacts): string {
  const novels = train.documents.filter(isNovel)
  return `## Data

${novels.length} volumes of Russian prose of the 19th century in the public domain and passages of ${train.documents.length - novels.length} plays (RusDraCor, CC0), one paragraph a line, dashes and quotes set as in books, headings and notes left out: ${thousands(train.tokens)} tokens, ${thousands(train.bytes)} bytes.
Held out, never trained on: ${heldout.documents.join(', ')} (${thousands(heldout.tokens)} tokens, ${thousands(heldout.bytes)} bytes).`
}

/** Files of novels are named after their author; ids of plays are written small. */
function isNovel(name: string): boolean {
  return /^\p{Lu}/u.test(name)
}

function training({ facts }: CardFacts): string {
  const steps = facts.phases.reduce((sum, phase) => sum + phase.steps, 0)
  return `## Training

\`\`\`sh
node dist/tools/pocket/corpus.js NOVELS PLAYS.tsv - TEXT --held-out LIST
node dist/tools/pocket-tokenizer.js TEXT TOKENIZER --held-out TEXT/heldout.txt
node dist/tools/pocket/corpus.js NOVELS PLAYS.tsv TOKENIZER DATA --held-out LIST
node dist/tools/pocket/ngram.js DATA
${facts.phases.map(command).join('\n')}
node dist/tools/pocket/export.js --data DATA --tokenizer TOKENIZER --run RUN${facts.phases.length} --out assets/pocket-ru
\`\`\`

${thousands(steps)} steps of ${facts.batch} blocks of 256 tokens: ${thousands(facts.tokens)} tokens in ${Math.round(facts.seconds / 60)} minutes of steps on one or two cores of a busy machine (${Math.round(facts.tokens / facts.seconds)} tokens a second). Weights, gradients and updates are float32. ${facts.phases.map(describePhase).join('; ')}. Clipping at 1, weight decay 0.1.

| steps | tokens | bits per byte, a slice of the held-out books |
|---:|---:|---:|
${curveRows(facts)}`
}

function command({ steps, rate, decays, optimizer, bf16 }: PhaseFacts, i: number): string {
  const after = i === 0 ? '' : ` --after RUN${i}`
  const shape = `--optimizer ${optimizer} --rate ${rate}${decays ? ' --decay' : ''} --steps ${steps}${bf16 ? ' --engine openvino --precision bf16' : ''}`
  return `npm run pocket:train -- --data DATA --tokenizer TOKENIZER --run RUN${i + 1}${after} ${shape}`
}

const optimizerNames: { readonly [O in OptimizerChoice]: string } = {
  adamw: 'AdamW (0.9, 0.98)',
  muon: 'Muon (0.95) for the matrices of the layers and AdamW (0.9, 0.98) for the rest',
}

function describePhase({ steps, rate, warmupSteps, decays, optimizer, bf16 }: PhaseFacts): string {
  const course = decays ? `falling from ${rate} to 0` : `${rate} after a warm-up of ${warmupSteps}`
  const precision = bf16 ? ', products in bfloat16' : ''
  return `${thousands(steps)} steps with ${optimizerNames[optimizer]}, learning rate ${course}${precision}`
}

function curveRows({ curve }: RunFacts): string {
  const shown = 9
  const every = Math.max(1, Math.ceil((curve.length - 1) / shown))
  const points = curve.filter((_, i) => i % every === 0 || i === curve.length - 1)
  return points
    .map(({ step, tokens, bitsPerByte }) => `| ${thousands(step)} | ${thousands(tokens)} | ${bitsPerByte.toFixed(3)} |`)
    .join('\n')
}

function quality({ evaluation, baselines }: CardFacts): string {
  const rows: [string, number][] = [
    ['`xz -9`', baselines.xzBitsPerByte],
    ['`xz -9` that has seen the training text', baselines.xzAfterTrainingTextBitsPerByte],
    [`${baselines.order}-gram model, modified Kneser–Ney, same tokens and training text`, baselines.ngramBitsPerByte],
    ['this model, float16, blocks of 256 tokens', evaluation.bitsPerByte!],
  ]
  return `## Bits per byte on the held-out books

| | bits per byte |
|---|---:|
${rows.map(([name, bits]) => `| ${name} | ${bits.toFixed(3)} |`).join('\n')}

Lower is better; a byte is half a Cyrillic letter. The model's mean loss is ${evaluation.lossNats.toFixed(3)} nats per token. The n-gram model sees the text without a break; the model starts each block with an empty context.`
}

function speech({ samples }: CardFacts): string {
  const shown = samples
    .slice(0, samplesShown)
    .map(({ prompt, text }) => `> **${prompt}**${text.trimEnd().replace(/\n/gu, '  \n> ')}`)
  return `## Samples

Temperature 0.8, top-k 40, top-p 0.95, repetition penalty 1.1 over 64 tokens (the sampler's defaults); the first ${samplesShown} prompts of a fixed list, not chosen; the prompt is in bold.

${shown.join('\n\n')}`
}

const limits = `## Limits

It knows the grammar and the manner of old novels better than their sense: names drift, scenes lose their thread after a sentence or two, facts are invented. It does not follow instructions. Its texts carry the views of their time, and it may repeat them. For a character worth talking to, train on a larger base model with the same commands.

Licence: Apache-2.0.`

function num(value: unknown): string {
  return String(value)
}

function millions(count: number): string {
  return (count / 1e6).toFixed(1)
}

function thousands(count: number): string {
  return count.toLocaleString('en-US')
}
