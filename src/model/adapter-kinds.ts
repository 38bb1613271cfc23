// The methods of adapting a model, one row each.
import type { AdapterKind } from './adapter-kind.js'
import { adaptionPrompt } from './adaption-prompt.js'
import { bottleneck } from './bottleneck.js'
import { ia3 } from './ia3.js'
import { lora } from './lora.js'
import type { AdapterMethod } from './method.js'
import { pTuning } from './p-tuning.js'
import { prefix } from './prefix.js'
import { prompt } from './prompt.js'

type MethodOf<Kind extends AdapterMethod['kind']> = Extract<AdapterMethod, { readonly kind: Kind }>

export const adapterKinds: { readonly [Kind in AdapterMethod['kind']]: AdapterKind<MethodOf<Kind>> } = {
  lora,
  ia3,
  prompt,
  'p-tuning': pTuning,
  prefix,
  'adaption-prompt': adaptionPrompt,
  bottleneck,
}

/** The row of a method; what it takes is that method by construction of the table. */
export function kindOf({ kind }: Pick<AdapterMethod, 'kind'>): AdapterKind<AdapterMethod> {
  return adapterKinds[kind] as unknown as AdapterKind<AdapterMethod>
}
