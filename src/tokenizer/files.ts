// A folder or file of a tokenizer to a Tokenizer, and back: tokenizer.json, tokenizer.model and the two configs from one state.
import { mkdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../base/errors.js'
import { exists, fileNotFound, readJson, writeFileAtomic } from '../base/files.js'
import { readSentencePiece, writeSentencePiece } from '../formats/sentencepiece.js'
import { convertToTokenizerJson } from './convert.js'
import type { FileTokenizer, TokenizerConfig } from './file.js'
import { createHuggingFaceTokenizer } from './huggingface.js'
import { createSentencePieceTokenizer, markedSpecial } from './sentencepiece.js'
import { parseTokenizerJson, renderTokenizerJson, type TokenizerJson } from './tokenizer-json.js'

/**
 * Loads `tokenizer.json` or a `.model`, given the file or its folder. In a folder with both, the `.model` is taken when it
 * holds every token of the tokenizer.json (they then encode equally), else the tokenizer.json, which has been added to.
 * @throws AppError `file-not-found`, `no-tokenizer`, `bad-sentencepiece`, `bad-tokenizer-json`, `tokenizer-unsupported`
 */
export async function loadTokenizer(path: string): Promise<FileTokenizer> {
  const info = await stat(path).catch((cause: unknown) => {
    throw fileNotFound(path, cause)
  })
  const folder = info.isDirectory() ? path : dirname(path)
  const configPath = join(folder, 'tokenizer_config.json')
  const config = (await exists(configPath)) ? ((await readJson(configPath)) as TokenizerConfig) : {}
  if (info.isFile()) return path.endsWith('.json') ? loadJson(path, config) : loadModel(path, config)
  const modelPath = join(folder, 'tokenizer.model')
  const jsonPath = join(folder, 'tokenizer.json')
  const hasModel = await exists(modelPath)
  if (!(await exists(jsonPath))) {
    if (hasModel) return loadModel(modelPath, config)
    throw noTokenizer(path)
  }
  const json = parseTokenizerJson(await readJson(jsonPath), jsonPath)
  if (hasModel) {
    const fromModel = await loadModel(modelPath, config)
    if (fromModel.size >= sizeOf(json)) return fromModel
  }
  return createHuggingFaceTokenizer(json, config, jsonPath)
}

async function loadModel(path: string, config: TokenizerConfig): Promise<FileTokenizer> {
  return createSentencePieceTokenizer(readSentencePiece(await readFile(path), path), config, basename(path))
}

async function loadJson(path: string, config: TokenizerConfig): Promise<FileTokenizer> {
  return createHuggingFaceTokenizer(parseTokenizerJson(await readJson(path), path), config, basename(path))
}

function sizeOf(json: TokenizerJson): number {
  let highest = -1
  for (const id of json.model.vocab.values()) highest = Math.max(highest, id)
  for (const { id } of json.addedTokens) highest = Math.max(highest, id)
  return highest + 1
}

/** Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json, and tokenizer.model for a SentencePiece tokenizer. */
export async function saveTokenizer(folder: string, tokenizer: FileTokenizer): Promise<void> {
  const { file } = tokenizer
  const json =
    file.kind === 'sentencepiece' ? convertToTokenizerJson(file.model, markedSpecial(file.config)) : file.json
  await mkdir(folder, { recursive: true })
  if (file.kind === 'sentencepiece')
    await writeFileAtomic(join(folder, 'tokenizer.model'), writeSentencePiece(file.model))
  await writeFileAtomic(join(folder, 'tokenizer.json'), renderTokenizerJson(json))
  await writeFileAtomic(join(folder, 'tokenizer_config.json'), toJson(renderConfig(tokenizer, json)))
  await writeFileAtomic(join(folder, 'special_tokens_map.json'), toJson(renderSpecialTokens(tokenizer, json)))
}

const toJson = (value: unknown): string => JSON.stringify(value, null, 2) + '\n'

/**
 * `PreTrainedTokenizerFast` always: with LlamaTokenizer newer transformers would replace the pipeline of tokenizer.json.
 */
function renderConfig(tokenizer: FileTokenizer, json: TokenizerJson): TokenizerConfig {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: 1e30,
    ...tokenizer.file.config,
    ...roles(tokenizer),
    clean_up_tokenization_spaces: false,
    added_tokens_decoder: Object.fromEntries(json.addedTokens.map(({ id, ...token }) => [id, token])),
  }
}

function renderSpecialTokens(tokenizer: FileTokenizer, json: TokenizerJson): Record<string, unknown> {
  const main = roles(tokenizer)
  const known = new Set<unknown>(Object.values(main))
  const additional = json.addedTokens
    .filter(token => token.special && !known.has(token.content))
    .map(token => token.content)
  return additional.length === 0 ? main : { ...main, additional_special_tokens: additional }
}

function roles({ special, token }: FileTokenizer): Record<string, string> {
  const names = { bos_token: special.bos, eos_token: special.eos, unk_token: special.unk, pad_token: special.pad }
  return Object.fromEntries(
    Object.entries(names).flatMap(([role, id]) => (id === undefined ? [] : [[role, token(id)]])),
  )
}

function noTokenizer(path: string): AppError {
  return new AppError('no-tokenizer', {
    where: path,
    what: {
      en: 'there is neither tokenizer.json nor tokenizer.model',
      ru: 'здесь нет ни tokenizer.json, ни tokenizer.model',
    },
    fix: { en: 'Give the folder of a tokenizer', ru: 'Укажите папку токенизатора' },
  })
}
