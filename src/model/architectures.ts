// The families of models: how each one's config.json reads and what its weights are called. A new family is a row.
import type { ConfigReader } from './config-reader.js'
import { readBloom, readFalcon, readGpt2, readGptJ, readGptNeo, readGptNeoX } from './gpt-configs.js'
import {
  readGemma,
  readGemma2,
  readGemma3,
  readGlm,
  readLlama,
  readMistral,
  readMixtral,
  readPhi3,
  readQwen2,
  readQwen3,
  readStableLm,
  type FamilyConfig,
} from './llama-configs.js'
import type { ModelType } from './model-config.js'
import * as names from './weight-names.js'

export interface Architecture {
  /** The code that the row restates. */
  readonly source: string
  readonly names: names.WeightNames
  read(config: ConfigReader): FamilyConfig
}

const modeling = 'https://github.com/huggingface/transformers/blob/main/src/transformers/models'

/** Every family that this version computes, by its `model_type`. */
export const architectures: { readonly [Type in ModelType]: Architecture } = {
  gpt2: { source: `${modeling}/gpt2/modeling_gpt2.py`, names: names.gpt2Names, read: readGpt2 },
  gpt_neo: { source: `${modeling}/gpt_neo/modeling_gpt_neo.py`, names: names.gptNeoNames, read: readGptNeo },
  gptj: { source: `${modeling}/gptj/modeling_gptj.py`, names: names.gptJNames, read: readGptJ },
  gpt_neox: { source: `${modeling}/gpt_neox/modeling_gpt_neox.py`, names: names.gptNeoXNames, read: readGptNeoX },
  bloom: { source: `${modeling}/bloom/modeling_bloom.py`, names: names.bloomNames, read: readBloom },
  falcon: { source: `${modeling}/falcon/modeling_falcon.py`, names: names.falconNames, read: readFalcon },
  llama: { source: `${modeling}/llama/modeling_llama.py`, names: names.llamaNames, read: readLlama },
  mistral: { source: `${modeling}/mistral/modeling_mistral.py`, names: names.llamaNames, read: readMistral },
  mixtral: { source: `${modeling}/mixtral/modeling_mixtral.py`, names: names.mixtralNames, read: readMixtral },
  qwen2: { source: `${modeling}/qwen2/modeling_qwen2.py`, names: names.llamaNames, read: readQwen2 },
  qwen3: { source: `${modeling}/qwen3/modeling_qwen3.py`, names: names.qwen3Names, read: readQwen3 },
  gemma: { source: `${modeling}/gemma/modeling_gemma.py`, names: names.llamaNames, read: readGemma },
  gemma2: { source: `${modeling}/gemma2/modeling_gemma2.py`, names: names.gemma2Names, read: readGemma2 },
  gemma3_text: { source: `${modeling}/gemma3/modeling_gemma3.py`, names: names.gemma3Names, read: readGemma3 },
  glm: { source: `${modeling}/glm/modeling_glm.py`, names: names.glmNames, read: readGlm },
  glm4: { source: `${modeling}/glm4/modeling_glm4.py`, names: names.glm4Names, read: readGlm },
  phi3: { source: `${modeling}/phi3/modeling_phi3.py`, names: names.phi3Names, read: readPhi3 },
  stablelm: { source: `${modeling}/stablelm/modeling_stablelm.py`, names: names.stableLmNames, read: readStableLm },
}
