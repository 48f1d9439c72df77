import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Files of the sizes and names that clients get wrong. Returns the folder. */
export function makeTree(folder: string): string {
  const files: Record<string, number> = {
    empty: 0,
    'one byte': 1,
    'plus+plus.txt': 1000,
    'deep/er/and deeper/file': 16 * 1024,
    'deep/Ünïcödé/हिन्दी.bin': 70_000,
    'big.bin': 12 * 2 ** 20 + 7,
  }
  for (let i = 0; i < 20; i++) files[`many/${i}`] = i * 500
  for (const [name, size] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), randomBytes(size))
  }
  return folder
}

/** Every file with a digest of its bytes: two trees are the same when these are equal. */
export function digestTree(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
    .sort()
  return Object.fromEntries(
    names.map(path => [
      relative(folder, path),
      createHash('sha256').update(readFileSync(path)).digest('hex'),
    ]),
  )
}
