// Holds the import layers of docs/architecture.md: folders import only what stands above them, halves meet in one file.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../../src/base/package.js'

/** What each room of src/ may import, besides itself. */
const textHalf = ['sources', 'language', 'cleaning', 'dialogue', 'characters', 'sessions', 'dataset']
const ground = ['base', 'formats']
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  formats: ['base'],
  ...Object.fromEntries(textHalf.map((room, i) => [room, [...ground, ...textHalf.slice(0, i)]])),
  // formats knows the graph's plain tensor types only
  graph: ground,
  tokenizer: ground,
  runtime: [...ground, 'graph'],
  model: [...ground, 'graph', 'runtime'],
  train: [...ground, 'graph', 'runtime', 'model', 'tokenizer'],
  generate: [...ground, 'graph', 'runtime', 'model', 'tokenizer', 'train'],
  evaluate: [...ground, ...textHalf, 'graph', 'runtime', 'model', 'tokenizer', 'train', 'generate'],
  export: [...ground, 'graph', 'runtime', 'model', 'tokenizer', 'train'],
}
const everything = [...Object.keys(allowed)]
const layers: Readonly<Record<string, readonly string[]>> = {
  ...allowed,
  project: everything,
  cli: [...everything, 'project'],
}
/** The files where the halves may meet below `evaluate`. */
const meetingPoints: Readonly<Record<string, readonly string[]>> = {
  'train/batches.ts': ['dataset'],
  'train/template.ts': ['dataset'],
}
/** Type-only imports of plain data that cross rooms on purpose. */
const plainData: ReadonlySet<string> = new Set(['graph/tensor.ts', 'train/template.ts', 'dataset/example.ts'])

const src = join(packageRoot, 'src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  name => name.endsWith('.ts') && !name.endsWith('.d.ts'),
)

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), 'utf8'))
  return importedFiles
    .map(one => one.fileName)
    .filter(name => name.startsWith('.'))
    .map(name => relative(src, resolve(src, dirname(file), name)).replace(/\.js$/u, '.ts'))
}

function isAllowed(file: string, target: string): boolean {
  const [from, to] = [room(file), room(target)]
  if (from === to || from === 'index.ts') return true
  const key = file.split(sep).join('/')
  if (meetingPoints[key]?.includes(to)) return true
  if (plainData.has(target.split(sep).join('/')) && target.startsWith('graph')) return true
  return layers[from]?.includes(to) ?? false
}

function room(file: string): string {
  return file.split(sep)[0]
}

describe('the house', () => {
  it('has only rooms that the layer list names', () => {
    const rooms = new Set(files.map(room).filter(name => name !== 'index.ts'))
    expect([...rooms].filter(name => !(name in layers))).toEqual([])
  })

  it('imports go one way between rooms', () => {
    const wrong = files.flatMap(file =>
      importsOf(file)
        .filter(target => !isAllowed(file, target))
        .map(target => `${file} imports ${target}`),
    )
    expect(wrong).toEqual([])
  })

  it('has no import cycle between files', () => {
    expect(findCycle(new Map(files.map(file => [file, importsOf(file)])))).toBeUndefined()
  })

  it('loads native packages in their own rooms alone', () => {
    const owners: Readonly<Record<string, string>> = {
      'onnxruntime-node': 'runtime',
      koffi: 'runtime',
      '@duckdb/node-api': 'dataset',
    }
    const wrong = files.flatMap(file =>
      ts
        .preProcessFile(readFileSync(join(src, file), 'utf8'))
        .importedFiles.filter(({ fileName }) => fileName in owners && owners[fileName] !== room(file))
        .map(({ fileName }) => `${file} imports ${fileName}`),
    )
    expect(wrong).toEqual([])
  })
})

function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const state = new Map<string, 'open' | 'closed'>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (state.get(file) === 'open') return [...path.slice(path.indexOf(file)), file]
    if (state.get(file) === 'closed' || !graph.has(file)) return undefined
    state.set(file, 'open')
    path.push(file)
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target)
      if (cycle) return cycle
    }
    path.pop()
    state.set(file, 'closed')
    return undefined
  }
  for (const file of graph.keys()) {
    const cycle = visit(file)
    if (cycle) return cycle
  }
  return undefined
}
