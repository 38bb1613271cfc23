// Fetching models from a hub, held against a server on this machine that answers as the hub does.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { loadModel, saveModel } from '../../src/model/weights.js'
import { baseModelFolder } from '../../src/project/base-model.js'
import { cachedModelFolder, parseModelName } from '../../src/project/hub-cache.js'
import { explainNetwork } from '../../src/project/hub-errors.js'
import { hubCacheFolder, readHubSettings } from '../../src/project/hub-settings.js'
import { pullModel, type PullOptions } from '../../src/project/hub.js'
import type { Project } from '../../src/project/project.js'
import { tinyModel } from '../model/tiny.js'
import { commit, refuse, startHub, type TestHub } from './hub-server.js'

let hub: TestHub
let root = ''
let home = ''
const single = new Map<string, { bytes: Buffer; lfs: boolean }>()
const sharded = new Map<string, { bytes: Buffer; lfs: boolean }>()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hub-'))
  hub = await startHub()
  for (const [files, maxShardBytes] of [[single, undefined], [sharded, 12_000]] as const) {
    const folder = join(root, String(maxShardBytes))
    await saveModel(folder, { ...tinyModel('llama'), generation: { eos_token_id: 2 } }, { maxShardBytes })
    for (const path of await readdir(folder))
      files.set(path, { bytes: await readFile(join(folder, path)), lfs: path.endsWith('.safetensors') })
    files.set('tokenizer.json', { bytes: Buffer.from('{"large":"one"}'), lfs: true })
    for (const path of ['README.md', 'LICENSE', 'pytorch_model.bin', 'consolidated.safetensors', 'evil.py'])
      files.set(path, { bytes: Buffer.from(path), lfs: false })
  }
}) // prettier-ignore
afterAll(async () => {
  await hub.close()
  await rm(root, { recursive: true })
})

beforeEach(async () => {
  home = await mkdtemp(join(root, 'home-'))
  Object.assign(hub.state, { files: single, refuse: undefined, cutAt: undefined, noRange: undefined, tamper: undefined, lie: undefined }) // prettier-ignore
  hub.asked.length = 0
})
afterEach(() => vi.unstubAllEnvs())

const env = (more: Record<string, string> = {}) => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: home, ...more })
const pull = (options: PullOptions = {}, name = 'org/tiny') => pullModel(name, { env: env(), retryMs: 1, ...options })
const repo = () => join(home, 'hub', 'models--org--tiny')
const weightsHash = () => createHash('sha256').update(single.get('model.safetensors')!.bytes).digest('hex')

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error })
  const text = `${error.code} | ${error.message} | ${error.render('ru')}`
  return text.replaceAll(hub.endpoint, 'http://hub').replaceAll(new URL(hub.endpoint).host, 'hub').replaceAll(home, '')
}

