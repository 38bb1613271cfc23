// Gradients under PyTorch's names to gradients under the names of the checkpoint; the two differ for some families.
import type { FloatValues } from '../../src/formats/safetensors.js'
import { bottleneckName } from '../../src/model/bottleneck.js'

/** Gradients by the name that the parameter has in the model's file. */
export function fileGradients(tensors: ReadonlyMap<string, FloatValues>): Map<string, Float32Array> {
  const named = [...tensors].filter(([name]) => name.startsWith('grad.'))
  return new Map(named.flatMap(([name, tensor]) => inFile(ownName(name), tensor, tensors)))
}

/**
 * PyTorch's name has the adapter's name in it, the file has not; DoRA's lengths are a module there and a tensor here, and
 * the bias of a target lies a level deeper.
 */
function ownName(name: string): string {
  return name
    .slice('grad.'.length)
    .replace(/(?:\.modules_to_save)?\.default(?=\.|$)/, '')
    .replace('.base_layer.bias', '.bias')
    .replace(/(?<=\.lora_magnitude_vector)\.weight$/, '')
    .replace(/(?<=_adapters\.adapters\.)[^.]+/, bottleneckName)
}

/** transformers 5 calls GPT-NeoX's head as everyone's, and keeps Mixtral's experts in one tensor per block. */
function inFile(
  name: string,
  tensor: FloatValues,
  tensors: ReadonlyMap<string, FloatValues>,
): [string, Float32Array][] {
  if (name === 'lm_head.weight' && tensors.has('grad.gpt_neox.embed_in.weight'))
    return [['embed_out.weight', tensor.data]]
  const moe = /^(.*)\.mlp\.(gate\.weight|experts\.gate_up_proj|experts\.down_proj)$/.exec(name)
  if (moe === null) return [[name, tensor.data]]
  const at = `${moe[1]}.block_sparse_moe`
  if (moe[2] === 'gate.weight') return [[`${at}.gate.weight`, tensor.data]]
  const modules = moe[2] === 'experts.down_proj' ? ['w2'] : ['w1', 'w3']
  const size = tensor.data.length / tensor.shape[0] / modules.length
  return Array.from({ length: tensor.shape[0] * modules.length }, (_, i) => {
    const expert = Math.floor(i / modules.length)
    return [
      `${at}.experts.${expert}.${modules[i % modules.length]}.weight`,
      tensor.data.subarray(i * size, (i + 1) * size),
    ]
  })
}
