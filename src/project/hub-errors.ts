// What the model hub or the network answers to messages that say what is wrong and what to do.
import { AppError, asError, type ErrorKind, type Text } from '../base/errors.js'

/** What was being fetched, for the messages. */
export interface Fetched {
  readonly name: string
  readonly revision: string
  readonly endpoint: string
  /** Whether a token was sent. */
  readonly signedIn: boolean
}

interface Explained {
  readonly code: string
  readonly what: Text
  readonly fix: Text
  readonly kind?: ErrorKind
}

/** An answer that is not success. */
export async function explainStatus(response: Response, fetched: Fetched): Promise<AppError> {
  const said = await spokenError(response)
  const { code, what, fix, kind = 'user' } = explainAnswer(response, said, fetched)
  const cause = new Error(`HTTP ${response.status} at ${shown(response.url)}: ${said}`)
  return new AppError(code, { where: fetched.name, what, fix, kind, cause })
}

function explainAnswer({ status, headers }: Response, said: string, fetched: Fetched): Explained {
  const code = headers.get('x-error-code')
  const page = `${fetched.endpoint}/${fetched.name}`
  if (code === 'GatedRepo') return fetched.signedIn ? notAccepted(page) : gated(page)
  if (code === 'RevisionNotFound') return noRevision(fetched)
  if (status === 401 && fetched.signedIn && code !== 'RepoNotFound') return badToken
  if (status === 401 || (status === 404 && code !== 'EntryNotFound')) return noModel(fetched)
  if (status === 403) return forbidden(said)
  if (status === 429) return tooMany(headers)
  if (status >= 500) return serverFault(status)
  return unexpected(`HTTP ${status}${said ? `: ${said}` : ''}`)
}

const tokenAdvice: Text = {
  en: 'set HF_TOKEN to a token with the right to read (or run `hf auth login` where Python is)',
  ru: 'задайте в HF_TOKEN токен с правом чтения (или выполните `hf auth login`, если есть Python)',
}

function gated(page: string): Explained {
  return {
    code: 'hub-gated',
    what: {
      en: 'the authors give this model only to those who accept its terms',
      ru: 'авторы дают эту модель только тем, кто принял её условия',
    },
    fix: {
      en: `Accept them at ${page}, then ${tokenAdvice.en}`,
      ru: `Примите их на ${page}, затем ${tokenAdvice.ru}`,
    },
  }
}

function notAccepted(page: string): Explained {
  return {
    code: 'hub-gated',
    what: {
      en: 'your token may not read this model: its terms are not accepted yet, or the authors have not answered',
      ru: 'вашему токену эта модель недоступна: условия не приняты или авторы ещё не ответили',
    },
    fix: {
      en: `Look at ${page} with the account of the token; a fine-grained token also needs the right to read gated models`,
      ru: `Откройте ${page} под учётной записью токена; токену с точными правами нужно право читать такие модели`,
    },
  }
}

function noRevision({ revision }: Fetched): Explained {
  return {
    code: 'hub-not-found',
    what: {
      en: `the model has no branch, tag or commit "${revision}"`,
      ru: `у модели нет ветки, метки или коммита «${revision}»`,
    },
    fix: { en: 'Check --revision', ru: 'Проверьте --revision' },
  }
}

const badToken: Explained = {
  code: 'hub-token',
  what: { en: 'the hub does not accept the token', ru: 'сервер не принимает токен' },
  fix: {
    en: 'Make a new token, set HF_TOKEN to it; without HF_TOKEN and the token file public models need none',
    ru: 'Создайте новый токен и задайте его в HF_TOKEN; открытым моделям токен не нужен',
  },
}

function noModel({ endpoint, signedIn }: Fetched): Explained {
  const host = shown(endpoint)
  return {
    code: 'hub-not-found',
    what: {
      en: `there is no such model at ${host}, or it is private${signedIn ? ' and your token may not read it' : ''}`,
      ru: `такой модели нет на ${host}, или она закрытая${signedIn ? ' и вашему токену недоступна' : ''}`,
    },
    fix: {
      en: `Check the name (ORG/NAME); for a private model ${tokenAdvice.en}`,
      ru: `Проверьте имя (ORG/NAME); для закрытой модели ${tokenAdvice.ru}`,
    },
  }
}

function forbidden(said: string): Explained {
  return {
    code: 'hub-forbidden',
    what: { en: `the hub refuses (${said || 'HTTP 403'})`, ru: `сервер отказывает (${said || 'HTTP 403'})` },
    fix: {
      en: 'Check the rights of the token, and that no proxy stands between',
      ru: 'Проверьте права токена и не мешает ли прокси',
    },
  }
}

