/** The mark of a region that came from a backup: `restored.json` in its folder, until its ledger has entered it. */
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { syncFolder, writeFileDurable } from '../store/durable-file.ts'

export interface RestoredMark {
  readonly format: 'holdfast/restored/v1'
  /** Of this restore: the same backup restored twice is entered twice. */
  readonly restore: string
  readonly backup: string
  /** When the backup was taken. */
  readonly taken: string
  readonly restored: string
  /** Of the tree in the backup. */
  readonly size: number
}

const nameOf = (folder: string): string => join(folder, 'restored.json')

export async function writeRestoredMark(folder: string, mark: RestoredMark): Promise<void> {
  await writeFileDurable(nameOf(folder), utf8(`${JSON.stringify(mark)}\n`), 0o600)
}

export function readRestoredMark(folder: string): RestoredMark | null {
  if (!existsSync(nameOf(folder))) return null
  const mark = JSON.parse(readFileSync(nameOf(folder), 'utf8')) as RestoredMark
  if (mark.format !== 'holdfast/restored/v1')
    throw new HoldfastError('format-unknown', `${nameOf(folder)} has format ${String(mark.format)}`)
  return mark
}

export async function removeRestoredMark(folder: string): Promise<void> {
  await rm(nameOf(folder), { force: true })
  await syncFolder(folder)
}
