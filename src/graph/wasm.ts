// Turns a graph of pointwise operations into WebAssembly: one loop over all arrays, four numbers at a time.
import { AppError } from '../base/errors.js'
import { encodeWasm, instruction, leb128, loadBfloat16, place, repeatWhile, simd, vector } from '../formats/wasm.js'
import type { Graph, Node } from './graph.js'
import type { OpName } from './ops.js'
import { topologicalOrder } from './order.js'
import type { HostTensor } from './tensor.js'

export interface WrittenLoop {
  /**
   * The module. Parameters of its function: bytes of one array of float32, a multiple of 16; where each input array begins, and each
   * output array; the scalars.
   */
  readonly bytes: Uint8Array
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Inputs of rank 0. */
  readonly scalars: readonly string[]
}

/** Code that leaves the result on the stack, given code for each input. */
type Rule = (...inputs: readonly (readonly number[])[]) => readonly number[]

/** Operations a loop can hold. Each rounds to float32 as IEEE 754 says, so results are the same on every machine. */
const rules = {
  Add: (a, b) => [...a, ...b, ...vector(simd.add)],
  Sub: (a, b) => [...a, ...b, ...vector(simd.sub)],
  Mul: (a, b) => [...a, ...b, ...vector(simd.mul)],
  Div: (a, b) => [...a, ...b, ...vector(simd.div)],
  Maximum: (a, b) => [...a, ...b, ...vector(simd.max)],
  Minimum: (a, b) => [...a, ...b, ...vector(simd.min)],
  Neg: x => [...x, ...vector(simd.negative)],
  Abs: x => [...x, ...vector(simd.abs)],
  Sqrt: x => [...x, ...vector(simd.sqrt)],
  // (x > 0 ? 1 : 0) − (0 > x ? 1 : 0); a comparison leaves all bits set, and the bits of 1 remain
  Sign: x => {
    const zero = splat(0)
    const oneWhere = (code: readonly number[]) => [...code, ...vector(simd.greater), ...splat(1), ...vector(simd.and)]
    return [...oneWhere([...x, ...zero]), ...oneWhere([...zero, ...x]), ...vector(simd.sub)]
  },
} satisfies { readonly [Op in OpName]?: Rule }

type LoopOp = keyof typeof rules

/**
 * @param graph float32 throughout; inputs of rank 0 and arrays of one shape, which may be run at any length
 * @param halves inputs whose arrays hold bfloat16
 * @throws AppError `not-pointwise` naming the operation that a loop cannot hold
 */
export function writeLoop({ outputs }: Graph, halves: ReadonlySet<string> = new Set()): WrittenLoop {
  const order = topologicalOrder(Object.values(outputs))
  const inputs = order.filter(({ op }) => op === 'Input')
  const [scalars, arrays] = [inputs.filter(isScalar), inputs.filter(node => !isScalar(node))]
  const results = Object.values(outputs)
  const begins = 1 + arrays.length + results.length
  const at = begins + scalars.length
  const local = new Map(order.map((node, i) => [node, at + 1 + i]))
  const read = (index: number): number[] => [instruction.get, ...leb128(index)]
  const placeOf = (array: number): number[] => [...read(1 + array), ...read(at), instruction.add]
  const codeOf = (node: Node): readonly number[] => {
    if (node.op === 'Constant') return splat(Number((node.attributes.value as HostTensor).data[0]))
    if (node.op !== 'Input') return ruleOf(node)(...node.inputs.map(x => read(local.get(x)!)))
    if (isScalar(node)) return [...read(begins + scalars.indexOf(node)), ...vector(simd.splat)]
    if (halves.has(nameOf(node))) return loadBfloat16(1 + arrays.indexOf(node), at)
    return [...placeOf(arrays.indexOf(node)), ...vector(simd.load), ...place(0)]
  }
  const set = (node: Node): number[] => [...codeOf(node), instruction.set, ...leb128(local.get(node)!)]
  const store = (node: Node, i: number): number[] =>
    [...placeOf(arrays.length + i), ...read(local.get(node)!), ...vector(simd.store), ...place(0)] // prettier-ignore
  const code = [
    ...order.filter(isScalar).flatMap(set),
    ...instruction.loop,
    ...order.filter(node => !isScalar(node)).flatMap(set),
    ...results.flatMap(store),
    ...repeatWhile(at, 16),
    instruction.end,
  ]
  const parameters = Array.from({ length: at }, (_, i) => (i < begins ? 'i32' as const : 'f32' as const)) // prettier-ignore
  const locals = ['i32' as const, ...order.map(() => 'v128' as const)]
  return {
    bytes: encodeWasm({ parameters, locals, code }),
    inputs: arrays.map(nameOf),
    outputs: Object.keys(outputs),
    scalars: scalars.map(nameOf),
  }
}

function isScalar({ shape }: Node): boolean {
  return shape.length === 0
}

function nameOf({ attributes }: Node): string {
  return attributes.name as string
}

function ruleOf({ op, dtype }: Node): Rule {
  if (dtype === 'float32' && Object.hasOwn(rules, op)) return rules[op as LoopOp]
  const known = Object.keys(rules).join(', ')
  throw new AppError('not-pointwise', {
    where: op,
    what: {
      en: `a loop over ${dtype} cannot hold this operation; it can hold ${known} on float32`,
      ru: `в цикле по ${dtype} такой операции быть не может; могут быть ${known} над float32`,
    },
    fix: { en: 'Compile the graph for a runtime', ru: 'Соберите граф для среды выполнения' },
  })
}

/** Four times the same number. */
function splat(x: number): number[] {
  const bytes = [...new Uint8Array(Float32Array.of(x).buffer)]
  return [...vector(simd.constant), ...bytes, ...bytes, ...bytes, ...bytes]
}
