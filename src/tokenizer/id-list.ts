// A growing list of ids that ends as one Uint32Array.

export class IdList {
  private values: Uint32Array
  length = 0

  constructor(capacity = 64) {
    this.values = new Uint32Array(Math.max(16, capacity))
  }

  push(id: number): void {
    if (this.length === this.values.length) this.grow(this.length + 1)
    this.values[this.length++] = id
  }

  append(source: Uint32Array, from: number, count: number): void {
    if (this.length + count > this.values.length) this.grow(this.length + count)
    for (let i = 0; i < count; i++) this.values[this.length + i] = source[from + i]
    this.length += count
  }

  at(index: number): number {
    return this.values[index]
  }

  set(index: number, id: number): void {
    this.values[index] = id
  }

  toArray(): Uint32Array {
    return this.values.slice(0, this.length)
  }

  private grow(needed: number): void {
    const grown = new Uint32Array(Math.max(needed, this.values.length * 2))
    grown.set(this.values.subarray(0, this.length))
    this.values = grown
  }
}
