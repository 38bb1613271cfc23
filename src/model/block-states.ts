// A block of tokens, with what an adapter puts before every example, to hidden states of the tokens alone.
import { add, concat, constant, expand, int64s, reshape, slice } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import { blockAttention } from './attention.js'
import type { ModelConfig } from './model-config.js'
import { decoderStates } from './decoder-graph.js'
import type { BoundParts } from './parts.js'

/** [B, T] int64 each, as in `Batch`. */
interface BlockInputs {
  readonly ids: Node
  readonly positions: Node
  readonly segments: Node
  readonly onStream?: (stream: Node) => void
}

/** Number of places that stand before the tokens of every example. */
export function placesBefore({ virtual, prefix }: Pick<BoundParts, 'virtual' | 'prefix'>): number {
  return (virtual?.shape[0] ?? 0) + (prefix?.length ?? 0)
}

/** [B·T, C]. Packed examples share what stands before them: it sees none of them. */
export function blockStates(config: ModelConfig, parts: BoundParts, block: BlockInputs): Node {
  const { ids, positions, segments, onStream } = block
  const { virtual, prefix } = parts
  const [batch, length] = ids.shape
  const before = placesBefore(parts)
  const moved = before === 0 ? positions : add(positions, int64s([before]))
  const shared = virtual?.shape[0] ?? 0
  const tokens = {
    positions: putBefore(
      moved,
      Array.from({ length: shared }, (_, i) => i),
    ),
    segments: putBefore(segments, new Array<number>(shared).fill(-1)),
  }
  const inner = blockAttention(config, { ...tokens, shared, prefix })
  const attend = parts.attend?.(inner) ?? inner
  const inputs = { ids, virtual, positions: tokens.positions, positionLimit: before + length, attend, onStream }
  const states = decoderStates(config, parts, inputs)
  if (shared === 0) return states
  const rows = reshape(states, [batch, shared + length, config.width])
  return reshape(slice(rows, 1, shared, shared + length), [batch * length, config.width])
}

/** int64 [B, T] with the same numbers before each row. */
function putBefore(rows: Node, numbers: readonly number[]): Node {
  if (numbers.length === 0) return rows
  const shape = [1, numbers.length]
  const first = constant({ dtype: 'int64', shape, data: BigInt64Array.from(numbers, BigInt) })
  return concat([expand(first, [rows.shape[0], numbers.length]), rows], 1)
}
