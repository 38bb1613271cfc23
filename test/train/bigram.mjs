// A whole training step in plain JavaScript for tests: a bigram model, logits[next] = table[current][next].

/** @param {number} size tokens @returns a TrainingStep */
export function createBigramStep(size, { name = 'table' } = {}) {
  const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i) / 10)
  const gradient = new Float32Array(size * size)
  const bias = {
    name: 'bias',
    shape: [size],
    data: new Float32Array(size),
    gradient: new Float32Array(size),
    decay: false,
  }
  const table = { name, shape: [size, size], data, gradient, decay: true }
  const forward = (batch, scale, learn) => {
    let [lossSum, tokens] = [0, 0]
    for (const buffer of learn ? [gradient, bias.gradient] : []) buffer.fill(0)
    for (let i = 0; i < batch.ids.length; i++) {
      const label = Number(batch.labels[i])
      if (label < 0) continue
      const row = Number(batch.ids[i]) * size
      let sum = 0
      for (let j = 0; j < size; j++) sum += Math.exp(data[row + j] + bias.data[j])
      lossSum += Math.log(sum) - data[row + label] - bias.data[label]
      tokens++
      for (let j = 0; learn && j < size; j++) {
        const d = scale * (Math.exp(data[row + j] + bias.data[j]) / sum - (j === label ? 1 : 0))
        gradient[row + j] += d
        bias.gradient[j] += d
      }
    }
    return Promise.resolve({ lossSum, tokens })
  }
  return {
    parameters: [table, bias],
    run: (batch, scale) => forward(batch, scale, true),
    evaluate: batch => forward(batch, 1, false),
    close: () => Promise.resolve(),
  }
}

/** A runtime that must not be needed: parameters below 4096 numbers are updated in JavaScript. */
export const noRuntime = {
  name: 'none',
  version: '0',
  compile: () => Promise.reject(new Error('no runtime in this test')),
}

/** Batches of a made-up language, a pure function of (epoch, index). */
export function createToySource(size, count, { batch = 2, length = 12, fingerprint = 'toy' } = {}) {
  return {
    count,
    fingerprint,
    batch(epoch, index) {
      const n = batch * length
      const at = i => (Math.imul(i + 7 * index + 3 * epoch, 2654435761) >>> 16) % size
      const ids = BigInt64Array.from({ length: n }, (_, i) => BigInt(at(i)))
      const labels = BigInt64Array.from({ length: n }, (_, i) =>
        i % (3 + (index % 2)) === 0 ? -100n : BigInt((at(i) * 3 + 1) % size),
      )
      const positions = BigInt64Array.from({ length: n }, (_, i) => BigInt(i % length))
      const segments = new BigInt64Array(n).fill(1n)
      const tokens = labels.reduce((sum, label) => sum + (label >= 0n ? 1 : 0), 0)
      return Promise.resolve({
        batch: { batch, length, ids, labels, positions, segments },
        examples: [`example-${index}`],
        tokens,
        bytes: 2 * tokens,
      })
    },
  }
}
