// ZIP archives that cannot be trusted: bombs, cut files, names that lead outside, links, passwords, wrong checksums.
import { describe, expect, test } from 'vitest'
import yazl from 'yazl'
import { openZip } from '../../src/formats/zip.js'

async function zipOf(files: Record<string, Buffer>, mode?: number): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  for (const [name, data] of Object.entries(files)) zip.addBuffer(data, name, mode === undefined ? {} : { mode })
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Writes another name of the same length over each place where the old one stands. */
function rename(zip: Buffer, from: string, to: string): Buffer {
  return Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1')
}

const plain = await zipOf({ 'story.txt': Buffer.from('Дождь кончился.\n'.repeat(40)) })

async function fail(zip: Buffer, limits = {}): Promise<string> {
  try {
    for (const entry of await openZip(zip, 'a.zip', limits)) await entry.read()
  } catch (thrown) {
    return String((thrown as Error).message)
  }
  return 'nothing was refused'
}

describe('openZip', () => {
  test('reads what was packed', async () => {
    const [entry] = await openZip(plain, 'a.zip')
    expect(entry.name).toBe('story.txt')
    expect(Buffer.from(await entry.read()).toString()).toBe('Дождь кончился.\n'.repeat(40))
  })

  test('refuses a bomb before unpacking it', async () => {
    expect(await fail(await zipOf({ 'zeros.txt': Buffer.alloc(3_000_000) }))).toMatchInlineSnapshot(
      `"a.zip: the archive is refused: "zeros.txt" unpacks to 3000000 bytes from 2923. Unpack it by hand if you trust it, and add the file itself."`,
    )
  })

  test('refuses too much in all and too many entries', async () => {
    expect(await fail(plain, { maxBytes: 1000 })).toMatchInlineSnapshot(
      `"a.zip: the archive is refused: more than 1000 bytes unpacked. Unpack it by hand if you trust it, and add the file itself."`,
    )
    expect(await fail(plain, { maxEntries: 0 })).toMatchInlineSnapshot(
      `"a.zip: the archive is refused: 1 entries. Unpack it by hand if you trust it, and add the file itself."`,
    )
  })

  test.each(['../ry.txt', '/tory.txt', 'C:ory.txt', 's\\ory.txt', '%2e%2e/.t', 'st/..//tx'])(
    'refuses the name %s',
    async name => {
      expect(await fail(rename(plain, 'story.txt', name))).toMatch(
        /^a\.zip: the archive is refused: .*Unpack it by hand/u,
      )
    },
  )

  test('refuses links', async () => {
    expect(await fail(await zipOf({ 'link.txt': Buffer.from('/etc/hosts') }, 0o120777))).toMatchInlineSnapshot(
      `"a.zip: the archive is refused: "link.txt" is a link. Unpack it by hand if you trust it, and add the file itself."`,
    )
  })

  test('refuses entries with a password', async () => {
    const locked = Buffer.from(plain)
    const central = locked.indexOf('PK\x01\x02', 0, 'latin1')
    locked[central + 8] |= 1
    expect(await fail(locked)).toMatchInlineSnapshot(
      `"a.zip: "story.txt" is protected by a password. Unpack the archive and add the file itself."`,
    )
  })

  test('notices a wrong checksum', async () => {
    const wrong = Buffer.from(plain)
    const central = wrong.indexOf('PK\x01\x02', 0, 'latin1')
    wrong[central + 16] ^= 0xff
    expect(await fail(wrong)).toMatchInlineSnapshot(
      `"a.zip: the ZIP archive is damaged or cut (checksum of story.txt differs). Download or copy it again."`,
    )
  })

  test.each([4, 30, 100])('refuses an archive cut %i bytes before its end', async cut => {
    expect(await fail(plain.subarray(0, plain.length - cut))).toMatch(
      /^a\.zip: the ZIP archive is damaged or cut \(.+\)\. Download or copy it again\.$/u,
    )
  })
})
