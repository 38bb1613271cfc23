// Runs the code that README and docs show, and checks their links and anchors.
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../../src/base/package.js'

const docs = readdirSync(join(packageRoot, 'docs'), { recursive: true, encoding: 'utf8' }).filter(name =>
  name.endsWith('.md'),
)
const pages = ['README.md', 'README.ru.md', 'CHANGELOG.md', ...docs.map(name => join('docs', name))]

interface Fence {
  readonly page: string
  readonly line: number
  readonly language: string
  readonly code: string
}

function fencesOf(page: string): Fence[] {
  const text = readFileSync(join(packageRoot, page), 'utf8')
  return [...text.matchAll(/^```(\S*)[^\n]*\n([\s\S]*?)^```$/gmu)].map(match => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1],
    code: match[2],
  }))
}

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/gu, '-')
}

function brokenLinks(page: string): string[] {
  const text = readFileSync(join(packageRoot, page), 'utf8').replace(/^```[\s\S]*?^```$/gmu, '')
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/gu)].map(match => match[1]).filter(link => !/^[a-z]+:/u.test(link))
  return links.filter(link => {
    const [path, hash] = link.split('#')
    const target = path ? resolve(packageRoot, dirname(page), path) : join(packageRoot, page)
    if (!existsSync(target)) return true
    if (!hash) return false
    const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gmu)].map(match => anchor(match[1]))
    return !headings.includes(hash)
  })
}

describe('documents', () => {
  it.each(pages)('%s has no broken link', page => {
    expect(brokenLinks(page)).toEqual([])
  })

  const programs = pages.flatMap(fencesOf).filter(fence => fence.language === 'ts' || fence.language === 'js')
  it.each(programs.map(fence => [`${fence.page}:${fence.line}`, fence] as const))(
    'the program at %s runs',
    (_place, fence) => {
      const folder = mkdtempSync(join(tmpdir(), 'dvoynik-docs-'))
      const entry = join(packageRoot, 'dist', 'src', 'index.js')
      const code = fence.code.replaceAll("from 'dvoynik'", `from ${JSON.stringify('file://' + entry)}`)
      writeFileSync(join(folder, 'program.mjs'), code)
      const output = execFileSync(process.execPath, ['program.mjs'], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, STORY: storyPath },
      })
      const expected = [...code.matchAll(/\/\/ → (.*)$/gmu)].map(match => match[1].trim())
      for (const line of expected) expect(output).toContain(line)
    },
  )

  const shells = pages.flatMap(fencesOf).filter(fence => fence.language === 'sh')
  it.each(shells.map(fence => [`${fence.page}:${fence.line}`, fence] as const))(
    'the commands at %s are known',
    async (_place, fence) => {
      const { commands } = await import('../../src/cli/commands.js')
      const scripts = (
        JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
      ).scripts
      const unknown = fence.code
        .split(/\n|&&/u)
        .map(line => line.replace(/#.*/u, '').trim())
        .filter(Boolean)
        .filter(line => !knownCommand(line, commands, scripts))
      expect(unknown).toEqual([])
    },
  )
})

const storyPath = join(packageRoot, 'assets', 'story')

function knownCommand(
  line: string,
  commands: Readonly<Record<string, unknown>>,
  scripts: Readonly<Record<string, string>>,
): boolean {
  const words = line.split(/\s+/u).filter(word => !/^[A-Z_]+=/u.test(word))
  if (words[0] === 'npx') words.shift()
  if (words[0] === 'dvoynik') return words.length === 1 || words[1].startsWith('-') || words[1] in commands
  if (words[0] === 'npm' && words[1] === 'run') return words[2] in scripts
  if (words[0] === 'npm') return ['ci', 'test', 'install', 'i'].includes(words[1])
  return ['git', 'cd', 'bash', 'ls', 'cat'].includes(words[0])
}
