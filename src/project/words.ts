// Turns the identifiers of reports (stages, units, reasons, counts) into words of the user's language.
import type { Text } from '../base/errors.js'

type Words = Readonly<Record<string, Text>>

/** Names of stages, and of the parts of a stage that report on their own. */
export const stageWords: Words = {
  text: { en: 'Text', ru: 'Текст' },
  read: { en: 'Reading', ru: 'Чтение' },
  clean: { en: 'Cleaning', ru: 'Очистка' },
  characters: { en: 'Characters', ru: 'Персонажи' },
  dialogue: { en: 'Dialogue', ru: 'Диалоги' },
  rewrite: { en: 'Rewriting', ru: 'Переписывание' },
  scenes: { en: 'Scenes', ru: 'Сцены' },
  examples: { en: 'Examples', ru: 'Примеры' },
  dataset: { en: 'Dataset', ru: 'Набор данных' },
  alpaca: { en: 'Alpaca', ru: 'Alpaca' },
  tokenizer: { en: 'Tokenizer', ru: 'Токенизатор' },
  train: { en: 'Training', ru: 'Обучение' },
  evaluate: { en: 'Evaluation', ru: 'Оценка' },
  download: { en: 'Download', ru: 'Загрузка' },
  convert: { en: 'Conversion', ru: 'Преобразование' },
}

/** What is counted; the Russian word is a genitive plural, so that it fits before any number: «абзацев: 5». */
export const unitWords: Words = {
  paragraphs: { en: 'paragraphs', ru: 'абзацев' },
  names: { en: 'names', ru: 'имён' },
  examples: { en: 'examples', ru: 'примеров' },
  rows: { en: 'rows', ru: 'строк' },
  books: { en: 'books', ru: 'книг' },
  texts: { en: 'texts', ru: 'текстов' },
  words: { en: 'words', ru: 'слов' },
  tokens: { en: 'tokens', ru: 'токенов' },
  pieces: { en: 'pieces', ru: 'токенов' },
  passes: { en: 'passes', ru: 'проходов' },
  steps: { en: 'steps', ru: 'шагов' },
  scenes: { en: 'scenes', ru: 'сцен' },
  batches: { en: 'batches', ru: 'пакетов' },
  MB: { en: 'MB', ru: 'МБ' },
}

/** Why something was left out. */
export const reasonWords: Words = {
  'title-page': { en: 'title page', ru: 'титульный лист' },
  'chapter-heading': { en: 'chapter headings', ru: 'названия глав' },
  heading: { en: 'headings', ru: 'заголовки' },
  separator: { en: 'separators', ru: 'разделители' },
  epigraph: { en: 'epigraphs', ru: 'эпиграфы' },
  'no-letters': { en: 'no letters', ru: 'нет букв' },
  'page-number': { en: 'page numbers', ru: 'номера страниц' },
  'single-letter': { en: 'single letters', ru: 'одиночные буквы' },
  isbn: { en: 'ISBN', ru: 'ISBN' },
  copyright: { en: 'copyright lines', ru: 'строки об авторских правах' },
  publisher: { en: 'publisher lines', ru: 'строки издательства' },
  library: { en: 'library lines', ru: 'строки электронной библиотеки' },
  link: { en: 'links', ru: 'ссылки' },
  note: { en: 'notes', ru: 'примечания' },
  contents: { en: 'contents', ru: 'оглавление' },
  repeated: { en: 'repeated', ru: 'повторы' },
  empty: { en: 'empty', ru: 'пустые' },
  'common-word': { en: 'common words', ru: 'обычные слова' },
  'only-at-start': { en: 'only at the start of sentences', ru: 'только в начале предложений' },
  plural: { en: 'plurals', ru: 'множественное число' },
  place: { en: 'places', ru: 'места' },
  sacred: { en: 'sacred names', ru: 'священные имена' },
  organisation: { en: 'organisations', ru: 'организации' },
  'title-of-work': { en: 'titles of works', ru: 'названия произведений' },
  'no-vowel': { en: 'no vowel', ru: 'нет гласной' },
  adjective: { en: 'adjectives', ru: 'прилагательные' },
  'too-short': { en: 'too short', ru: 'слишком короткие' },
  blacklist: { en: 'in the blacklist', ru: 'из чёрного списка' },
  'same-as-original': { en: 'same as the original', ru: 'не отличаются от исходных' },
  duplicate: { en: 'duplicates', ru: 'повторы' },
  'no-own-reply': { en: 'no reply of the character', ru: 'нет реплик персонажа' },
  'prompt-too-long': { en: 'prompt too long', ru: 'слишком длинный запрос' },
}

/** Counts that mean something to everybody; others are shown in reports and with --json alone. */
export const countWords: Words = {
  people: { en: 'people', ru: 'персонажей' },
  mentions: { en: 'mentions', ru: 'упоминаний' },
  scenes: { en: 'scenes', ru: 'сцен' },
  dialogues: { en: 'dialogues', ru: 'диалогов' },
  replies: { en: 'replies', ru: 'реплик' },
  original: { en: 'original', ru: 'исходных' },
  me: { en: 'as я', ru: 'от «я»' },
  ti: { en: 'as ты', ru: 'на «ты»' },
  'held-out': { en: 'held out', ru: 'отложено для проверки' },
  added: { en: 'added', ru: 'добавлено' },
}

/** The word for an identifier; an identifier without a word stays as it is. */
export function wordFor(words: Words, identifier: string): Text {
  return words[identifier] ?? { en: identifier, ru: identifier }
}
