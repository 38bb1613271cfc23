// Figures to SVG that stands in a page: bars, or lines over logarithmic axes; readable on light and on dark paper.
import type { Chart } from './case.js'
import type { Result, SideResult } from './result.js'

const width = 760

/** Colours of ours are blue and green, those of peers warm. */
const style = `<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.dim { fill: #59636e }
.grid { stroke: #d1d9e0 }
.ours-0 { --c: #0969da } .ours-1 { --c: #1a7f37 } .ours-2 { --c: #8250df } .ours-3 { --c: #0a7ea4 }
.peer-0 { --c: #bc4c00 } .peer-1 { --c: #9a6700 } .peer-2 { --c: #cf222e } .peer-3 { --c: #7d4e57 }
.ours { --c: #0969da } .peer { --c: #afb8c1 }
.bar, .dot { fill: var(--c) } .line { stroke: var(--c); fill: none; stroke-width: 2 }
.guide { stroke: var(--c); fill: none; stroke-width: 1.2; stroke-dasharray: 4 4; opacity: .75 }
.spread { stroke: #59636e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d } .spread { stroke: #d1d7e0 }
  .ours-0 { --c: #4493f8 } .ours-1 { --c: #3fb950 } .ours-2 { --c: #ab7df8 } .ours-3 { --c: #39c5cf }
  .peer-0 { --c: #f0883e } .peer-1 { --c: #d29922 } .peer-2 { --c: #f85149 } .peer-3 { --c: #c9a0a8 }
  .ours { --c: #4493f8 } .peer { --c: #656c76 }
}
</style>`

/** The chart as SVG text; undefined when no side has the figure. */
export function drawChart(chart: Chart, { sides }: Result): string | undefined {
  return chart.kind === 'bars' ? drawBars(chart, sides) : drawLines(chart, sides)
}

function frame(height: number, title: string, body: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">`
  return [head, style, `<text class="title" x="8" y="20">${escape(title)}</text>`, ...body, '</svg>', ''].join('\n')
}

function drawBars(
  { title, figure, unit, scale }: Extract<Chart, { kind: 'bars' }>,
  sides: readonly SideResult[],
): string | undefined {
  // prettier-ignore
  const shown = sides.filter(({ median }) => median[figure] !== undefined)
  if (shown.length === 0) return undefined
  const left = 16 + 7.3 * Math.max(...shown.map(({ name }) => name.length)) // some room for wide letters
  const [right, row, top] = [90, 26, 34]
  const most = Math.max(...shown.map(({ most: high }) => high[figure] * scale))
  const toX = (value: number): number => round(left + (value * scale * (width - left - right)) / most)
  const bars = shown.flatMap(({ name, kind, median, least, most: high }, i) => {
    const y = top + i * row
    const middle = y + row / 2
    const value = median[figure] * scale
    return [
      `<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${escape(name)}</text>`,
      `<rect class="bar ${kind}" x="${left}" y="${y + 4}" width="${round(toX(median[figure]) - left)}" height="${row - 8}" rx="2"/>`,
      `<line class="spread" x1="${toX(least[figure])}" x2="${toX(high[figure])}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${toX(high[figure]) + 6}" y="${middle + 4}">${threeDigits(value)} ${unit}</text>`,
    ]
  })
  return frame(top + shown.length * row + 10, title, bars)
}

function drawLines(
  { title, figure, x, points }: Extract<Chart, { kind: 'lines' }>,
  sides: readonly SideResult[],
): string | undefined {
  // prettier-ignore
  const value = ({ median }: SideResult, at: number): number | undefined => median[`${figure}@${at}`]
  const shown = sides.filter(side => points.some(point => value(side, point.x) !== undefined))
  if (shown.length === 0) return undefined
  const [left, right, top, bottom, height] = [64, 190, 40, 44, 380]
  const counts = { ours: 0, peer: 0 }
  const series = shown.map(side => {
    const seen = points.filter(point => value(side, point.x) !== undefined)
    const rate = seen.reduce((sum, { flops }) => sum + flops, 0) / seen.reduce((sum, point) => sum + value(side, point.x)!, 0) // prettier-ignore
    return {
      name: side.name,
      color: `${side.kind}-${counts[side.kind]++ % 4}`,
      line: seen.map(point => [point.x, value(side, point.x)!] as const),
      guide: seen.map(point => [point.x, point.flops / rate] as const),
    }
  })
  const all = series.flatMap(({ line, guide }) => [...line, ...guide])
  const toX = logScale(all.map(([at]) => at), left, width - right) // prettier-ignore
  const toY = logScale(all.map(([, seconds]) => seconds), height - bottom, top + 8) // prettier-ignore
  const path = (list: readonly (readonly [number, number])[]): string => list.map(([a, b]) => `${toX(a)},${toY(b)}`).join(' ') // prettier-ignore
  const body = [
    ...decades(all.map(([, seconds]) => seconds)).flatMap(tick => [
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${toY(tick)}" y2="${toY(tick)}"/>`,
      `<text class="dim" x="${left - 8}" y="${toY(tick) + 4}" text-anchor="end">${tick} s</text>`,
    ]),
    ...points.map(point => `<text class="dim" x="${toX(point.x)}" y="${height - bottom + 20}" text-anchor="middle">${point.x}</text>`), // prettier-ignore
    `<text class="dim" x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${escape(x)}</text>`,
    ...series.flatMap(({ name, color, line, guide }, i) => [
      `<g class="${color}"><polyline class="guide" points="${path(guide)}"/><polyline class="line" points="${path(line)}"/>`,
      ...line.map(([a, b]) => `<circle class="dot" cx="${toX(a)}" cy="${toY(b)}" r="3.5"/>`),
      `<rect class="bar" x="${width - right + 16}" y="${top + 6 + i * 22}" width="14" height="4"/></g>`,
      `<text x="${width - right + 36}" y="${top + 13 + i * 22}">${escape(name)}</text>`,
    ]),
    `<text class="dim" x="${width - right + 16}" y="${top + 13 + series.length * 22}">dashed: by arithmetic</text>`,
  ]
  return frame(height, title, body)
}

function logScale(values: readonly number[], start: number, end: number): (value: number) => number {
  const [from, to] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))]
  return value => round(start + ((Math.log(value) - from) / (to - from || 1)) * (end - start))
}

/** 1, 2 and 5 times powers of ten within the values. */
function decades(values: readonly number[]): number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); power++)
    for (const digit of [1, 2, 5]) ticks.push(Number((digit * 10 ** power).toPrecision(1)))
  return ticks.filter(tick => tick >= least && tick <= most)
}

function threeDigits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(text: string): string {
  return text.replace(/&/gu, '&amp;').replace(/</gu, '&lt;').replace(/"/gu, '&quot;')
}
