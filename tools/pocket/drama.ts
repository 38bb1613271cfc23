// Turns a table of turns from plays (play, author, year, who, sex, name, text) into dialogue lines, one document a play.

/** Lines of each play in the order of the table. The table's first line names its columns. */
export function readPlays(table: string): Map<string, string[]> {
  const plays = new Map<string, string[]>()
  for (const row of table.split('\n').slice(1)) {
    const [play, , , , , , text] = row.split('\t')
    const line = writeTurn(text ?? '')
    if (line === undefined) continue
    const lines = plays.get(play)
    if (lines) lines.push(line)
    else plays.set(play, [line])
  }
  return plays
}

/** `((отрываясь).) А кому?` → `— (отрываясь) А кому?`; undefined when nothing is said. */
export function writeTurn(text: string): string | undefined {
  const line = cleanDirections(text)
  return /\p{L}/u.test(line.replace(/\([^()]*\)/gu, '')) ? `— ${line}` : undefined
}

/** Stage directions come in doubled parentheses, with a full stop inside or between them. */
function cleanDirections(text: string): string {
  return text
    .replace(/\(\s*\(/gu, '(')
    .replace(/[.,;:\s]*\)[.\s]*\)/gu, ')')
    .replace(/(?<=\()\s+|[.,;\s]+(?=\))/gu, '')
    .replace(/\(\)/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
}