describe('a pulled model', () => {
  it('lies in the cache as Python lays it: blobs by hash, links in a snapshot, a ref', async () => {
    const told: string[] = []
    const notices: string[] = []
    const pulled = await pull({
      onProgress: ({ unit }) => told.push(unit),
      onNotice: ({ en }) => notices.push(en.replace(/[\d.]+ MB free/u, '… MB free')),
    })
    expect(pulled.folder).toBe(join(repo(), 'snapshots', commit))
    const kept = [
      'LICENSE',
      'README.md',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
    ]
    expect((await readdir(pulled.folder)).sort()).toEqual(kept)
    expect(await readlink(join(pulled.folder, 'model.safetensors'))).toBe(`../../blobs/${weightsHash()}`)
    expect((await readdir(join(repo(), 'blobs'))).length).toBe(kept.length)
    expect(await readFile(join(repo(), 'refs', 'main'), 'utf8')).toBe(commit)
    expect((await loadModel(pulled.folder)).weights).toEqual(tinyModel('llama').weights)
    expect(told.every(unit => unit === 'MB')).toBe(true)
    expect(notices).toMatchInlineSnapshot(`
      [
        "org/tiny at 0123456789ab: 6 files, 0.024 MB, 0.024 MB to fetch; … MB free",
      ]
    `)
    expect(pulled.fetched).toBe(pulled.bytes)
  })

  it('does not come a second time', async () => {
    await pull()
    hub.asked.length = 0
    expect((await pull()).fetched).toBe(0)
    expect(hub.asked.filter(({ url }) => url.includes('/resolve/'))).toEqual([])
  })

  it('comes in the shards that its index names, and no others', async () => {
    const more = new Map([...sharded, ['model-00001-of-00009.safetensors', { bytes: Buffer.from('old'), lfs: true }]])
    hub.state.files = more as typeof sharded
    const pulled = await pull()
    expect((await loadModel(pulled.folder)).weights).toEqual(tinyModel('llama').weights)
    expect(existsSync(join(pulled.folder, 'model-00001-of-00009.safetensors'))).toBe(false)
    hub.state.files = new Map([...more].filter(([path]) => !path.startsWith('model-00002')))
    await rm(home, { recursive: true })
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"missing-shard | org/tiny: the index names model-00002-of-00002.safetensors, which is not in the repository. The upload is not whole; try another --revision. | org/tiny: указатель называет model-00002-of-00002.safetensors, а его в репозитории нет. Загружено не всё; попробуйте другую --revision."`,
    )
  })

  it('can be plain files in a folder, which are checked and kept when they are there', async () => {
    const to = join(home, 'plain')
    await pull({ to })
    expect((await stat(join(to, 'model.safetensors'))).isFile()).toBe(true)
    expect(existsSync(join(to, '.cache'))).toBe(false)
    expect(existsSync(join(home, 'hub'))).toBe(false)
    hub.asked.length = 0
    expect((await pull({ to })).fetched).toBe(0)
    await writeFile(join(to, 'README.md'), 'mine')
    expect(await failure(pull({ to }))).toMatchInlineSnapshot(
      `"file-exists | /plain/README.md: another file of this name lies here, and it will not be overwritten. Give --to a new folder. | /plain/README.md: здесь лежит другой файл с этим именем, и он не будет перезаписан. Укажите в --to новую папку."`,
    )
    expect(await readFile(join(to, 'README.md'), 'utf8')).toBe('mine')
  })

  it('is found by the base of a plan, at any revision that is here whole', async () => {
    vi.stubEnv('HF_HOME', home)
    vi.stubEnv('HF_HUB_CACHE', '')
    const base = (name: string) => baseModelFolder({ folder: home, plan: { train: { base: name } } } as unknown as Project)
    await expect(failure((async () => base('org/tiny'))())).resolves.toMatchInlineSnapshot(`"model-not-fetched | dvoynik.json, key train.base: "org/tiny" is no folder with a model, and no model of that name has been fetched whole. Correct the path of the folder, or fetch the model: dvoynik model pull org/tiny. | dvoynik.json, ключ train.base: «org/tiny» — не папка с моделью, и модель с таким именем не скачана целиком. Исправьте путь к папке или скачайте модель: dvoynik model pull org/tiny."`)
    await expect(failure((async () => base('org/tiny@v1'))())).resolves.toContain('dvoynik model pull org/tiny --revision v1')
    await pull()
    const folder = join(repo(), 'snapshots', commit)
    expect([base('org/tiny'), base(`org/tiny@${commit}`)]).toEqual([folder, folder])
    await rm(join(repo(), 'blobs', weightsHash()))
    expect(() => base('org/tiny')).toThrow('no model of that name has been fetched whole')
  }) // prettier-ignore
})

describe('a transfer', () => {
  it('goes on by itself when the connection breaks, from the byte where it broke', async () => {
    hub.state.cutAt = 9000
    const pulled = await pull()
    expect((await loadModel(pulled.folder)).weights).toEqual(tinyModel('llama').weights)
    const ranges = hub.asked.filter(({ host, url }) => host === 'files' && url === '/model.safetensors')
    expect(ranges.length).toBeGreaterThan(1)
    expect(ranges.map(({ range }) => range)).toEqual(ranges.map((_, i) => (i === 0 ? undefined : `bytes=${9000 * i}-`)))
  })

  it('goes on in the next call after an end in the middle', async () => {
    hub.state.cutAt = 0
    const stop = new AbortController()
    const incomplete = join(repo(), 'blobs', `${weightsHash()}.incomplete`)
    await pull().catch(() => undefined)
    const half = single.get('model.safetensors')!.bytes.subarray(0, 5000)
    await writeFile(incomplete, half)
    stop.abort()
    expect(await failure(pull({ signal: stop.signal }))).toMatchInlineSnapshot(
      `"interrupted | the download was interrupted; what has come stays. Run the same command again to go on. | загрузка прервана; скачанное сохранилось. Повторите ту же команду, чтобы продолжить."`,
    )
    hub.state.cutAt = undefined
    hub.asked.length = 0
    const pulled = await pull()
    expect(hub.asked.find(({ url }) => url === '/model.safetensors')!.range).toBe('bytes=5000-')
    expect((await loadModel(pulled.folder)).weights).toEqual(tinyModel('llama').weights)
    expect(pulled.fetched).toBeLessThan(pulled.bytes)
  })

  it('is stopped by Ctrl-C in the middle, keeps what came and says so', async () => {
    const stop = new AbortController()
    hub.state.cutAt = 6000
    hub.state.refuse = request => {
      if (request.headers.range) stop.abort()
      return false
    }
    expect(await failure(pull({ signal: stop.signal }))).toContain('interrupted | the download was interrupted; what has come stays')
    expect((await stat(join(repo(), 'blobs', `${weightsHash()}.incomplete`))).size).toBe(6000)
    expect(existsSync(join(repo(), 'refs'))).toBe(false)
  }) // prettier-ignore

  it('starts anew where the server knows no ranges', async () => {
    await mkdir(join(repo(), 'blobs'), { recursive: true })
    await writeFile(join(repo(), 'blobs', `${weightsHash()}.incomplete`), Buffer.alloc(5000, 7))
    hub.state.noRange = true
    expect((await loadModel((await pull()).folder)).weights).toEqual(tinyModel('llama').weights)
  })

  it('gives up after five tries that bring nothing, and keeps what is there', async () => {
    hub.state.cutAt = 0
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"hub-broken | org/tiny: the connection to hub broke (UND_ERR_SOCKET). Run the command again later; what has come stays. | org/tiny: связь с hub прервалась (UND_ERR_SOCKET). Повторите команду позже; скачанное сохранится."`,
    )
    expect(hub.asked.filter(({ url }) => url === '/tokenizer.json').length).toBe(5)
  })

  it.each(['model.safetensors', 'config.json'])('throws away %s when its hash is wrong', async path => {
    hub.state.tamper = (name, bytes) => (name === path ? Buffer.from(bytes).fill(0, 9, 12) : bytes)
    const message = await failure(pull())
    expect(message).toMatch(/^wrong-hash \| org\/tiny, .*: what came is not the file of the hub \(SHA-(?:256|1) [0-9a-f]+, expected [0-9a-f]+\); it was thrown away\. Run the command again; if it repeats, a proxy or a mirror changes files: do not use it\. \| org\/tiny, .*пришёл не тот файл/u)
    expect((await readdir(join(repo(), 'blobs'))).filter(name => name.endsWith('.incomplete'))).toEqual([])
    hub.state.tamper = undefined
    await pull()
  }) // prettier-ignore

  it('does not begin when the disk has no room for it', async () => {
    hub.state.lie = entry => {
      if (entry.lfs) entry.lfs.size = 1e15
    }
    expect((await failure(pull())).replace(/\d+ MB free|свободно \d+/gu, '… free')).toMatchInlineSnapshot(
      `"disk-full | /hub/models--org--tiny/snapshots/0123456789abcdef0123456789abcdef01234567: the disk is full (2000000001 MB needed, … free). Free some space and run the command again; nothing was damaged. | /hub/models--org--tiny/snapshots/0123456789abcdef0123456789abcdef01234567: на диске нет места (нужно 2000000001 МБ, … free МБ). Освободите место и повторите команду; ничего не испорчено."`,
    )
    expect(hub.asked.filter(({ url }) => url.includes('/resolve/'))).toEqual([])
  })

  it.skipIf(!existsSync('/dev/full'))('says that the disk filled up under way', async () => {
    await mkdir(join(repo(), 'blobs'), { recursive: true })
    await symlink('/dev/full', join(repo(), 'blobs', `${weightsHash()}.incomplete`))
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"disk-full | /hub/models--org--tiny/blobs: the disk is full (ENOSPC). Free some space and run the command again; it goes on where it stopped. | /hub/models--org--tiny/blobs: на диске нет места (ENOSPC). Освободите место и повторите команду: она продолжит с места остановки."`,
    )
  })

  it('sends the token to the hub and never to the host it redirects to', async () => {
    await mkdir(home, { recursive: true })
    await writeFile(join(home, 'token'), 'hf_of_the_file\n')
    await pull()
    const seen = (host: string) => new Set(hub.asked.filter(one => one.host === host).map(one => one.authorization))
    expect([...seen('hub')]).toEqual(['Bearer hf_of_the_file'])
    expect([...seen('files')]).toEqual([undefined])
  })
})

describe('a refusal', () => {
  const answer = (status: number, code?: string, message?: string, headers: Record<string, string> = {}) => {
    hub.state.refuse = (_request, response) => {
      for (const [key, value] of Object.entries(headers)) response.setHeader(key, value)
      refuse(response, status, code, message)
      return true
    }
  }
  const signedIn = { env: undefined as unknown as PullOptions['env'] }
  beforeEach(() => (signedIn.env = env({ HF_TOKEN: 'hf_mine' })))

  it('of a gated model tells where to accept its terms', async () => {
    hub.state.refuse = (request, response) => {
      if (!request.url!.includes('/resolve/')) return false
      refuse(response, 401, 'GatedRepo', 'Access to model org/tiny is restricted.')
      return true
    }
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"hub-gated | org/tiny: the authors give this model only to those who accept its terms. Accept them at http://hub/org/tiny, then set HF_TOKEN to a token with the right to read (or run \`hf auth login\` where Python is). | org/tiny: авторы дают эту модель только тем, кто принял её условия. Примите их на http://hub/org/tiny, затем задайте в HF_TOKEN токен с правом чтения (или выполните \`hf auth login\`, если есть Python)."`,
    )
    answer(403, 'GatedRepo')
    expect(await failure(pull(signedIn))).toMatchInlineSnapshot(
      `"hub-gated | org/tiny: your token may not read this model: its terms are not accepted yet, or the authors have not answered. Look at http://hub/org/tiny with the account of the token; a fine-grained token also needs the right to read gated models. | org/tiny: вашему токену эта модель недоступна: условия не приняты или авторы ещё не ответили. Откройте http://hub/org/tiny под учётной записью токена; токену с точными правами нужно право читать такие модели."`,
    )
  })

  it('of a private, absent or misspelt model tells both', async () => {
    expect(await failure(pull({}, 'org/other'))).toMatchInlineSnapshot(
      `"hub-not-found | org/other: there is no such model at hub, or it is private. Check the name (ORG/NAME); for a private model set HF_TOKEN to a token with the right to read (or run \`hf auth login\` where Python is). | org/other: такой модели нет на hub, или она закрытая. Проверьте имя (ORG/NAME); для закрытой модели задайте в HF_TOKEN токен с правом чтения (или выполните \`hf auth login\`, если есть Python)."`,
    )
    expect(await failure(pull(signedIn, 'org/other'))).toContain('or it is private and your token may not read it')
    expect(await failure(pull({ revision: 'v9' }))).toMatchInlineSnapshot(
      `"hub-not-found | org/tiny: the model has no branch, tag or commit "v9". Check --revision. | org/tiny: у модели нет ветки, метки или коммита «v9». Проверьте --revision."`,
    )
    answer(401, undefined, 'Invalid credentials in Authorization header')
    expect(await failure(pull(signedIn))).toMatchInlineSnapshot(
      `"hub-token | org/tiny: the hub does not accept the token. Make a new token, set HF_TOKEN to it; without HF_TOKEN and the token file public models need none. | org/tiny: сервер не принимает токен. Создайте новый токен и задайте его в HF_TOKEN; открытым моделям токен не нужен."`,
    )
    answer(403, undefined, 'this resource is disabled')
    expect(await failure(pull(signedIn))).toMatchInlineSnapshot(
      `"hub-forbidden | org/tiny: the hub refuses (this resource is disabled). Check the rights of the token, and that no proxy stands between. | org/tiny: сервер отказывает (this resource is disabled). Проверьте права токена и не мешает ли прокси."`,
    )
  })

  it('of a busy or broken hub tells when to come again', async () => {
    answer(429, undefined, undefined, { 'retry-after': '42' })
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"hub-rate-limit | org/tiny: the hub has had too many requests from here. Run the command again in 42 s; what has come stays. With a token the limit is higher. | org/tiny: сервер получил отсюда слишком много запросов. Повторите команду через 42 с; скачанное сохранится. С токеном предел выше."`,
    )
    answer(429, undefined, undefined, { ratelimit: '"api";r=0;t=17' })
    expect(await failure(pull())).toContain('again in 17 s')
    answer(503)
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"hub-unavailable | org/tiny: the hub is out of order (HTTP 503). Run the command again later; what has come stays. | org/tiny: сервер не работает (HTTP 503). Повторите команду позже; скачанное сохранится."`,
    )
  })

  it('of a page that is no hub says so', async () => {
    hub.state.refuse = (_request, response) => {
      response.end('<html>Please sign in to the network</html>')
      return true
    }
    expect((await failure(pull())).replace(/\(Unexpected.*?\)\./gu, '(…).')).toMatchInlineSnapshot(
      `"hub-answer | org/tiny: the answer is not one of a model hub (…). Check HF_ENDPOINT and the network. | org/tiny: так сервер моделей не отвечает (…). Проверьте HF_ENDPOINT и сеть."`,
    )
    hub.state.refuse = undefined
    hub.state.lie = entry => (entry.oid = '../../../evil')
    expect(await failure(pull())).toContain('hub-answer')
  })

  it('of a host that does not answer names the network', async () => {
    const gone = await startHub()
    await gone.close()
    const closed = { HF_ENDPOINT: gone.endpoint }
    const host = new URL(gone.endpoint).host
    expect((await failure(pull({ env: env(closed) }))).replaceAll(host, 'hub')).toMatchInlineSnapshot(
      `"hub-offline | org/tiny: hub cannot be reached (ECONNREFUSED). Check the network; HF_ENDPOINT may name a mirror, and a model fetched elsewhere can be used as a folder. | org/tiny: нет связи с hub (ECONNREFUSED). Проверьте сеть; в HF_ENDPOINT можно задать зеркало, а скачанную в другом месте модель указать папкой."`,
    )
    expect(await failure(pull({ env: env({ HF_HUB_OFFLINE: '1' }) }))).toMatchInlineSnapshot(
      `"hub-offline | org/tiny: HF_HUB_OFFLINE forbids the network, and the model is not on this machine. Unset HF_HUB_OFFLINE to fetch it. | org/tiny: HF_HUB_OFFLINE запрещает сеть, а модели на этом компьютере нет. Уберите HF_HUB_OFFLINE, чтобы скачать её."`,
    )
    await pull()
    hub.asked.length = 0
    expect((await pull({ env: env({ HF_HUB_OFFLINE: '1' }) })).folder).toContain(commit)
    expect(hub.asked).toEqual([])
  })

  it('of a connection tells a certificate, a missing network and a break apart', () => {
    const explain = (code: string) => {
      const cause = new Error('fetch failed', { cause: Object.assign(new Error('why'), { code }) })
      return explainNetwork(cause, { name: 'org/tiny', endpoint: 'https://hub.example' }).message
    }
    expect(['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID'].filter(code => !explain(code).includes('certificate'))).toEqual([])
    expect(explain('CERT_HAS_EXPIRED')).toMatchInlineSnapshot(`"org/tiny: the certificate of hub.example is not trusted (CERT_HAS_EXPIRED). Check the date of this machine; behind a proxy of your own, set NODE_EXTRA_CA_CERTS to the file of its certificate."`)
    expect(explain('ENOTFOUND')).toMatchInlineSnapshot(`"org/tiny: hub.example cannot be reached (ENOTFOUND). Check the network; HF_ENDPOINT may name a mirror, and a model fetched elsewhere can be used as a folder."`)
    expect(explain('ECONNRESET')).toMatchInlineSnapshot(`"org/tiny: the connection to hub.example broke (ECONNRESET). Run the command again later; what has come stays."`)
  }) // prettier-ignore

  it('of a model without safetensors names what is there', async () => {
    hub.state.files = new Map([...single].filter(([path]) => path !== 'model.safetensors'))
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"pickle-weights | org/tiny: its weights are only there as a Python pickle (pytorch_model.bin), which can run any code when it is opened. Look for a revision with safetensors (--revision refs/pr/1 often is one), or convert it in Python: AutoModelForCausalLM.from_pretrained("org/tiny").save_pretrained("folder"). | org/tiny: веса есть только как pickle языка Python (pytorch_model.bin), а он при открытии может выполнить любой код. Поищите ревизию с safetensors (часто это --revision refs/pr/1) или преобразуйте в Python: AutoModelForCausalLM.from_pretrained("org/tiny").save_pretrained("folder")."`,
    )
    hub.state.files.delete('pytorch_model.bin')
    hub.state.files.set('tiny-q4.gguf', { bytes: Buffer.from('x'), lfs: true })
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"no-weights | org/tiny: there is no model.safetensors, only tiny-q4.gguf. Choose the original model that this one was made from. | org/tiny: нет model.safetensors, есть только tiny-q4.gguf. Выберите исходную модель, из которой сделана эта."`,
    )
    hub.state.files.delete('config.json')
    expect(await failure(pull())).toMatchInlineSnapshot(
      `"not-a-model | org/tiny: there is no config.json, so it is no language model. Choose a repository in the layout of transformers. | org/tiny: нет config.json: это не языковая модель. Выберите репозиторий в раскладке transformers."`,
    )
  })

  it('of a model that cannot be computed comes before its weights', async () => {
    const config = { bytes: Buffer.from('{"model_type":"mamba"}'), lfs: false }
    hub.state.files = new Map([...single, ['config.json', config]])
    expect(await failure(pull())).toContain('unsupported-model | org/tiny, config.json, key model_type')
    expect(hub.asked.filter(({ url }) => url.includes('model.safetensors'))).toEqual([])
  })
})

