// A line chart as SVG text: one or more series over a common x axis, no scripts.
import { Html, html } from './html.js'

export interface Series {
  readonly name: string
  /** CSS colour. */
  readonly color: string
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly dots?: boolean
}

const width = 860
const height = 300
const margin = { left: 56, right: 16, top: 12, bottom: 36 }

/** Draws all series; the y axis spans the values with a little room. Empty series give an empty note. */
export function lineChart(series: readonly Series[], labels: { readonly x: string; readonly y: string }): Html {
  const points = series.flatMap(one => one.points)
  if (points.length === 0) return html`<p class="dim">—</p>`
  const xs = points.map(point => point[0])
  const ys = points.map(point => point[1])
  const toX = scale(Math.min(...xs), Math.max(...xs), margin.left, width - margin.right)
  const room = (Math.max(...ys) - Math.min(...ys)) * 0.05 || 0.5
  const toY = scale(Math.min(...ys) - room, Math.max(...ys) + room, height - margin.bottom, margin.top)
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${labels.y}">
    ${yGrid(Math.min(...ys) - room, Math.max(...ys) + room, toY)}${xTicks(Math.min(...xs), Math.max(...xs), toX)}
    <text x="${(width + margin.left) / 2}" y="${height - 4}" text-anchor="middle">${labels.x}</text>
    <text x="14" y="${height / 2}" text-anchor="middle" transform="rotate(-90 14 ${height / 2})">${labels.y}</text>
    ${series.map(one => drawSeries(one, toX, toY))}${legend(series)}
  </svg>`
}

type Scale = (value: number) => number

function scale(from: number, to: number, start: number, end: number): Scale {
  const span = to - from || 1
  return value => Math.round((start + ((value - from) / span) * (end - start)) * 10) / 10
}

function drawSeries({ points, color, dots }: Series, toX: Scale, toY: Scale): Html {
  const path = points.map(([x, y]) => `${toX(x)},${toY(y)}`).join(' ')
  const marks = dots
    ? points.map(([x, y]) => html`<circle cx="${toX(x)}" cy="${toY(y)}" r="3.5" fill="${color}" />`)
    : []
  return html`<polyline
      points="${path}"
      fill="none"
      stroke="${color}"
      stroke-width="2"
      stroke-linejoin="round"
    />${marks}`
}

function yGrid(from: number, to: number, toY: Scale): Html[] {
  return ticks(from, to).map(
    value =>
      html`<line x1="${margin.left}" x2="${width - margin.right}" y1="${toY(value)}" y2="${toY(value)}" class="grid" />
        <text x="${margin.left - 8}" y="${toY(value) + 4}" text-anchor="end">${Number(value.toPrecision(4))}</text>`,
  )
}

function xTicks(from: number, to: number, toX: Scale): Html[] {
  return ticks(from, to).map(
    value =>
      html`<text x="${toX(value)}" y="${height - margin.bottom + 18}" text-anchor="middle"
        >${Number(value.toPrecision(4))}</text
      >`,
  )
}

/** Round values inside [from, to], about five of them. */
function ticks(from: number, to: number): number[] {
  const rough = (to - from || 1) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map(n => n * power).find(candidate => candidate >= rough) ?? power
  const first = Math.ceil(from / step) * step
  return Array.from({ length: Math.floor((to - first) / step + 1e-9) + 1 }, (_, i) => first + i * step)
}

function legend(series: readonly Series[]): Html[] {
  return series.map(
    ({ name, color }, i) =>
      html`<rect x="${width - 180}" y="${margin.top + 4 + i * 20}" width="14" height="4" fill="${color}" />
        <text x="${width - 160}" y="${margin.top + 10 + i * 20}">${name}</text>`,
  )
}
