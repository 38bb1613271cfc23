// What each family calls its modules: the names of tensors in a checkpoint, in front of `.weight` and `.bias`.

/** Names of modules; inside a block they follow `block.<number>.`. A module's tensors end in `.weight` and `.bias`. */
export interface WeightNames {
  readonly embedding: string
  readonly positions?: string
  readonly embeddingNorm?: string
  readonly block: string
  readonly attentionNorm: string
  /** One module for queries, keys and values (their order inside: `fusedOrder`), or three. */
  readonly qkv:
    | { readonly fused: string; readonly order: FusedOrder }
    | { readonly query: string; readonly key: string; readonly value: string }
  readonly queryNorm?: string
  readonly keyNorm?: string
  readonly attentionOut: string
  /** Norm of what attention adds to the stream. */
  readonly afterAttention?: string
  readonly mlpNorm: string
  /** Norms of attention and MLP where both stand side by side and each has its own. */
  readonly pairedNorms?: { readonly attention: string; readonly mlp: string }
  readonly gate?: string
  readonly up?: string
  /** Gate and up in one module, in this order. */
  readonly gateUp?: string
  readonly down: string
  readonly afterMlp?: string
  /** A mixture in place of the MLP: a router, and modules under `experts.<number>.`. */
  readonly mixture?: {
    readonly router: string
    readonly experts: string
    readonly gate: string
    readonly up: string
    readonly down: string
  }
  readonly finalNorm: string
  readonly head: string
  /** `out-in`: [out, in] as torch Linear; `in-out`: [in, out] as GPT-2's Conv1D. The head is always [V, C]. */
  readonly layout: 'out-in' | 'in-out'
  /** What checkpoints saved from the bare model leave out in front of the names. */
  readonly prefix: string
  /** Buffers that old checkpoints carry beside their weights. */
  readonly ignored: RegExp
}

/** All queries, all keys, all values; or for each key head its queries, its key, its value. */
export type FusedOrder = 'whole' | 'by-key-head'

export const llamaNames: WeightNames = {
  embedding: 'model.embed_tokens',
  block: 'model.layers',
  attentionNorm: 'input_layernorm',
  qkv: { query: 'self_attn.q_proj', key: 'self_attn.k_proj', value: 'self_attn.v_proj' },
  attentionOut: 'self_attn.o_proj',
  mlpNorm: 'post_attention_layernorm',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
  finalNorm: 'model.norm',
  head: 'lm_head',
  layout: 'out-in',
  prefix: 'model.',
  ignored: /\.rotary_emb\.inv_freq$/,
}

export const mixtralNames: WeightNames = {
  ...llamaNames,
  mixture: {
    router: 'block_sparse_moe.gate',
    experts: 'block_sparse_moe.experts',
    gate: 'w1',
    up: 'w3',
    down: 'w2',
  },
}

const headNorms = { queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' }

export const qwen3Names: WeightNames = { ...llamaNames, ...headNorms }

export const stableLmNames: WeightNames = {
  ...llamaNames,
  queryNorm: 'self_attn.q_layernorm.norms',
  keyNorm: 'self_attn.k_layernorm.norms',
}

export const gemma2Names: WeightNames = {
  ...llamaNames,
  afterAttention: 'post_attention_layernorm',
  mlpNorm: 'pre_feedforward_layernorm',
  afterMlp: 'post_feedforward_layernorm',
}

export const gemma3Names: WeightNames = { ...gemma2Names, ...headNorms }

export const glmNames: WeightNames = {
  ...llamaNames,
  gate: undefined,
  up: undefined,
  gateUp: 'mlp.gate_up_proj',
}

export const glm4Names: WeightNames = {
  ...glmNames,
  afterAttention: 'post_self_attn_layernorm',
  afterMlp: 'post_mlp_layernorm',
}

export const phi3Names: WeightNames = { ...glmNames, qkv: { fused: 'self_attn.qkv_proj', order: 'whole' } }

export const gpt2Names: WeightNames = {
  embedding: 'transformer.wte',
  positions: 'transformer.wpe',
  block: 'transformer.h',
  attentionNorm: 'ln_1',
  qkv: { fused: 'attn.c_attn', order: 'whole' },
  attentionOut: 'attn.c_proj',
  mlpNorm: 'ln_2',
  up: 'mlp.c_fc',
  down: 'mlp.c_proj',
  finalNorm: 'transformer.ln_f',
  head: 'lm_head',
  layout: 'in-out',
  prefix: 'transformer.',
  ignored: /\.attn\.(?:masked_)?bias$/,
}

export const gptNeoNames: WeightNames = {
  ...gpt2Names,
  qkv: { query: 'attn.attention.q_proj', key: 'attn.attention.k_proj', value: 'attn.attention.v_proj' },
  attentionOut: 'attn.attention.out_proj',
  layout: 'out-in',
  ignored: /\.attn\.attention\.(?:masked_)?bias$/,
}

export const gptJNames: WeightNames = {
  ...gpt2Names,
  positions: undefined,
  qkv: { query: 'attn.q_proj', key: 'attn.k_proj', value: 'attn.v_proj' },
  attentionOut: 'attn.out_proj',
  up: 'mlp.fc_in',
  down: 'mlp.fc_out',
  layout: 'out-in',
}

export const gptNeoXNames: WeightNames = {
  embedding: 'gpt_neox.embed_in',
  block: 'gpt_neox.layers',
  attentionNorm: 'input_layernorm',
  qkv: { fused: 'attention.query_key_value', order: 'by-key-head' },
  attentionOut: 'attention.dense',
  mlpNorm: 'post_attention_layernorm',
  up: 'mlp.dense_h_to_4h',
  down: 'mlp.dense_4h_to_h',
  finalNorm: 'gpt_neox.final_layer_norm',
  head: 'embed_out',
  layout: 'out-in',
  prefix: 'gpt_neox.',
  ignored: /\.attention\.(?:bias|masked_bias|rotary_emb\.inv_freq)$/,
}

export const falconNames: WeightNames = {
  embedding: 'transformer.word_embeddings',
  block: 'transformer.h',
  attentionNorm: 'input_layernorm',
  qkv: { fused: 'self_attention.query_key_value', order: 'by-key-head' },
  attentionOut: 'self_attention.dense',
  mlpNorm: 'post_attention_layernorm',
  pairedNorms: { attention: 'ln_attn', mlp: 'ln_mlp' },
  up: 'mlp.dense_h_to_4h',
  down: 'mlp.dense_4h_to_h',
  finalNorm: 'transformer.ln_f',
  head: 'lm_head',
  layout: 'out-in',
  prefix: 'transformer.',
  ignored: /\.rotary_emb\.inv_freq$|\.maybe_rotary\.inv_freq$/,
}

export const bloomNames: WeightNames = {
  ...falconNames,
  embeddingNorm: 'transformer.word_embeddings_layernorm',
  pairedNorms: undefined,
}
