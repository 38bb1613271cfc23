// A whole journey as one HTML file that opens offline: what was read, who was found, what was learnt, and how the answers changed.
import type { Lang, Text } from '../base/errors.js'
import type { Drop, StageReport } from '../base/report.js'
import { lineChart } from './chart.js'
import { Html, html } from './html.js'

/** A piece of a training example; `learn` pieces are what the loss counts. */
export interface MarkedPiece {
  readonly text: string
  readonly learn: boolean
}

export interface JourneyReport {
  readonly lang: Lang
  readonly book: {
    readonly title: string
    readonly author?: string
    readonly file: string
    readonly encoding: string
    readonly words: number
  }
  readonly stages: readonly StageReport[]
  /** A few dropped texts of each reason. */
  readonly drops: readonly Drop[]
  readonly people: readonly {
    readonly name: string
    readonly gender: string
    readonly count: number
    readonly aliases: readonly string[]
    readonly focus: boolean
  }[]
  readonly examples: readonly { readonly copy: string; readonly pieces: readonly MarkedPiece[] }[]
  readonly training: {
    readonly method: string
    readonly curve: readonly { readonly step: number; readonly loss: number }[]
    readonly heldOut: readonly { readonly step: number; readonly bitsPerByte: number }[]
    readonly parameters: number
    readonly trainedParameters: number
    readonly tokensPerSecond: number
    readonly seconds: number
    readonly peakBytes: number
    readonly runtime: string
  }
  readonly answers: readonly { readonly question: string; readonly before: string; readonly after: string }[]
  /** Wall time of the whole journey. */
  readonly totalSeconds: number
}

/** @returns a complete HTML document with no outside references */
export function renderJourneyReport(report: JourneyReport): string {
  const t = translate(report.lang)
  const page = html`<!doctype html>
    <html lang="${report.lang}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <title>${report.book.title} · Dvoynik</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <main>
          ${header(report, t)}${answers(report, t)}${stages(report, t)}${people(report, t)}${examples(report, t)}${training(report, t)}${dropped(report, t)}
        </main>
      </body>
    </html>`
  return page.text
}

type Translate = (text: Text) => string

function translate(lang: Lang): Translate {
  return text => text[lang]
}

function header({ book, people: all, totalSeconds, training: run }: JourneyReport, t: Translate): Html {
  const focus = all.find(person => person.focus)
  return html`<header>
    <p class="brand">Dvoynik · двойник</p>
    <h1>${focus?.name ?? book.title}</h1>
    <p class="dim">
      ${book.author ? `${book.author}. ` : ''}«${book.title}» · ${book.file} · ${book.encoding} · ${number(book.words)}
      ${t(text.words)}
    </p>
    <dl class="facts">
      ${fact(t(text.time), duration(totalSeconds))}${fact(t(text.trainingTime), duration(run.seconds))}${fact(
        t(text.speed),
        `${number(Math.round(run.tokensPerSecond))} ${t(text.tokensPerSecond)}`,
      )}${fact(t(text.memory), `${number(Math.round(run.peakBytes / 1e6))} MB`)}${fact(t(text.engine), run.runtime)}
    </dl>
  </header>`
}