function tooMany(headers: Headers): Explained {
  const reset = /(?:^|;)\s*t=(\d+)/u.exec(headers.get('ratelimit') ?? '')?.[1]
  const seconds = Number(headers.get('retry-after') ?? reset)
  const wait = Number.isInteger(seconds) && seconds > 0 ? seconds : 300
  return {
    code: 'hub-rate-limit',
    kind: 'environment',
    what: { en: 'the hub has had too many requests from here', ru: 'сервер получил отсюда слишком много запросов' },
    fix: {
      en: `Run the command again in ${wait} s; what has come stays. With a token the limit is higher`,
      ru: `Повторите команду через ${wait} с; скачанное сохранится. С токеном предел выше`,
    },
  }
}

const again: Text = {
  en: 'Run the command again later; what has come stays',
  ru: 'Повторите команду позже; скачанное сохранится',
}

function serverFault(status: number): Explained {
  return {
    code: 'hub-unavailable',
    kind: 'environment',
    what: { en: `the hub is out of order (HTTP ${status})`, ru: `сервер не работает (HTTP ${status})` },
    fix: again,
  }
}

function unexpected(detail: string): Explained {
  return {
    code: 'hub-answer',
    kind: 'environment',
    what: {
      en: `the answer is not one of a model hub (${detail})`,
      ru: `так сервер моделей не отвечает (${detail})`,
    },
    fix: { en: 'Check HF_ENDPOINT and the network', ru: 'Проверьте HF_ENDPOINT и сеть' },
  }
}

/** What was answered with success but makes no sense. */
export function badAnswer(name: string, detail: string, cause?: unknown): AppError {
  const { code, what, fix, kind } = unexpected(detail)
  return new AppError(code, { where: name, what, fix, kind, cause })
}

const tls = /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET)_|EPROTO/u
const unreachable = /^(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH)$/u

/** A connection that could not be made, or broke. */
export function explainNetwork(thrown: unknown, { name, endpoint }: Pick<Fetched, 'name' | 'endpoint'>): AppError {
  const cause = asError(thrown)
  const inner = innermost(cause)
  const code = (inner as NodeJS.ErrnoException).code ?? ''
  const detail = code || inner.message
  const host = shown(endpoint)
  const details = { where: name, kind: 'environment', cause } as const
  if (tls.test(code)) {
    const what = { en: `the certificate of ${host} is not trusted (${detail})`, ru: `сертификат ${host} не вызывает доверия (${detail})` } // prettier-ignore
    const fix = {
      en: 'Check the date of this machine; behind a proxy of your own, set NODE_EXTRA_CA_CERTS to the file of its certificate',
      ru: 'Проверьте дату на компьютере; за своим прокси задайте в NODE_EXTRA_CA_CERTS файл его сертификата',
    }
    return new AppError('hub-certificate', { ...details, what, fix })
  }
  if (unreachable.test(code)) {
    const what = { en: `${host} cannot be reached (${detail})`, ru: `нет связи с ${host} (${detail})` }
    const fix = {
      en: 'Check the network; HF_ENDPOINT may name a mirror, and a model fetched elsewhere can be used as a folder',
      ru: 'Проверьте сеть; в HF_ENDPOINT можно задать зеркало, а скачанную в другом месте модель указать папкой',
    }
    return new AppError('hub-offline', { ...details, what, fix })
  }
  const what = { en: `the connection to ${host} broke (${detail})`, ru: `связь с ${host} прервалась (${detail})` }
  return new AppError('hub-broken', { ...details, what, fix: again })
}

/** fetch wraps the reason, at times twice. */
function innermost(error: Error): Error {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(asError(error.errors[0]))
  return error.cause instanceof Error ? innermost(error.cause) : error
}

export function forbiddenNetwork(name: string): AppError {
  return new AppError('hub-offline', {
    where: name,
    what: {
      en: 'HF_HUB_OFFLINE forbids the network, and the model is not on this machine',
      ru: 'HF_HUB_OFFLINE запрещает сеть, а модели на этом компьютере нет',
    },
    fix: { en: 'Unset HF_HUB_OFFLINE to fetch it', ru: 'Уберите HF_HUB_OFFLINE, чтобы скачать её' },
  })
}

export function stopped(): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: { en: 'the download was interrupted; what has come stays', ru: 'загрузка прервана; скачанное сохранилось' },
    fix: { en: 'Run the same command again to go on', ru: 'Повторите ту же команду, чтобы продолжить' },
  })
}

/** What the hub says in words: a header, or the key `error` of a JSON body. */
async function spokenError(response: Response): Promise<string> {
  const body = await response.text().catch(() => '')
  const header = response.headers.get('x-error-message')
  if (header) return header
  try {
    const { error } = JSON.parse(body) as { error?: unknown }
    return typeof error === 'string' ? error : ''
  } catch {
    return ''
  }
}

function shown(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url
}
