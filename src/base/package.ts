// Where this package lies, so that assets are found from the sources and from dist alike.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds package.json and assets/. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'assets'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('package.json of dvoynik not found above ' + import.meta.url)
  return findRoot(parent)
}

/** Path of a compiled program of this package, also where the asking file runs as a source. */
export function programPath(beside: URL): string {
  const file = fileURLToPath(beside)
  return existsSync(file) ? file : join(packageRoot, 'dist', relative(packageRoot, file))
}

/** Path of a shipped asset. */
export function assetPath(...parts: string[]): string {
  return join(packageRoot, 'assets', ...parts)
}

/** The version in package.json, stored in every manifest. */
export const packageVersion: string = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version
