// Sizes published with models of every family, and the numbers of parameters that their pages name.
import type { ConfigJson } from '../../src/model/model-config.js'

export const published: Readonly<Record<string, [ConfigJson, number]>> = {
  'GPT-2': [{ model_type: 'gpt2' }, 124_439_808],
  'GPT-2 medium': [{ model_type: 'gpt2', n_embd: 1024, n_layer: 24, n_head: 16, n_ctx: 1024, n_inner: null }, 354_823_168],
  'DistilGPT-2': [{ model_type: 'gpt2', n_layer: 6, n_ctx: 1024, _num_labels: 1, id2label: { 0: 'LABEL_0' } }, 81_912_576],
  'LLaMA 7B': [
    { model_type: 'llama', vocab_size: 32000, hidden_size: 4096, intermediate_size: 11008, num_hidden_layers: 32, num_attention_heads: 32 },
    6_738_415_616,
  ],
  'Llama 3.2 1B': [
    {
      model_type: 'llama', vocab_size: 128256, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16, num_attention_heads: 32,
      num_key_value_heads: 8, head_dim: 64, tie_word_embeddings: true, rope_theta: 500000.0, max_position_embeddings: 131072,
      rope_scaling: { factor: 32.0, high_freq_factor: 4.0, low_freq_factor: 1.0, original_max_position_embeddings: 8192, rope_type: 'llama3' },
    },
    1_235_814_400,
  ],
  'Mistral 7B 0.3': [
    {
      model_type: 'mistral', vocab_size: 32768, hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32, num_attention_heads: 32,
      num_key_value_heads: 8, sliding_window: null, rope_theta: 1000000.0, max_position_embeddings: 32768,
    },
    7_248_023_552,
  ],
  'Qwen2 0.5B': [
    {
      model_type: 'qwen2', vocab_size: 151936, hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14,
      num_key_value_heads: 2, tie_word_embeddings: true, sliding_window: 32768, use_sliding_window: false, max_window_layers: 24,
    },
    494_032_768,
  ],
  'Qwen2.5 0.5B': [
    {
      model_type: 'qwen2', vocab_size: 151936, hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14,
      num_key_value_heads: 2, tie_word_embeddings: true, sliding_window: 32768, use_sliding_window: false, max_window_layers: 24, use_mrope: false,
    },
    494_032_768,
  ],
  'SmolLM2 135M': [
    {
      model_type: 'llama', vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9,
      num_key_value_heads: 3, tie_word_embeddings: true, is_llama_config: true, rope_interleaved: false, rope_theta: 100000, rope_scaling: null,
    },
    134_515_008,
  ],
  'Qwen3 0.6B': [
    {
      model_type: 'qwen3', vocab_size: 151936, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28, num_attention_heads: 16,
      num_key_value_heads: 8, head_dim: 128, tie_word_embeddings: true, max_window_layers: 28,
    },
    596_049_920,
  ],
  'Mixtral 8x7B': [
    {
      model_type: 'mixtral', vocab_size: 32000, hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32, num_attention_heads: 32,
      num_key_value_heads: 8, num_local_experts: 8, num_experts_per_tok: 2, rope_theta: 1e6, router_aux_loss_coef: 0.02, sliding_window: null,
      max_position_embeddings: 32768, output_router_logits: false,
    },
    46_702_792_704,
  ],
  'Gemma 2B': [
    {
      model_type: 'gemma', vocab_size: 256000, hidden_size: 2048, intermediate_size: 16384, num_hidden_layers: 18, num_attention_heads: 8,
      num_key_value_heads: 1, head_dim: 256, hidden_act: 'gelu', hidden_activation: null, rope_scaling: null, rope_theta: 10000.0,
    },
    2_506_172_416,
  ],
  'Gemma 2 2B': [
    {
      model_type: 'gemma2', vocab_size: 256000, hidden_size: 2304, intermediate_size: 9216, num_hidden_layers: 26, num_attention_heads: 8,
      num_key_value_heads: 4, head_dim: 256, hidden_act: 'gelu_pytorch_tanh', hidden_activation: 'gelu_pytorch_tanh', sliding_window: 4096,
      query_pre_attn_scalar: 256, attn_logit_softcapping: 50.0, final_logit_softcapping: 30.0, cache_implementation: 'hybrid',
    },
    2_614_341_888,
  ],
  'Gemma 2 9B': [
    {
      model_type: 'gemma2', vocab_size: 256000, hidden_size: 3584, intermediate_size: 14336, num_hidden_layers: 42, num_attention_heads: 16,
      num_key_value_heads: 8, head_dim: 256, hidden_activation: 'gelu_pytorch_tanh', sliding_window: 4096, sliding_window_size: 4096,
      query_pre_attn_scalar: 256, attn_logit_softcapping: 50.0, final_logit_softcapping: 30.0, cache_implementation: 'hybrid',
    },
    9_241_705_984,
  ],
  'Gemma 3 1B': [
    {
      model_type: 'gemma3_text', vocab_size: 262144, hidden_size: 1152, intermediate_size: 6912, num_hidden_layers: 26, num_attention_heads: 4,
      num_key_value_heads: 1, head_dim: 256, hidden_activation: 'gelu_pytorch_tanh', sliding_window: 512, sliding_window_pattern: 6,
      query_pre_attn_scalar: 256, attn_logit_softcapping: null, final_logit_softcapping: null, rope_theta: 1e6, rope_local_base_freq: 10000,
      rope_scaling: null, max_position_embeddings: 32768, cache_implementation: 'hybrid',
    },
    999_885_952,
  ],
  'Falcon 7B': [
    {
      model_type: 'falcon', vocab_size: 65024, hidden_size: 4544, num_hidden_layers: 32, num_attention_heads: 71, num_kv_heads: 71,
      alibi: false, bias: false, multi_query: true, new_decoder_architecture: false, parallel_attn: true,
      apply_residual_connection_post_layernorm: false,
    },
    6_921_720_704,
  ],
  'Falcon 40B': [
    {
      model_type: 'falcon', vocab_size: 65024, hidden_size: 8192, num_hidden_layers: 60, num_attention_heads: 128, num_kv_heads: 8,
      alibi: false, bias: false, new_decoder_architecture: true, parallel_attn: true,
    },
    41_303_293_952,
  ],
  'Falcon RW 1B': [
    {
      model_type: 'falcon', vocab_size: 50304, hidden_size: 2048, num_hidden_layers: 24, num_attention_heads: 32, alibi: true, bias: true,
      multi_query: false, new_decoder_architecture: false, parallel_attn: false,
    },
    1_311_625_216,
  ],
  'BLOOM 560M': [
    { model_type: 'bloom', vocab_size: 250880, n_embed: 1024, n_layer: 24, num_attention_heads: 16, n_inner: null, offset_alibi: 100 },
    559_214_592,
  ],
  'Pythia 70M': [
    {
      model_type: 'gpt_neox', vocab_size: 50304, hidden_size: 512, intermediate_size: 2048, num_hidden_layers: 6, num_attention_heads: 8,
      rotary_pct: 0.25, rotary_emb_base: 10000, use_parallel_residual: true, layer_norm_eps: 1e-5, max_position_embeddings: 2048,
    },
    70_426_624,
  ],
  'GPT-NeoX 20B': [
    {
      model_type: 'gpt_neox', vocab_size: 50432, hidden_size: 6144, intermediate_size: 24576, num_hidden_layers: 44, num_attention_heads: 64,
      hidden_act: 'gelu_fast', rotary_pct: 0.25, rotary_emb_base: 10000, attention_probs_dropout_prob: 0, hidden_dropout_prob: 0,
    },
    20_554_567_680,
  ],
  'GPT-Neo 125M': [
    {
      model_type: 'gpt_neo', vocab_size: 50257, hidden_size: 768, num_layers: 12, num_heads: 12, max_position_embeddings: 2048,
      attention_types: [[['global', 'local'], 6]], window_size: 256, resid_dropout: 0, embed_dropout: 0,
    },
    125_198_592,
  ],
  'GPT-J 6B': [
    {
      model_type: 'gptj', vocab_size: 50400, n_embd: 4096, n_layer: 28, n_head: 16, n_positions: 2048, rotary: true, rotary_dim: 64,
      scale_attn_weights: true,
    },
    6_050_882_784,
  ],
  'StableLM 2 1.6B': [
    {
      model_type: 'stablelm', vocab_size: 100352, hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 24, num_attention_heads: 32,
      num_key_value_heads: 32, use_qkv_bias: true, partial_rotary_factor: 0.25, layer_norm_eps: 1e-5, rope_theta: 10000,
    },
    1_644_515_328,
  ],
  'StableLM 2 12B': [
    {
      model_type: 'stablelm', vocab_size: 100352, hidden_size: 5120, intermediate_size: 13824, num_hidden_layers: 40, num_attention_heads: 32,
      num_key_value_heads: 8, qk_layernorm: true, use_parallel_residual: true, partial_rotary_factor: 0.25,
    },
    12_143_185_920,
  ],
  'GLM-4 9B': [
    {
      model_type: 'glm', vocab_size: 151552, hidden_size: 4096, intermediate_size: 13696, num_hidden_layers: 40, num_attention_heads: 32,
      num_key_value_heads: 2, head_dim: 128, attention_bias: true, partial_rotary_factor: 0.5, rms_norm_eps: 1.5625e-7,
    },
    9_399_951_360,
  ],
  'GLM-4 9B 0414': [
    {
      model_type: 'glm4', vocab_size: 151552, hidden_size: 4096, intermediate_size: 13696, num_hidden_layers: 40, num_attention_heads: 32,
      num_key_value_heads: 2, head_dim: 128, attention_bias: true, partial_rotary_factor: 0.5, rms_norm_eps: 1e-5,
    },
    9_400_279_040,
  ],
  'Phi-3 mini 4k': [
    {
      model_type: 'phi3', vocab_size: 32064, hidden_size: 3072, intermediate_size: 8192, num_hidden_layers: 32, num_attention_heads: 32,
      num_key_value_heads: 32, original_max_position_embeddings: 4096, rope_scaling: null, sliding_window: 2047, attention_bias: false,
    },
    3_821_079_552,
  ],
  'Phi-4 mini': [
    {
      model_type: 'phi3', vocab_size: 200064, hidden_size: 3072, intermediate_size: 8192, num_hidden_layers: 32, num_attention_heads: 24,
      num_key_value_heads: 8, max_position_embeddings: 131072, original_max_position_embeddings: 4096, partial_rotary_factor: 0.75,
      rope_scaling: { type: 'longrope', short_factor: new Array(48).fill(1), long_factor: new Array(48).fill(32) }, tie_word_embeddings: true,
      sliding_window: 262144, full_attn_mod: 1, interpolate_factor: 1, lm_head_bias: false, mlp_bias: false, attention_bias: false,
    },
    3_836_021_760,
  ],
} // prettier-ignore
