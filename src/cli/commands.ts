// The command table: the parser, the help and docs/cli.md are made from it.
import { charactersCommand } from './character-commands.js'
import { chatCommand } from './chat-command.js'
import type { CommandSpec } from './command.js'
import { engineCommand } from './engine-command.js'
import { explainCommand } from './explain-command.js'
import { buildCommand, exportCommand, tokenizerCommand, trainCommand } from './model-commands.js'
import { modelCommand } from './model-files-command.js'
import { addCommand, initCommand, runAllCommand, statusCommand } from './project-commands.js'

export const commands: Readonly<Record<string, CommandSpec>> = {
  init: initCommand,
  add: addCommand,
  characters: charactersCommand,
  build: buildCommand,
  export: exportCommand,
  tokenizer: tokenizerCommand,
  train: trainCommand,
  chat: chatCommand,
  run: runAllCommand,
  status: statusCommand,
  explain: explainCommand,
  engine: engineCommand,
  model: modelCommand,
}
