// Commands about native runtimes: which of them this machine has, and how one is added.
import { resolve } from 'node:path'
import { AppError, type Lang } from '../base/errors.js'
import type { EngineStatus } from '../project/engine.js'
import type { Call, CommandSpec } from './command.js'

const listCommand: CommandSpec = {
  usage: '',
  summary: { en: 'List the engines and whether they start here', ru: 'Показать движки и запускаются ли они здесь' },
  options: [],
  async run({ output }: Call) {
    const { listEngines } = await import('../project/engine.js')
    const engines = await listEngines()
    const lines = (lang: Lang): string => engines.map(engine => engineLine(engine, lang)).join('\n')
    output.result({ en: lines('en'), ru: lines('ru') }, engines)
  },
}

function engineLine({ name, ready, version, note }: EngineStatus, lang: Lang): string {
  const state = ready ? { en: 'ready', ru: 'готов' }[lang] : { en: 'missing', ru: 'нет' }[lang]
  return `${name.padEnd(18)} ${[state, version].filter(Boolean).join(' ')}: ${note[lang]}`
}

const installCommand: CommandSpec = {
  usage: '<engine>',
  summary: {
    en: 'Download the libraries of an engine (openvino)',
    ru: 'Скачать библиотеки движка (openvino)',
  },
  options: [
    {
      flags: '--from <wheel>',
      summary: { en: 'use a wheel that was downloaded by hand', ru: 'взять файл wheel, скачанный заранее' },
    },
  ],
  async run({ args: [name], options, output, onProgress, signal }: Call) {
    if (name !== 'openvino') throw notInstallable(name)
    const from = typeof options.from === 'string' ? resolve(options.from) : undefined
    const { installOpenvino } = await import('../runtime/openvino-install.js')
    const folder = await installOpenvino({ from, onProgress, signal })
    output.result(
      { en: `OpenVINO is installed in ${folder}`, ru: `OpenVINO установлен в ${folder}` },
      { engine: name, folder },
    )
  },
}

export const engineCommand: CommandSpec = {
  usage: '',
  summary: { en: 'Native engines that train and generate', ru: 'Движки для обучения и генерации' },
  options: [],
  commands: { list: listCommand, install: installCommand },
}

function notInstallable(name: string): AppError {
  return new AppError('unknown-runtime', {
    kind: 'usage',
    what: { en: `"${name}" cannot be installed`, ru: `«${name}» нельзя установить` },
    fix: { en: 'Only openvino can; onnxruntime-cpu is always there', ru: 'Можно только openvino; onnxruntime-cpu есть всегда' }, // prettier-ignore
  })
}
