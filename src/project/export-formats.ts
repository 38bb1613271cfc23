// The forms a dataset can be written in, with the ending of their files.
import type { ExportFormat } from '../dataset/store.js'

export const exportEndings: { readonly [Name in ExportFormat]: string } = {
  time: 'txt',
  timeRaw: 'raw.txt',
  alpaca: 'alpaca.jsonl',
  messages: 'messages.jsonl',
  jsonl: 'jsonl',
  csv: 'csv',
  parquet: 'parquet',
}

export const exportFormats = Object.keys(exportEndings) as readonly ExportFormat[]