function fact(name: string, value: string): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`
}

function answers({ answers: rows }: JourneyReport, t: Translate): Html {
  const row = (one: JourneyReport['answers'][number]): Html =>
    html`<article class="answer">
      <p class="question">${one.question}</p>
      <div>
        <h3>${t(text.before)}</h3>
        <p>${one.before || '…'}</p>
      </div>
      <div class="after">
        <h3>${t(text.after)}</h3>
        <p>${one.after || '…'}</p>
      </div>
    </article>`
  return html`<section>
    <h2>${t(text.conversation)}</h2>
    ${rows.map(row)}
  </section>`
}

function stages({ stages: rows }: JourneyReport, t: Translate): Html {
  const row = (one: StageReport): Html =>
    html`<tr>
      <td>${one.stage}</td>
      <td class="n">${number(one.input)} ${one.unit}</td>
      <td class="n">${number(one.kept)}</td>
      <td>${reasons(one.dropped)}</td>
      <td>${reasons(one.counts ?? {})}</td>
      <td class="n">${one.seconds.toFixed(2)} s</td>
    </tr>`
  return html`<section>
    <h2>${t(text.stages)}</h2>
    <table>
      <thead>
        <tr>
          <th>${t(text.stage)}</th>
          <th>${t(text.input)}</th>
          <th>${t(text.kept)}</th>
          <th>${t(text.dropped)}</th>
          <th>${t(text.counts)}</th>
          <th>${t(text.time)}</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(row)}
      </tbody>
    </table>
  </section>`
}

function reasons(counts: Readonly<Record<string, number>>): Html[] {
  const entries = Object.entries(counts).filter(([, count]) => count > 0)
  return entries.map(([name, count]) => html`<span class="tag">${name} <b>${number(count)}</b></span> `)
}

function people({ people: rows }: JourneyReport, t: Translate): Html {
  const most = Math.max(1, ...rows.map(person => person.count))
  const row = (person: JourneyReport['people'][number]): Html =>
    html`<tr class="${person.focus ? 'focus' : ''}">
      <td>${person.name}</td>
      <td>${person.gender}</td>
      <td class="n">${number(person.count)}</td>
      <td><div class="bar" style="width:${Math.round((person.count / most) * 160)}px"></div></td>
      <td class="dim">${person.aliases.join(', ')}</td>
    </tr>`
  return html`<section>
    <h2>${t(text.characters)}</h2>
    <table>
      <tbody>
        ${rows.map(row)}
      </tbody>
    </table>
  </section>`
}

function examples({ examples: rows }: JourneyReport, t: Translate): Html {
  const piece = ({ text: words, learn }: MarkedPiece): Html =>
    learn ? html`<mark>${words}</mark>` : html`<span>${words}</span>`
  const block = (one: JourneyReport['examples'][number]): Html =>
    html`<h3>${one.copy}</h3>
      <pre>${one.pieces.map(piece)}</pre>`
  return html`<section>
    <h2>${t(text.examples)}</h2>
    <p class="dim">${t(text.marked)}</p>
    ${rows.map(block)}
  </section>`
}

function training({ training: run }: JourneyReport, t: Translate): Html {
  const loss = {
    name: t(text.loss),
    color: '#3b6fd4',
    points: run.curve.map(point => [point.step, point.loss] as const),
  }
  const held = {
    name: t(text.heldOut),
    color: '#d4703b',
    dots: true,
    points: run.heldOut.map(point => [point.step, point.bitsPerByte] as const),
  }
  return html`<section>
    <h2>${t(text.training)}</h2>
    <p class="dim">
      ${run.method} · ${number(run.trainedParameters)} / ${number(run.parameters)} ${t(text.parameters)}
    </p>
    ${lineChart([loss], { x: t(text.step), y: t(text.loss) })}${lineChart([held], { x: t(text.step), y: t(text.heldOut) })}
  </section>`
}

function dropped({ drops }: JourneyReport, t: Translate): Html {
  const row = (drop: Drop): Html =>
    html`<tr>
      <td>${drop.stage}</td>
      <td><span class="tag">${drop.reason}</span></td>
      <td>${drop.where}</td>
      <td>${clip(drop.text)}</td>
    </tr>`
  return html`<section>
    <h2>${t(text.dropped)}</h2>
    <table>
      <tbody>
        ${drops.map(row)}
      </tbody>
    </table>
  </section>`
}

function clip(words: string): string {
  return words.length > 160 ? words.slice(0, 160) + '…' : words
}

function number(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/gu, '\u202f')
}

function duration(seconds: number): string {
  return seconds < 100 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

const text = {
  words: { en: 'words', ru: 'слов' },
  time: { en: 'time', ru: 'время' },
  trainingTime: { en: 'training', ru: 'обучение' },
  speed: { en: 'speed', ru: 'скорость' },
  tokensPerSecond: { en: 'tokens/s', ru: 'токенов/с' },
  memory: { en: 'peak memory', ru: 'память, пик' },
  engine: { en: 'engine', ru: 'движок' },
  conversation: { en: 'The same questions before and after', ru: 'Одни и те же вопросы до и после' },
  before: { en: 'before', ru: 'до' },
  after: { en: 'after', ru: 'после' },
  stages: { en: 'What was read, kept and dropped', ru: 'Что прочитано, оставлено и отброшено' },
  stage: { en: 'stage', ru: 'этап' },
  input: { en: 'in', ru: 'вход' },
  kept: { en: 'kept', ru: 'оставлено' },
  dropped: { en: 'Dropped, by reason', ru: 'Отброшено, по причинам' },
  counts: { en: 'found', ru: 'найдено' },
  characters: { en: 'Characters', ru: 'Персонажи' },
  examples: { en: 'Training examples', ru: 'Примеры для обучения' },
  marked: {
    en: 'Marked text is what the model learns to write; the rest is context.',
    ru: 'Выделено то, что модель учится писать; остальное — контекст.',
  },
  training: { en: 'Training', ru: 'Обучение' },
  loss: { en: 'loss, nats per token', ru: 'потери, нат на токен' },
  heldOut: { en: 'held-out, bits per byte', ru: 'отложенный текст, бит на байт' },
  step: { en: 'step', ru: 'шаг' },
  parameters: { en: 'parameters trained / all', ru: 'параметров обучается / всего' },
} as const satisfies Record<string, Text>

const style = new Html(`
:root{color-scheme:light dark;--ink:#1c1d22;--dim:#6b6e78;--paper:#fbfaf7;--card:#fff;--line:#e4e2dc;--mark:#fff0b8;--accent:#3b6fd4}
@media(prefers-color-scheme:dark){:root{--ink:#e8e6e1;--dim:#9a9da8;--paper:#17181c;--card:#1f2127;--line:#33353d;--mark:#5b4a12;--accent:#7fa4ee}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 Georgia,'PT Serif',serif}
main{max-width:940px;margin:0 auto;padding:40px 24px 80px}.brand{color:var(--accent);letter-spacing:.08em;margin:0;font-size:14px}
h1{font-size:40px;margin:.1em 0 .2em;line-height:1.15}h2{margin:2.2em 0 .7em;font-size:23px;border-bottom:1px solid var(--line);padding-bottom:.25em}
h3{margin:.2em 0;font-size:13px;color:var(--dim);font-weight:normal;text-transform:uppercase;letter-spacing:.06em}.dim{color:var(--dim)}
.facts{display:flex;flex-wrap:wrap;gap:8px 32px;margin:20px 0 0}.facts dt{font-size:13px;color:var(--dim)}.facts dd{margin:0;font-size:19px}
.answer{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 18px;margin:0 0 14px;display:grid;grid-template-columns:1fr 1fr;gap:6px 22px}
.answer .question{grid-column:1/3;font-weight:bold;margin:0}.answer p{margin:.2em 0}.answer .after{border-left:3px solid var(--accent);padding-left:14px}
table{border-collapse:collapse;width:100%;font-size:14.5px}th{text-align:left;color:var(--dim);font-weight:normal}td,th{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
.n{text-align:right;white-space:nowrap;padding-right:16px}.tag{display:inline-block;background:var(--line);border-radius:5px;padding:0 7px;font-size:13px;white-space:nowrap;margin:1px 0}
.bar{height:10px;background:var(--accent);border-radius:3px;margin-top:6px}.focus td{font-weight:bold}
pre{white-space:pre-wrap;font:14.5px/1.5 Georgia,serif;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 18px;margin:0 0 12px}
mark{background:var(--mark);color:inherit}svg{width:100%;height:auto;display:block;margin:6px 0}svg text{font:12px sans-serif;fill:var(--dim)}.grid{stroke:var(--line)}
@media(max-width:640px){.answer{grid-template-columns:1fr}.answer .question{grid-column:1}.answer .after{border-left:0;padding-left:0}}`)
