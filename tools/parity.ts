// Checks models against PyTorch's numbers: folders written by tools/parity/make_reference.py to a table of relative errors.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createRuntime } from '../src/runtime/registry.js'
import type { Precision } from '../src/runtime/runtime.js'
import { findCases, type CaseResult } from './parity/cases.js'
import { checkCase } from './parity/check.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    'skip-unsupported': { type: 'boolean' },
    engine: { type: 'string' },
    precision: { type: 'string' },
  },
})
const folders = positionals.length > 0 ? positionals : [join('test', 'parity')]

const runtime = await createRuntime({ name: values.engine, precision: values.precision as Precision | undefined })
const results: CaseResult[] = []
for (const folder of (await Promise.all(folders.map(findCases))).flat()) results.push(await checkCase(folder, runtime))

if (values.json) console.log(JSON.stringify(results, undefined, 2))
else for (const line of renderTable(results)) console.log(line)
if (results.length === 0) console.error(`no cases (folders with expected.json) in ${folders.join(', ')}`)

const passing = values['skip-unsupported'] ? ['passed', 'unsupported'] : ['passed']
process.exitCode = results.length > 0 && results.every(({ status }) => passing.includes(status)) ? 0 : 1

function renderTable(rows: readonly CaseResult[]): string[] {
  const head = ['case', 'status', 'logits', 'loss', 'gradients', 'ten losses', 'greedy', '']
  const lines = rows.map(({ name, status, errors, greedy, note }) => [
    name,
    status,
    ...(['logits', 'loss', 'gradients', 'losses'] as const).map(key => errors?.[key].toExponential(1) ?? '-'),
    greedy === undefined ? '-' : greedy ? 'equal' : 'differs',
    note ?? '',
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map(line => line[i].length)))
  return [head, ...lines].map(line => line.map((cell, i) => cell.padEnd(widths[i])).join('  ').trimEnd()) // prettier-ignore
}
