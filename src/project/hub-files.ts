// The list of a repository's files to those that a model needs here; never a pickle.
import { AppError } from '../base/errors.js'
import { indexFile, singleFile } from '../formats/safetensors-shards.js'
import type { HubFile } from './hub-transfer.js'

/** What is fetched of a model. */
export interface ModelFiles {
  /** Configuration, tokenizer, index, licence: fetched and looked into before the weights. */
  readonly small: readonly HubFile[]
  readonly weights: readonly HubFile[]
}

const smallFile = new RegExp(
  '^(?:config|generation_config|adapter_config|special_tokens_map|added_tokens|vocab|chat_template)\\.json$|' +
    '^tokenizer[\\w.-]*\\.(?:json|model)$|^(?:spiece|sentencepiece(?:\\.bpe)?)\\.model$|^(?:merges|vocab)\\.txt$|' +
    '^chat_template\\.jinja$|^(?:README|LICEN[CS]E|NOTICE|USE_POLICY|COPYING)(?:[.-][\\w.-]*)?$',
  'iu',
)
const shard = /^model-\d{5}-of-\d{5}\.safetensors$/u
const pickle = /\.(?:bin|pt|pth|ckpt)$/u

/**
 * Chooses among the files at the root of a repository: the single file of weights, else the shards of the index.
 * @throws AppError `not-a-model` without config.json; `pickle-weights`; `no-weights`
 */
export function chooseFiles(files: readonly HubFile[], name: string): ModelFiles {
  const has = (path: string): boolean => files.some(file => file.path === path)
  const adapter = !has('config.json') && has('adapter_config.json')
  if (!adapter && !has('config.json')) throw notAModel(name)
  const sharded = !has(singleFile) && has(indexFile)
  const isWeights = adapter ? isAdapter : sharded ? (path: string) => shard.test(path) : (path: string) => path === singleFile // prettier-ignore
  const weights = files.filter(({ path }) => isWeights(path))
  if (weights.length === 0) throw noWeights(files, name)
  const small = files.filter(({ path }) => smallFile.test(path) || (sharded && path === indexFile))
  return { small, weights }
}

function isAdapter(path: string): boolean {
  return path === 'adapter_model.safetensors'
}

function notAModel(name: string): AppError {
  return new AppError('not-a-model', {
    where: name,
    what: { en: 'there is no config.json, so it is no language model', ru: 'нет config.json: это не языковая модель' },
    fix: {
      en: 'Choose a repository in the layout of transformers',
      ru: 'Выберите репозиторий в раскладке transformers',
    },
  })
}

function noWeights(files: readonly HubFile[], name: string): AppError {
  const found = files.find(({ path }) => pickle.test(path))
  if (found) return onlyPickles(name, found.path)
  const gguf = files.find(({ path }) => path.endsWith('.gguf'))?.path
  return new AppError('no-weights', {
    where: name,
    what: {
      en: `there is no ${singleFile}${gguf ? `, only ${gguf}` : ''}`,
      ru: `нет ${singleFile}${gguf ? `, есть только ${gguf}` : ''}`,
    },
    fix: {
      en: 'Choose the original model that this one was made from',
      ru: 'Выберите исходную модель, из которой сделана эта',
    },
  })
}

function onlyPickles(name: string, path: string): AppError {
  const call = `AutoModelForCausalLM.from_pretrained("${name}").save_pretrained("folder")`
  return new AppError('pickle-weights', {
    where: name,
    what: {
      en: `its weights are only there as a Python pickle (${path}), which can run any code when it is opened`,
      ru: `веса есть только как pickle языка Python (${path}), а он при открытии может выполнить любой код`,
    },
    fix: {
      en: `Look for a revision with safetensors (--revision refs/pr/1 often is one), or convert it in Python: ${call}`,
      ru: `Поищите ревизию с safetensors (часто это --revision refs/pr/1) или преобразуйте в Python: ${call}`,
    },
  })
}
