// Recognises chapter headings and other borders between scenes in Russian and English books.

const ordinal =
  '(?:перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|девят|десят|(?:один|две|три|четыр|пят|шест|сем|восем|девят)надцат|двадцат|тридцат|сороков|пятидесят)(?:ая|ый|ой|ое|ья|ий|ье)'
const tens = '(?:двадцать|тридцать|сорок|пятьдесят)'
const english =
  '(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|first|second|third|fourth|fifth|last)'
/** Cyrillic Х and І stand for Latin X and I in many texts. */
const roman = '(?=[IVXLCХІ])(?:[XХ]{1,4}|[XХ]?L[XХ]{0,3}|C[XХ]{0,3}L?[XХ]{0,3})?(?:[IІ][XХ]|[IІ]V|V?[IІ]{0,4})'
const number = `(?:${roman}|\\d{1,3}|${tens}\\s+${ordinal}|${ordinal}|${english}|последняя|последний)`
const part =
  '(?:глава|часть|книга|том|раздел|действие|явление|картина|акт|сцена|письмо|тетрадь|chapter|part|book|volume|act|scene)'

const numbered = new RegExp(`^(?:${part}\\s+(?<after>${number})|(?<before>${ordinal})\\s+${part})(?<rest>.*)$`, 'iu')
const romanAlone = new RegExp(`^${roman}[.)]?$`, 'u')
const romanNamed = new RegExp(`^${roman}[.:](?<name>\\s.+)$`, 'u')
const namedPart =
  /^(?:пролог|эпилог|предисловие|послесловие|вступление|введение|заключение|вместо (?:предисловия|послесловия|эпилога|пролога|введения)|от (?:автора|издателя|редакции|переводчика)|конец(?: \p{L}+ (?:части|книги|главы|тома|повести)| (?:части|книги|главы|тома) \p{L}+)?|prologue|epilogue|preface|foreword|afterword|the end)[.!]?$/iu

const maxHeading = 100

/** Which of the heading rules names this line a heading; a line in the middle of a sentence is none. */
export function matchHeading(text: string): 'numbered-heading' | 'named-heading' | 'roman-heading' | undefined {
  if (text.length > maxHeading) return undefined
  const line = text.replace(/^[*_=~\s]+|[*_=~\s]+$/gu, '')
  if (namedPart.test(line)) return 'named-heading'
  const rest = numbered.exec(line)?.groups?.['rest']
  if (rest !== undefined && isHeadingRest(rest)) return 'numbered-heading'
  if (romanAlone.test(line)) return 'roman-heading'
  const name = romanNamed.exec(line)?.groups?.['name']
  return name !== undefined && isName(name.trim()) ? 'roman-heading' : undefined
}

/** After the number: nothing, or a stop or dash and a name, or a name in capitals or without a full stop. */
function isHeadingRest(rest: string): boolean {
  const stopped = /^[.:)]?\s*(?:[—–-]\s*)?(?<name>.*)$/u.exec(rest)?.groups?.['name'] ?? ''
  if (stopped === '') return true
  return /^[.:)\s—–]/u.test(rest) && isName(stopped)
}

/** A name begins with a capital, a digit or a quote, and is not a sentence that ends with a stop (capitals may). */
function isName(name: string): boolean {
  if (!/^[\p{Lu}\d«"„(]/u.test(name)) return false
  return !/\p{Ll}/u.test(name) || !/[.,;:—–-]$/u.test(name)
}

/** A short line directly below a heading, without a stop at its end: the chapter's name. */
export function isChapterName(text: string): boolean {
  return text.length <= 60 && /^[\p{Lu}«"„]/u.test(text) && /[\p{L}\d)»"“]$/u.test(text)
}

/** `* * *`, `***`, `— * —`, `⁂`, `# # #`: a border between scenes. */
export function isStarLine(text: string): boolean {
  return /^[\s*⁂#✱❖•~—–-]{1,40}$/u.test(text) && /[*⁂#✱❖•~]/u.test(text)
}
