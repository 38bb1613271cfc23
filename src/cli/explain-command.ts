// The command that shows which rule acted on a text: cleaning, speech, rewriting.
import { explainText, type Explanation } from '../project/explain.js'
import { openProject } from '../project/project.js'
import type { Call, CommandSpec } from './command.js'

export const explainCommand: CommandSpec = {
  usage: '<text...>',
  summary: { en: 'Show which rules act on a text, and where', ru: 'Показать, какие правила и где действуют на текст' },
  options: [],
  async run({ args, folder, output }: Call) {
    const lines = await explainText(await openProject(folder), args.join(' '))
    const show = ({ stage, rule, detail }: Explanation): string => `${stage.padEnd(10)} ${rule.padEnd(28)} ${detail}`
    const text = lines.map(show).join('\n')
    output.result(
      { en: text || 'No rule acts on this text.', ru: text || 'На этот текст не действует ни одно правило.' },
      lines,
    )
  },
}
