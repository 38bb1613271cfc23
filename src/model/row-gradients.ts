// Gradients of tables that are read by rows: the graph gives the rows alone, and the host adds them to the table.
import { add, knownNumber, reshape, scatterAddRows, zeros } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { HostTensor } from '../graph/tensor.js'
import { elementCount } from '../graph/tensor.js'

/** Rows [n, C] and the places [n] int64 that they are added to. */
interface AddedRows {
  readonly rows: Node
  readonly ids: Node
}

/** The gradient of a table [R, C]: a base, zeros where it is undefined, and rows added to it. */
export interface TableGradient {
  readonly base: Node | undefined
  readonly added: readonly AddedRows[]
}

/** Takes the additions of rows off a gradient; runtimes add them one by one, and keep a second table meanwhile. */
export function takeRows(gradient: Node): TableGradient {
  const added: AddedRows[] = []
  let base = gradient
  while (base.op === 'ScatterAddRows' && base.shape.length === 2) {
    const [under, ids, updates] = base.inputs
    const count = elementCount(ids.shape)
    added.unshift({ rows: reshape(updates, [count, base.shape[1]]), ids: reshape(ids, [count]) })
    base = under
  }
  return { base: knownNumber(base) === 0 && added.length > 0 ? undefined : base, added }
}

/** The sum of two gradients of one table; rows that are added stay outermost. */
export function addTables(a: Node, b: Node): Node {
  const parts = [a, b].map(takeRows)
  const bases = parts.flatMap(({ base }) => base ?? [])
  const start = bases.length === 0 ? zeros(a.shape) : bases.reduce((sum, base) => add(sum, base))
  return parts.flatMap(({ added }) => added).reduce((sum, { rows, ids }) => scatterAddRows(sum, ids, rows), start)
}

/** What must be computed for a gradient of a table, its rows not added yet. */
export function partsOf(gradient: Node): readonly Node[] {
  const { base, added } = takeRows(gradient)
  return [...(base === undefined ? [] : [base]), ...added.map(({ rows }) => rows)]
}

/** Values of the rows of one table. */
interface RowValues {
  readonly rows: HostTensor & { readonly data: Float32Array }
  readonly ids: HostTensor & { readonly data: BigInt64Array }
}

/** Outputs of a program for the rows of a table, the arrays they are written to, and how they get into its gradient. */
export interface RowGradient {
  readonly outputs: Readonly<Record<string, Node>>
  readonly results: Readonly<Record<string, HostTensor>>
  /** Adds the rows of the last run to the gradient; rows of the run before are cleared first where there is no base. */
  apply(): void
}

/** Rows that several tables share (tokens and positions) are one output: a copy would make runtimes hurry to its source. */
export type SharedRows = Map<Node, { readonly name: string; readonly tensor: HostTensor }>

/**
 * @param gradient of the table, [R, C]; only this object writes it where there is no base
 * @param shared outputs of all tables of one program
 */
export function createRowGradient(
  name: string,
  { base, added }: TableGradient,
  gradient: Float32Array,
  shared: SharedRows,
): RowGradient {
  const outputs: Record<string, Node> = {}
  const results: Record<string, HostTensor> = {}
  const share = (node: Node, fresh: string, tensor: () => HostTensor): HostTensor => {
    const known = shared.get(node) ?? { name: fresh, tensor: tensor() }
    shared.set(node, known)
    Object.assign(outputs, { [known.name]: node })
    Object.assign(results, { [known.name]: known.tensor })
    return known.tensor
  }
  const values = added.map(({ rows, ids }, i): RowValues => {
    const [{ shape }, count] = [rows, elementCount(ids.shape)]
    const ofRows = (): HostTensor => ({ dtype: 'float32', shape, data: new Float32Array(elementCount(shape)) })
    const ofIds = (): HostTensor => ({ dtype: 'int64', shape: ids.shape, data: new BigInt64Array(count) })
    return {
      rows: share(rows, `rows:${name}:${i}`, ofRows) as RowValues['rows'],
      ids: share(ids, `ids:${name}:${i}`, ofIds) as RowValues['ids'],
    }
  })
  let touched: number[] = []
  return {
    outputs,
    results,
    apply() {
      for (const start of touched) gradient.fill(0, start, start + values[0].rows.shape[1])
      touched = base === undefined ? values.flatMap(value => rowStarts(value)) : []
      for (const value of values) addRows(gradient, value)
    },
  }
}

function rowStarts({ rows, ids }: RowValues): number[] {
  return Array.from(ids.data, id => Number(id) * rows.shape[1])
}

function addRows(gradient: Float32Array, value: RowValues): void {
  const { data, shape } = value.rows
  rowStarts(value).forEach((start, row) => {
    for (let i = 0; i < shape[1]; i++) gradient[start + i] += data[row * shape[1] + i]
  })
}
