// A length to stretches of nearly one size, one after another.

export interface Stretch {
  readonly start: number
  /** The place after the last. */
  readonly end: number
  readonly size: number
}

export function evenStretches(length: number, count: number): readonly Stretch[] {
  const border = (i: number): number => Math.round((i * length) / count)
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [border(i), border(i + 1)]
    return { start, end, size: end - start }
  })
}
