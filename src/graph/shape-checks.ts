// Shapes and element types to errors that say which of them do not fit an operation.
import { AppError, type Text } from '../base/errors.js'
import type { DType, TensorType } from './tensor.js'

/** @returns AppError `shape`; `where` is the operation */
export function shapeError(op: string, what: Text): AppError {
  return new AppError('shape', {
    where: op,
    what,
    fix: { en: 'Correct the shapes where the graph is built', ru: 'Исправьте формы там, где строится граф' },
  })
}

/**
 * The common shape of two operands, aligned at the last axis; a size of 1 or a missing axis stretches.
 * @throws AppError `shape` naming both shapes
 */
export function broadcastShapes(op: string, a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x === y || y === 1) return x
    if (x === 1) return y
    throw shapeError(op, {
      en: `${show(a)} and ${show(b)} do not broadcast: sizes ${x} and ${y} meet`,
      ru: `${show(a)} и ${show(b)} не совместимы: встречаются размеры ${x} и ${y}`,
    })
  })
}

export function checkSizes(op: string, sizes: readonly number[]): readonly number[] {
  if (sizes.every(size => Number.isInteger(size) && size >= 0)) return sizes
  throw shapeError(op, {
    en: `sizes must be whole and not negative, received ${show(sizes)}`,
    ru: `размеры должны быть целыми и неотрицательными, получено ${show(sizes)}`,
  })
}

export function checkAxis(op: string, { shape }: TensorType, axis: number): void {
  if (Number.isInteger(axis) && axis >= 0 && axis < shape.length) return
  throw shapeError(op, { en: `${show(shape)} has no axis ${axis}`, ru: `у формы ${show(shape)} нет оси ${axis}` })
}

export function checkRank(op: string, { shape }: TensorType, rank: number): void {
  if (shape.length === rank) return
  throw shapeError(op, {
    en: `needs rank ${rank}, received ${show(shape)}`,
    ru: `нужен ранг ${rank}, получено ${show(shape)}`,
  })
}

export function checkShape(op: string, role: string, { shape }: TensorType, expected: readonly number[]): void {
  if (shape.join() === expected.join()) return
  throw shapeError(op, {
    en: `${role} must be ${show(expected)}, received ${show(shape)}`,
    ru: `${role}: нужна форма ${show(expected)}, получена ${show(shape)}`,
  })
}

export function checkDType(op: string, { dtype }: TensorType, expected: DType): void {
  if (dtype === expected) return
  throw shapeError(op, {
    en: `expected ${expected}, received ${dtype}`,
    ru: `ожидался тип ${expected}, получен ${dtype}`,
  })
}

export function show(sizes: readonly number[]): string {
  return `[${sizes.join(', ')}]`
}
