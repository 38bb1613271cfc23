// A Hugging Face config.json to the shape of one decoder; a key that could change the mathematics is never passed over.
import { AppError, keyOf } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { architectures } from './architectures.js'
import { ConfigReader } from './config-reader.js'
import type { ConfigJson, ModelConfig, ModelType } from './model-config.js'

/** Keys of every family that do not change the numbers of a causal language model. Dropout is not applied in training. */
const harmlessKeys: readonly string[] = [
  'architectures', 'model_type', 'transformers_version', 'dtype', 'torch_dtype', '_name_or_path', '_attn_implementation_autoset',
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'unk_token_id', 'sep_token_id', 'cls_token_id', 'decoder_start_token_id',
  'use_cache', 'output_attentions', 'output_hidden_states', 'return_dict', 'return_dict_in_generate', 'torchscript',
  'chunk_size_feed_forward', 'is_encoder_decoder', 'is_decoder', 'id2label', 'label2id', 'problem_type', 'num_labels', 'task_specific_params',
  'attention_dropout', 'hidden_dropout', 'embd_pdrop', 'attn_pdrop', 'resid_pdrop', 'classifier_dropout', 'gradient_checkpointing', 'pretraining_tp',
  'summary_activation', 'summary_first_dropout', 'summary_proj_to_labels', 'summary_type', 'summary_use_proj', 'finetuning_task', 'tokenizer_class',
  '_num_labels', 'hidden_dropout_prob', 'attention_probs_dropout_prob',
  'resid_dropout', 'embed_dropout', 'embedding_dropout', 'cache_implementation', 'cross_attention_hidden_size',
  'auto_map', 'reorder_and_upcast_attn', 'prefix', 'max_length', 'temperature', 'top_k', 'top_p', 'do_sample', 'repetition_penalty', 'num_beams',
  'min_length', 'length_penalty', 'early_stopping', 'no_repeat_ngram_size', 'num_return_sequences', 'bad_words_ids', 'typical_p', 'num_beam_groups',
  'diversity_penalty', 'encoder_no_repeat_ngram_size', 'forced_bos_token_id', 'forced_eos_token_id', 'suppress_tokens', 'begin_suppress_tokens',
  'exponential_decay_length_penalty', 'remove_invalid_values', 'output_scores', 'output_past', 'predict_special_tokens', 'use_bfloat16',
  'tf_legacy_loss', 'is_llama_config', 'transformers.js_config', 'unsloth_fixed', 'unsloth_version', 'neftune_noise_alpha',
] // prettier-ignore

/** What published files name only to say that it is switched off. */
const switchedOff = ['use_mrope', 'rope_interleaved', 'tie_encoder_decoder', 'add_cross_attention'] as const

/**
 * @param where file to name in errors
 * @throws AppError `unsupported-model` naming the supported ones; `unknown-config-key` for a key of unknown effect;
 * `unsupported-config` for a value that this version cannot compute; `bad-config` for a missing or malformed value
 */
export function parseConfig(json: ConfigJson, where = 'config.json'): ModelConfig {
  const modelType = json.model_type
  if (typeof modelType !== 'string' || !isModelType(modelType)) throw unsupportedModel(modelType, where)
  const reader = new ConfigReader(json, where)
  const codes = reader.value('quantization_config')
  if (codes !== undefined) throw quantised(codes, where)
  const config = { modelType, ...architectures[modelType].read(reader) }
  for (const key of switchedOff) reader.expect(key, false)
  const unknown = reader.unread(harmlessKeys)
  if (unknown.length > 0) throw unknownKey(unknown[0], json, reader, where)
  checkDivisors(config, where)
  return config
}

/** The model_type values this version computes. */
export function supportedModelTypes(): readonly string[] {
  return Object.keys(architectures)
}

function isModelType(name: string): name is ModelType {
  return Object.hasOwn(architectures, name)
}

function checkDivisors(config: ModelConfig, where: string): void {
  const { positions, headWidth } = config
  const turned = positions.kind === 'rotary' ? 2 * positions.frequencies.length : 0
  if (config.heads % config.keyHeads === 0 && turned <= headWidth) return
  const got = `${config.heads} heads, ${config.keyHeads} key heads, head width ${config.headWidth}`
  throw new AppError('bad-config', {
    where,
    what: { en: `heads do not divide: ${got}`, ru: `головы не делятся нацело: ${got}` },
    fix: { en: 'Correct the numbers of heads', ru: 'Исправьте числа голов' },
  })
}

function unsupportedModel(modelType: unknown, where: string): AppError {
  const known = supportedModelTypes().join(', ')
  const got = JSON.stringify(modelType)
  return new AppError('unsupported-model', {
    where: keyOf(where, 'model_type'),
    what: { en: `model_type ${got} is not supported`, ru: `model_type ${got} не поддерживается` },
    fix: {
      en: `Choose a base model of one of these types: ${known}`,
      ru: `Выберите базовую модель одного из типов: ${known}`,
    },
  })
}

/** Its weights are codes of a form that we do not read, so that taking the key out would not help. */
function quantised(how: unknown, where: string): AppError {
  const method = JSON.stringify((how as { quant_method?: unknown }).quant_method ?? how)
  return new AppError('unsupported-config', {
    where: keyOf(where, 'quantization_config'),
    what: {
      en: `the weights are quantised (${method}), which is not supported`,
      ru: `веса квантованы (${method}), это не поддерживается`,
    },
    fix: {
      en: 'Take the original that this model was made from; train.baseBits: 8 or 4 saves memory here',
      ru: 'Возьмите исходную модель, из которой эта сделана; память здесь бережёт train.baseBits: 8 или 4',
    },
  })
}

function unknownKey(key: string, json: ConfigJson, reader: ConfigReader, where: string): AppError {
  const near = nearestName(key, reader.asked())
  const hint =
    near === undefined ? { en: '', ru: '' } : { en: ` Did you mean "${near}"?`, ru: ` Может быть, «${near}»?` }
  const value = JSON.stringify(json[key])
  return new AppError('unknown-config-key', {
    where: keyOf(where, key),
    what: {
      en: `unknown key with value ${value}; it could change what the model computes`,
      ru: `неизвестный ключ со значением ${value}; от него может зависеть, что вычисляет модель`,
    },
    fix: {
      en: `Remove the key if the model does not need it.${hint.en}`,
      ru: `Удалите ключ, если модели он не нужен.${hint.ru}`,
    },
  })
}
