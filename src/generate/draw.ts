// Turns logits into one token: the best one, or a draw from softmax by a number from [0, 1).
import { AppError } from '../base/errors.js'

/** The largest logit; of equal ones the lowest id. @throws AppError `logits-not-finite` for NaN, +Infinity or nothing but -Infinity */
export function bestToken(logits: Float32Array): number {
  let best = -1
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) throw notFinite()
    if (logits[id] > (best < 0 ? -Infinity : logits[best])) best = id
  }
  if (best < 0 || logits[best] === Infinity) throw notFinite()
  return best
}

/** @param uniform from [0, 1) @throws AppError as `bestToken` */
export function drawToken(
  logits: Float32Array,
  uniform: number,
): { readonly id: number; readonly probability: number } {
  const best = logits[bestToken(logits)]
  let total = 0
  for (const logit of logits) if (logit > -Infinity) total += Math.exp(logit - best)
  let left = uniform * total
  let last = -1
  for (let id = 0; id < logits.length && left >= 0; id++) {
    if (logits[id] === -Infinity) continue
    const weight = Math.exp(logits[id] - best)
    if (weight === 0) continue
    last = id // also the last one at all, if rounding left a crumb
    left -= weight
  }
  return { id: last, probability: Math.exp(logits[last] - best) / total }
}

function notFinite(): AppError {
  return new AppError('logits-not-finite', {
    what: { en: 'the model gave no finite score for any token', ru: 'модель не дала конечной оценки ни одному токену' },
    fix: {
      en: 'The weights are damaged or training diverged: use an earlier checkpoint',
      ru: 'Веса повреждены или обучение разошлось: возьмите более раннюю контрольную точку',
    },
  })
}
