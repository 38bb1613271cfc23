// What the product promises, as goals over the figures of sides.
import type { Method } from '../src/model/method.js'
import type { Goal, Read } from './case.js'
import { trainingFlops, type StepSize } from './models.js'

/** `theirs` divided by `ours`. */
function ratio(read: Read, figure: string, ours: string, theirs: string): number | undefined {
  const [a, b] = [read(theirs, figure), read(ours, figure)]
  return a === undefined || b === undefined ? undefined : a / b
}

/** Times as fast, by a figure that is the smaller the better. */
export function faster(ours: string, theirs: string, least: number, figure = 'stepSeconds'): Goal {
  return { text: `${ours} against ${theirs}: times as fast`, least, unit: '×', value: read => ratio(read, figure, ours, theirs) } // prettier-ignore
}

/** Times as fast as the fastest of several. */
export function fasterThanAll(ours: string, theirs: readonly string[], whose: string, least: number): Goal {
  const best = (read: Read): number | undefined => {
    const ratios = theirs.flatMap(side => ratio(read, 'stepSeconds', ours, side) ?? [])
    return ratios.length < theirs.length ? undefined : Math.min(...ratios)
  }
  return { text: `${ours} against ${whose}: times as fast`, least, unit: '×', value: best }
}

/** Times as fast, by a rate. */
export function quicker(ours: string, theirs: string, least: number, figure: string, what: string): Goal {
  return { text: `${what}: ${ours} against ${theirs}, times as fast`, least, unit: '×', value: read => ratio(read, figure, theirs, ours) } // prettier-ignore
}

export function smaller(ours: string, theirs: string, most: number): Goal {
  return { text: `${ours} against ${theirs}: share of the peak memory`, most, unit: '×', value: read => ratio(read, 'peakBytes', theirs, ours) } // prettier-ignore
}

export function updateWithin(side: string): Goal {
  return { text: `${side}: the update’s share of the step`, most: 0.1, unit: '%', value: read => read(side, 'updateShare') } // prettier-ignore
}

/** Operations in the products of a step, by its time, against PyTorch's bf16 product. */
export function shareOfPeak(side: string, size: StepSize, method: Method): Goal {
  const flops = trainingFlops(size, method)
  return {
    text: `${side}: share of the machine’s bf16 matrix peak, whole step`,
    least: 0.85,
    unit: '×',
    value: read => {
      const [seconds, peak] = [read(side, 'stepSeconds'), read('PyTorch bf16', 'flopsPerSecond', 'matrix-peak')]
      return seconds === undefined || peak === undefined ? undefined : flops / seconds / peak
    },
  }
}
