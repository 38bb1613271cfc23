// Gives memory that native code has freed back to the system: the GNU C library keeps it for its next requests.

/** What is used of the package koffi. */
interface Loader {
  load(file: string): { func(name: string, result: string, parameters: string[]): unknown }
}

/** `malloc_trim` of the GNU C library; nothing elsewhere. */
export function findTrim(koffi: Loader): () => void {
  try {
    const trim = koffi.load('libc.so.6').func('malloc_trim', 'int', ['size_t']) as (keep: number) => number
    return () => void trim(0)
  } catch {
    return () => undefined
  }
}

let trim: Promise<() => void> | undefined

/** Where it can be done; else nothing happens. */
export async function trimHeap(): Promise<void> {
  trim ??= import('koffi').then(
    ({ default: koffi }) => findTrim(koffi),
    () => () => undefined,
  )
  const run = await trim
  run()
}
