// The command that shows which rule acted on a text: cleaning, speech, rewriting.
import type { Lang } from '../base/errors.js'
import type { Explanation } from '../project/explain.js'
import { stageWords, wordFor } from '../project/words.js'
import type { Call, CommandSpec } from './command.js'

export const explainCommand: CommandSpec = {
  usage: '<text...>',
  summary: { en: 'Show which rules act on a text, and where', ru: 'Показать, какие правила и где действуют на текст' },
  options: [],
  async run({ args, folder, output }: Call) {
    const { openProject } = await import('../project/project.js')
    const { explainText } = await import('../project/explain.js')
    const lines = await explainText(await openProject(folder), args.join(' '))
    const show = (lang: Lang): string => lines.map(line => showLine(line, lang)).join('\n')
    output.result(
      {
        en: show('en') || 'No rule acts on this text.',
        ru: show('ru') || 'На этот текст не действует ни одно правило.',
      },
      lines,
    )
  },
}

function showLine({ stage, rule, detail }: Explanation, lang: Lang): string {
  return `${wordFor(stageWords, stage)[lang].padEnd(14)} ${rule.padEnd(30)} ${detail[lang]}`
}
