// Turns a graph and its shared arrays into a verdict: may an output overwrite the input it shares memory with.
import { AppError } from '../base/errors.js'
import type { Graph, Node } from './graph.js'
import type { OpName } from './ops.js'
import { topologicalOrder } from './order.js'

/** An output written into the array that an input is read from. */
export interface InPlace {
  readonly input: string
  readonly output: string
}

/** Operations whose element i is made from elements i of their inputs alone. */
const pointwise: ReadonlySet<OpName> = new Set<OpName>([
  ...(['Add', 'Sub', 'Mul', 'Div', 'Maximum', 'Minimum', 'Where', 'Equal', 'Less', 'LessOrEqual', 'Greater'] as const),
  ...(['And', 'Not', 'Neg', 'Abs', 'Sign', 'Round', 'Exp', 'Log', 'Sqrt', 'Sin', 'Cos', 'Tanh', 'Sigmoid'] as const),
  ...(['Erf', 'Relu', 'Silu', 'Gelu', 'Cast'] as const),
])

/** Operations that write their later outputs where they read the inputs of the same kind, when these share memory. */
const updating: ReadonlySet<OpName> = new Set<OpName>(['CachedAttention'])

/** Operations that a runtime may turn into another name for the same memory. */
export const views: ReadonlySet<OpName> = new Set<OpName>(['Reshape', 'StopGradient'])

/**
 * Checks that each shared array is safe. It is when all readers of the input are pointwise and come before the
 * operation that writes the output; that operation may itself be a reader if it does not broadcast the input.
 * @throws AppError `unsafe-in-place`
 */
export function checkUpdatesInPlace({ outputs }: Graph, pairs: readonly InPlace[]): void {
  const order = topologicalOrder(Object.values(outputs))
  for (const { input, output } of pairs) {
    const writer = sourceOf(outputs[output])
    const before = new Set(topologicalOrder([writer]).map(({ attributes }) => attributes))
    const aliases = viewsOf(order, input)
    const unsafe = order.find(node => {
      if (views.has(node.op) || !node.inputs.some(x => aliases.has(x))) return false
      const writes = node.attributes === writer.attributes
      if (writes && updating.has(node.op)) return false
      const stretched = node.shape.join() !== outputs[output].shape.join()
      return !pointwise.has(node.op) || !before.has(node.attributes) || (writes && stretched)
    })
    if (unsafe) throw unsafeInPlace(input, output, unsafe.op)
  }
}

function sourceOf(node: Node): Node {
  let source = node
  while (views.has(source.op)) source = source.inputs[0]
  return source
}

/** The input under all its names. */
function viewsOf(order: readonly Node[], input: string): ReadonlySet<Node> {
  const aliases = new Set<Node>()
  for (const node of order)
    if ((node.op === 'Input' && node.attributes.name === input) || (views.has(node.op) && aliases.has(node.inputs[0])))
      aliases.add(node)
  return aliases
}

function unsafeInPlace(input: string, output: string, op: OpName): AppError {
  return new AppError('unsafe-in-place', {
    where: op,
    what: {
      en: `input "${input}" and output "${output}" share an array, but this operation may read the old values after they are overwritten`,
      ru: `вход «${input}» и выход «${output}» делят один массив, но эта операция может прочесть старые значения после их перезаписи`,
    },
    fix: { en: 'Give the output an array of its own', ru: 'Дайте выходу собственный массив' },
  })
}
