// Trains the toy model to the end in a process of its own, so that a test can kill it: node resume-child.mjs FOLDER [delay in ms]
import { createOptimizer } from '../../dist/src/train/optimizer.js'
import { trainModel } from '../../dist/src/train/loop.js'
import { createBigramStep, createToySource, noRuntime } from './bigram.mjs'

const [folder, delayMs = '0'] = process.argv.slice(2)
const step = createBigramStep(16)
const source = createToySource(16, 7)
const slow = {
  ...source,
  batch: (epoch, index) =>
    new Promise(resolve => setTimeout(() => resolve(source.batch(epoch, index)), Number(delayMs))),
}
const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.03 }, step.parameters, noRuntime)
const settings = {
  learningRate: 0.05,
  schedule: 'cosine',
  warmup: 0.1,
  steps: 20,
  accumulate: 3,
  clip: 1,
  saveEvery: 2,
  saveTotalLimit: 2,
  evaluateEvery: 4,
}
const sample = () => Promise.resolve([{ prompt: 'sum', text: String(step.parameters[0].data.reduce((a, b) => a + b)) }])
await trainModel({
  step,
  optimizer,
  source: slow,
  heldOut: createToySource(16, 2),
  settings,
  folder,
  hooks: { sample },
})
