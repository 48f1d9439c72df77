import { createHash } from 'node:crypto'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { Depot } from '../store/depot.ts'
import type { BackupKey } from './backup-key.ts'
import { type BackupFile, listBackups, readManifest } from './manifest.ts'

export interface CheckReport {
  readonly backups: number
  readonly files: number
  readonly bytes: number
  /** What is wrong, each with the file's name. */
  readonly findings: readonly string[]
}

/** Reads everything back that any manifest names, and compares. Without the key, a forger's work goes unseen. */
export async function checkBackups(
  depot: Depot,
  key: BackupKey | null,
  onFile: (done: number, files: number) => void,
): Promise<CheckReport> {
  const findings: string[] = []
  const files = new Map<string, BackupFile>()
  const backups = await listBackups(depot)
  if (backups.length === 0) throw new HoldfastError('not-found', `there is no backup in ${depot.name}`)
  for (const backup of backups) {
    try {
      for (const file of (await readManifest(depot, backup, key)).files) {
        const other = files.get(file.path)
        if (other !== undefined && (other.sha256 !== file.sha256 || other.bytes !== file.bytes))
          findings.push(`${file.path}: two manifests say different things of it`)
        files.set(file.path, file)
      }
    } catch (error) {
      findings.push(messageOf(error))
    }
  }
  let done = 0
  let bytes = 0
  for (const file of files.values()) {
    const fault = await readBack(depot, file, async () => {}).catch(messageOf)
    if (fault !== null) findings.push(fault.startsWith(file.path) ? fault : `${file.path}: ${fault}`)
    bytes += file.bytes
    onFile(++done, files.size)
  }
  return { backups: backups.length, files: files.size, bytes, findings }
}

/** Reads a file whole and gives it on; what is wrong with it, or `null`. */
export async function readBack(
  depot: Depot,
  { path, bytes, sha256 }: BackupFile,
  take: (chunk: Uint8Array) => Promise<void>,
): Promise<string | null> {
  const digest = createHash('sha256')
  let seen = 0
  for await (const chunk of depot.read(path)) {
    seen += chunk.length
    if (seen > bytes) return `${path}: it has more than the ${bytes} bytes that the manifest names`
    digest.update(chunk)
    await take(chunk)
  }
  if (seen !== bytes) return `${path}: it has ${seen} bytes where the manifest names ${bytes}`
  return digest.digest('hex') === sha256 ? null : `${path}: its bytes are not those of the manifest`
}
