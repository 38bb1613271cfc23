// speech_tagged.txt → how well direct speech is told from the author's words, by letters and by whole lines.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { notMeasured, percent, type Section } from './eval-report.js'
import { readTagged, scoreSpeech } from './tagged-speech.js'

export function measureSpeech(folder: string): Section {
  const path = join(folder, 'speech_tagged.txt')
  if (!existsSync(path)) return notMeasured('direct speech', 'speech_tagged.txt')
  const lines = readFileSync(path, 'utf8').split('\n').filter(line => line.trim()).map(readTagged) // prettier-ignore
  const { score, misses } = scoreSpeech(lines)
  const share = (name: string, part: number, whole: number): Section['measures'][number] => ({
    name,
    value: percent(part, whole),
    unit: '%',
    note: `${part} of ${whole}`,
  })
  return {
    measures: [
      share('speech letters, precision', score.right, score.found),
      share('speech letters, recall', score.right, score.tagged),
      share('direct speech, lines exact', score.exact, score.lines),
    ],
    misses: misses.map(({ wanted, got }) => ({ kind: 'speech', text: `${wanted} / ${got}` })),
  }
}
