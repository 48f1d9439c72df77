/** The operator's key of backups: seals what is secret in them, and authenticates their manifests. */
import { existsSync, readFileSync } from 'node:fs'
import { fromHex, toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import { hmac } from '../crypto/hmac.ts'
import { writeFileDurable } from '../store/durable-file.ts'

export interface BackupKey {
  /** 16 hex digits that tell keys apart and tell nothing of them. */
  readonly id: string
  readonly sealing: Uint8Array
  readonly manifests: Uint8Array
}

const keyFormat = 'holdfast/backup-key/v1'

/** `not-found` when there is no such file. */
export function loadBackupKey(path: string): BackupKey {
  if (!existsSync(path)) throw new HoldfastError('not-found', `there is no backup key at ${path}`)
  const match = /^holdfast\/backup-key\/v1 ([0-9a-f]{64})\n?$/.exec(readFileSync(path, 'utf8'))
  const key = match === null ? null : fromHex(match[1]!)
  if (key === null) throw new HoldfastError('bad-input', `${path} is no backup key (${keyFormat})`)
  const derive = (purpose: string): Buffer => hmac('sha256', key, utf8(`${keyFormat}/${purpose}`))
  return { id: toHex(derive('id')).slice(0, 16), sealing: derive('seal'), manifests: derive('manifest') }
}

/** Never over an existing file. */
export async function makeBackupKey(path: string, randomBytes: RandomBytes): Promise<BackupKey> {
  if (existsSync(path)) throw new HoldfastError('conflict', `${path} exists; a key is never written over`)
  await writeFileDurable(path, utf8(`${keyFormat} ${toHex(randomBytes(32))}\n`), 0o600)
  return loadBackupKey(path)
}
