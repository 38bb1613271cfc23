// All benchmarks in the order in which they run and are told.
import type { Benchmark } from './case.js'
import fullStep from './cases/full-step.js'
import generation from './cases/generation.js'
import growthBatch from './cases/growth-batch.js'
import growthLayers from './cases/growth-layers.js'
import growthLength from './cases/growth-length.js'
import llamaBillion from './cases/llama-billion.js'
import longContext from './cases/long-context.js'
import loraStep from './cases/lora-step.js'
import matrixPeak from './cases/matrix-peak.js'
import memory from './cases/memory.js'
import rewriting from './cases/rewriting.js'
import start from './cases/start.js'
import tokenizer from './cases/tokenizer.js'

export const benchmarks: readonly Benchmark[] = [
  matrixPeak,
  fullStep,
  loraStep,
  longContext,
  llamaBillion,
  generation,
  growthLength,
  growthBatch,
  growthLayers,
  start,
  memory,
  tokenizer,
  rewriting,
]
