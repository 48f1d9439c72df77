import { closeSync, fsyncSync, openSync } from 'node:fs'
import { mkdir, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError } from '../core/errors.ts'

let temporaryNumber = 0

/**
 * Writes a whole file so that after any crash either the old content or the new is there, never a mixture: temporary
 * file in the same folder, sync, rename, sync of the folder. New parent folders are synced into theirs.
 */
export async function writeFileDurable(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const folder = dirname(path)
  await makeFolderDurable(folder)
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${temporaryNumber++}.tmp`)
  const handle = await open(temporary, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    await handle.datasync()
    await handle.close()
    await rename(temporary, path)
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
  await syncFolder(folder)
}

/** Makes a folder and its missing parents, each synced into the one above it. */
export async function makeFolderDurable(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made === undefined) return
  for (let at = folder; at.length >= made.length; at = dirname(at)) await syncFolder(dirname(at))
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Syncs a folder and everything above it: for what is made at a first start, by whomever, so that a power cut soon
 * after does not take the folders away from around data that was synced.
 */
export function syncUpwards(folder: string): void {
  for (let at = folder; ; at = dirname(at)) {
    syncFolderNow(at)
    if (at === dirname(at)) return
  }
}

function syncFolderNow(folder: string): void {
  let descriptor: number
  try {
    descriptor = openSync(folder, 'r')
  } catch (error) {
    // What we may not read is not ours, and was there before.
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return
    throw error
  }
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** The system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** For `catch` behind a write: what the user is told, and whether another disk would help. */
export function storeFault(error: unknown): never {
  const full = isDiskFull(error)
  const message = full ? 'the disk is full' : 'the disk refused a write'
  throw new HoldfastError(full ? 'store-full' : 'store-damaged', message, {}, error)
}