describe('the cache', () => {
  const python = process.env.DVOYNIK_PYTHON
  const run = async (code: string, more: Record<string, string> = {}) => {
    const { stdout } = await promisify(execFile)(python!, ['-c', code], { env: { ...process.env, ...env(more) } })
    return stdout.trim()
  }

  it.skipIf(!python)(
    'is read by Python, and filled by Python is read here (needs DVOYNIK_PYTHON)',
    async () => {
      hub.state.files = sharded
      const { folder } = await pull()
      const load =
        'from transformers import AutoModelForCausalLM as M; print(M.from_pretrained("org/tiny").num_parameters())'
      const count = [...tinyModel('llama').weights.values()].reduce((sum, { data }) => sum + data.length, 0)
      expect(await run(load, { HF_HUB_OFFLINE: '1' })).toBe(String(count))
      const fetchAll = 'from huggingface_hub import snapshot_download as s; print(s("org/tiny", allow_patterns=["*.json", "*.safetensors"]))' // prettier-ignore
      expect(await run(fetchAll)).toBe(folder)
      await rm(home, { recursive: true })
      expect(await run(fetchAll)).toBe(folder)
      expect(cachedModelFolder(join(home, 'hub'), { name: 'org/tiny', revision: 'main' })).toBe(folder)
      hub.asked.length = 0
      await pull()
      const come = hub.asked.filter(({ url }) => url.includes('/resolve/')).map(({ url }) => url.split('/').at(-1))
      expect(come.sort()).toEqual(['LICENSE', 'README.md'])
    },
    120_000,
  )
})

