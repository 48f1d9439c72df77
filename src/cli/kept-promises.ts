/**
 * The promises that answers to this command line carried: a file each in the customer's folder, on disk before the
 * command says that it is done. `watch` takes them in, `verify` reads them as they are.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import { makeFolder } from './customer-folder.ts'

const extension = '.promise'

/** `header`: as `x-holdfast-promise` has it; `null` for an answer that entered nothing. */
export async function keepPromises(folder: string, header: string | null): Promise<void> {
  if (header === null) return
  makeFolder(folder)
  const name = createHash('sha256').update(header).digest('hex').slice(0, 32)
  await writeFileDurable(join(folder, `${name}${extension}`), utf8(`${header}\n`), 0o600)
}

/** Hands over what was kept; a file goes once `take` has resolved. */
export async function takeKeptPromises(folder: string, take: (text: string) => Promise<void>): Promise<void> {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(extension)) continue
    const path = join(folder, name)
    await take(readFileSync(path, 'utf8'))
    await rm(path, { force: true })
  }
}
