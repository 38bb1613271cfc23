// Reads untrusted XML as a stream of events with their places; no DOCTYPE, no entities but the five of XML.
import { SaxesParser } from 'saxes'
import { AppError, type Text } from '../base/errors.js'

export interface XmlTag {
  /** Without its namespace prefix. */
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
}

/** Offsets are UTF-16 units of the text given; lines are 1-based. */
interface XmlHandler {
  /** `after` is the offset behind the tag. */
  open(tag: XmlTag, after: number, line: number): void
  /** `before` is the offset of the tag's `<`. */
  close(name: string, before: number): void
  text(text: string): void
}

const maxDepth = 64

/** The encoding named in an XML declaration at the beginning of the bytes, if any. */
export function declaredEncoding(bytes: Uint8Array): string | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 200))
  return /^\s*(?:ï»¿)?\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']/u.exec(head)?.[1]
}

/**
 * @throws AppError `bad-xml` with line:column, `xml-doctype`
 */
export function parseXml(text: string, where: string, handler: XmlHandler): void {
  const parser = new SaxesParser<{ xmlns: false; position: true }>({ xmlns: false, position: true })
  let depth = 0
  const place = (): string => `${where}:${parser.line}:${parser.column}`
  parser.on('error', cause => {
    throw badXml(place(), cause)
  })
  parser.on('doctype', () => {
    throw new AppError('xml-doctype', {
      where: place(),
      what: {
        en: 'the file has a DOCTYPE, which could hold entities',
        ru: 'в файле есть DOCTYPE, в нём могут быть сущности',
      },
      fix: {
        en: 'Delete the <!DOCTYPE …> line and add the file again',
        ru: 'Удалите строку <!DOCTYPE …> и добавьте файл снова',
      },
    })
  })
  parser.on('opentag', ({ name, attributes, isSelfClosing }) => {
    if (!isSelfClosing && ++depth > maxDepth) throw badXml(place(), new Error(`tags nested more than ${maxDepth} deep`))
    handler.open({ name: localName(name), attributes }, parser.position, parser.line)
  })
  parser.on('closetag', ({ name, isSelfClosing }) => {
    if (!isSelfClosing) depth--
    handler.close(localName(name), isSelfClosing ? parser.position : text.lastIndexOf('<', parser.position - 1))
  })
  parser.on('text', piece => handler.text(piece))
  parser.on('cdata', piece => handler.text(piece))
  parser.write(text).close()
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

function badXml(where: string, cause: Error): AppError {
  const detail = cause.message.replace(/^(?:undefined:)?\d+:\d+:\s*/u, '').replace(/\.$/u, '')
  return new AppError('bad-xml', {
    where,
    what: { en: `broken XML: ${detail}`, ru: `испорченный XML: ${detail}` },
    fix: fixFor(detail),
    cause,
  })
}

function fixFor(detail: string): Text {
  if (/entity/u.test(detail)) {
    return {
      en: 'Only &lt; &gt; &amp; &quot; &apos; and numeric references are known; put the character itself in its place',
      ru: 'Известны только &lt; &gt; &amp; &quot; &apos; и числовые ссылки; поставьте на это место сам знак',
    }
  }
  return {
    en: 'Download the file again, or open and save it in an FB2 editor',
    ru: 'Скачайте файл заново или откройте и сохраните его в редакторе FB2',
  }
}