describe('the settings of the hub', () => {
  it('are those of the Python client', async () => {
    expect(hubCacheFolder({ HF_HUB_CACHE: '/a', HF_HOME: '/b' })).toBe('/a')
    expect(hubCacheFolder({ HF_HOME: '$ROOT/b', ROOT: '/r' })).toBe(join('/r/b', 'hub'))
    expect(hubCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe(join('/c', 'huggingface', 'hub'))
    expect(await readHubSettings({ HF_HOME: home, HF_TOKEN: ' hf_x\n', HF_ENDPOINT: 'https://mirror.example/' })).toEqual({
      endpoint: 'https://mirror.example', cache: join(home, 'hub'), token: 'hf_x', offline: false,
    })
  }) // prettier-ignore

  it.each(['garbage', 'ftp://hub.example', 'https://', 'hub.example/path'])(
    'the address "%s" is refused by the name of its variable',
    async address => {
      const refused = await failure(readHubSettings({ HF_HOME: home, HF_ENDPOINT: address }))
      expect(refused).toContain(`bad-hub-address | HF_ENDPOINT: "${address}" is no address of a hub. Give one that begins with https://`) // prettier-ignore
      expect(refused).toContain(`HF_ENDPOINT: «${address}» не адрес хаба. Укажите адрес`)
    },
  )

  it.each([
    ['gpt2', 'gpt2', 'main'],
    ['Qwen/Qwen3-0.6B', 'Qwen/Qwen3-0.6B', 'main'],
    ['org/name@refs/pr/1', 'org/name', 'refs/pr/1'],
  ])('the name %s is understood', (text, name, revision) => {
    expect(parseModelName(text)).toEqual({ name, revision })
  })

  it.each(['', '../x', 'a/b/c', 'a/..', 'a--b/c', './a', '/a/b', 'a/b@../../x', 'a b/c', 'https://hub/a/b', 'a/b@'])(
    'the name "%s" is refused',
    async name => {
      expect(parseModelName(name)).toBeUndefined()
      expect(await failure(pull({}, name))).toContain('is no name of a model at the hub')
    },
  )
})
