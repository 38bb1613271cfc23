// Prints the size of each room and the functions past the budget of docs/contributing.md; a thermometer, it fails nothing.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
const rooms = new Map()
const lengths = []
for (const file of files) {
  const text = readFileSync(join('src', file), 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const room = rooms.get(file.split('/')[0]) ?? { files: 0, lines: 0 }
  room.files++
  room.lines += text.split('\n').length
  rooms.set(file.split('/')[0], room)
  visit(source, source, file)
}

function visit(node, source, file) {
  if (ts.isFunctionLike(node) && node.body) {
    const from = source.getLineAndCharacterOfPosition(node.getStart(source)).line
    const to = source.getLineAndCharacterOfPosition(node.end).line
    lengths.push({ file, name: node.name?.getText(source) ?? '(anonymous)', lines: to - from + 1 })
  }
  ts.forEachChild(node, child => visit(child, source, file))
}

for (const [name, { files: count, lines }] of [...rooms].sort())
  console.log(`${name.padEnd(12)} ${String(count).padStart(3)} files ${String(lines).padStart(6)} lines`)
const named = lengths
  .filter(one => one.name !== '(anonymous)')
  .map(one => one.lines)
  .sort((a, b) => a - b)
const at = share => named[Math.floor(named.length * share)]
console.log(`functions: ${named.length}, median ${at(0.5)}, p90 ${at(0.9)}, longest ${named.at(-1)} lines`)
for (const one of lengths
  .filter(one => one.lines > 60)
  .sort((a, b) => b.lines - a.lines)
  .slice(0, 8))
  console.log(`  ${one.lines} lines: ${one.file} ${one.name}`)
