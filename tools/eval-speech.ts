// speech_tagged.txt → how well direct speech is told from the author's words, by letters and by whole lines.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { splitSpeech } from '../src/dialogue/speech.js'
import { notMeasured, percent, type Miss, type Section } from './eval-report.js'

export function measureSpeech(folder: string): Section {
  const path = join(folder, 'speech_tagged.txt')
  if (!existsSync(path)) return notMeasured('direct speech', 'speech_tagged.txt')
  const misses: Miss[] = []
  let open = false
  let [both, found, gold, exact, lines] = [0, 0, 0, 0, 0]
  for (const line of readFileSync(path, 'utf8')
    .split('\n')
    .filter(one => one.trim())) {
    const { text, speech } = readTagged(line, open)
    open = /<said(?![^]*<\/said>)/u.test(line) || (open && !line.includes('</said>'))
    const own = new Array<boolean>(text.length).fill(false)
    for (const { kind, start, end } of splitSpeech(text)) if (kind === 'speech') own.fill(true, start, end)
    let same = true
    for (let i = 0; i < text.length; i++) {
      if (!/\p{L}/u.test(text[i])) continue
      if (own[i] && speech[i]) both++
      if (own[i]) found++
      if (speech[i]) gold++
      if (own[i] !== speech[i]) same = false
    }
    lines++
    if (same) exact++
    else misses.push({ kind: 'speech', text })
  }
  return {
    measures: [
      { name: 'speech letters, precision', value: percent(both, found), unit: '%', note: `${both} of ${found}` },
      { name: 'speech letters, recall', value: percent(both, gold), unit: '%', note: `${both} of ${gold}` },
      { name: 'direct speech, lines exact', value: percent(exact, lines), unit: '%', note: `${exact} of ${lines}` },
    ],
    misses,
  }
}

/** Removes the tags (a speech may have begun on an earlier line; no type means direct) and says for every character whether it is direct speech; the author's words inside it are not. */
function readTagged(line: string, open: boolean): { text: string; speech: boolean[] } {
  let text = ''
  const speech: boolean[] = []
  let [direct, comment] = [open, 0]
  for (const piece of line.split(/(<[^>]*>)/u)) {
    if (/^<said/u.test(piece)) direct = !/type="(?:free-)?indirect"/u.test(piece)
    else if (piece === '</said>') [direct, comment] = [false, 0]
    else if (/^<author_comment/u.test(piece)) comment++
    else if (piece === '</author_comment>') comment = Math.max(0, comment - 1)
    else if (!/^<[^>]*>$/u.test(piece)) {
      text += piece
      for (let i = 0; i < piece.length; i++) speech.push(direct && comment === 0)
    }
  }
  return { text, speech }
}
