/**
 * Makes a region's folder of a backup.
 *
 * Crash points: everything is made under `restoring-<region>/` beside the regions, which no start looks at and the next restore
 * removes; the rename at the end makes the region be there, whole. Then a mark in it says where it came from.
 */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { newSortableId, type RandomBytes } from '../core/ids.ts'
import { type Clock, isoTime } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { contradiction, treeOf } from '../ledger/continues.ts'
import { loadLogKey, loadOrCreateLogKey } from '../ledger/log-keys.ts'
import { signedKey, stoppedKey, witnessedKey } from '../ledger/tables.ts'
import { dropAllHolds } from '../store/backup-hold.ts'
import type { Depot } from '../store/depot.ts'
import { makeFolderDurable, storeFault, syncFolder, writeFileDurable } from '../store/durable-file.ts'
import { readFileBytes } from '../store/folder-depot.ts'
import { openLmdbCatalog } from '../store/lmdb-catalog.ts'
import type { BackupProgress } from './back-up.ts'
import type { BackupKey } from './backup-key.ts'
import { readBack } from './check.ts'
import { type BackupFile, listBackups, type Manifest, readManifest } from './manifest.ts'
import { isRegionFile } from './region-files.ts'
import { writeRestoredMark } from './restored-mark.ts'
import { openSealed } from './sealed-file.ts'

export interface RestoreDeps {
  readonly region: string
  readonly dataFolder: string
  readonly depot: Depot
  readonly key: BackupKey
  /** `null`: the newest. */
  readonly backup: string | null
  /** Checkpoints that others have of this log, as notes, with where each came from. */
  readonly published: readonly { readonly from: string; readonly note: string }[]
  /**
   * The host in the name of a new log, with a new key, that begins with the entries of the backup: the old log is never
   * signed for again, so whatever was published of it is no second history. `null`: the old log goes on.
   */
  readonly newLog: string | null
  /** `fsck` of a region in a data folder: what is wrong, in words. */
  readonly check: (dataFolder: string, region: string) => Promise<readonly string[]>
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly onProgress: (progress: BackupProgress) => void
}

export interface RestoreReport {
  readonly backup: string
  readonly taken: string
  readonly files: number
  readonly bytes: number
  readonly entries: number
  readonly folder: string
}

const parallelReads = 4

export async function restore(deps: RestoreDeps): Promise<RestoreReport> {
  const { region, dataFolder, depot, key, clock, randomBytes } = deps
  const target = resolve(dataFolder, 'regions', region)
  demandEmpty(target)
  const backup = deps.backup ?? (await listBackups(depot))[0]
  if (backup === undefined) throw new HoldfastError('not-found', `there is no backup in ${depot.name}`)
  const manifest = await readManifest(depot, backup, key)
  if (manifest.region !== region)
    throw new HoldfastError('bad-input', `backup ${backup} is of region ${manifest.region}`)

  const data = resolve(dataFolder, `restoring-${region}`)
  const folder = join(data, 'regions', region)
  await rm(data, { recursive: true, force: true })
  await makeFolderDurable(folder)
  try {
    await demandRoom(folder, manifest)
    await fetchAll(manifest, folder, deps)
    await syncTree(folder)
    await judge(manifest, folder, deps)
    if (deps.newLog !== null) await beginNewLog(folder, deps.newLog, region)
    const findings = await deps.check(data, region)
    if (findings.length > 0)
      throw new HoldfastError(
        'store-damaged',
        `backup ${backup} does not hold together:\n${findings.map(text => `  ${text}`).join('\n')}`,
      )
    await writeRestoredMark(folder, {
      format: 'holdfast/restored/v1',
      restore: newSortableId(clock(), randomBytes),
      backup,
      taken: manifest.taken,
      restored: isoTime(clock()),
      size: manifest.tree.size,
    })
    await syncTree(folder)
    await makeFolderDurable(dirname(target))
    // Onto an empty folder or none: the system refuses anything else.
    await rename(folder, target).catch(storeFault)
    await syncFolder(dirname(target))
  } finally {
    await rm(data, { recursive: true, force: true })
  }
  return {
    backup,
    taken: manifest.taken,
    files: manifest.files.length,
    bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
    entries: manifest.tree.size,
    folder: target,
  }
}

function demandEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new HoldfastError(
      'conflict',
      `${folder} is not empty: a region is restored into a folder that is not there, never over another`,
    )
}

async function demandRoom(folder: string, { files }: Manifest): Promise<void> {
  const wanted = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < wanted)
    throw new HoldfastError(
      'store-full',
      `the backup has ${wanted} bytes and the disk has ${bavail * bsize} left`,
    )
}

async function fetchAll(manifest: Manifest, folder: string, deps: RestoreDeps): Promise<void> {
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  let [filesDone, bytesDone, failed] = [0, 0, false]
  const waiting = manifest.files.values()
  const worker = async (): Promise<void> => {
    for (const file of waiting) {
      if (failed) return
      if (file.path.endsWith('.sealed')) await fetchSealed(file, folder, deps)
      else await fetchFile(file, join(folder, targetOf(file)), deps.depot)
      filesDone++
      bytesDone += file.bytes
      deps.onProgress({ files: manifest.files.length, filesDone, bytes, bytesDone })
    }
  }
  const workers = Array.from({ length: parallelReads }, () =>
    worker().catch(error => {
      failed = true
      throw error
    }),
  )
  await Promise.allSettled(workers)
  await Promise.all(workers)
}

/** A segment's length is the last part of its path in the backup. */
function targetOf({ path }: BackupFile): string {
  return path.startsWith('segments/') ? dirname(path) : path
}

async function fetchFile(file: BackupFile, target: string, depot: Depot): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  const handle = await open(target, 'wx', 0o600).catch(storeFault)
  try {
    const fault = await readBack(depot, file, async chunk => {
      await handle.writeFile(chunk).catch(storeFault)
    })
    if (fault !== null) throw new HoldfastError('store-damaged', fault)
    await handle.datasync().catch(storeFault)
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'not-found')
      throw new HoldfastError('store-damaged', `${file.path}: it is not in the backup`, {}, error)
    throw error
  } finally {
    await handle.close()
  }
}

async function fetchSealed(file: BackupFile, folder: string, deps: RestoreDeps): Promise<void> {
  const sealed = join(folder, `${file.path.replaceAll('/', '-')}.tmp`)
  await fetchFile(file, sealed, deps.depot)
  const name = { region: deps.region, path: file.path }
  const plaintext = openSealed(readFileBytes(sealed, file.bytes), file.bytes, name, deps.key)
  if (file.path.startsWith('catalog/')) {
    const catalog = join(folder, 'catalog')
    await mkdir(catalog, { recursive: true, mode: 0o700 })
    await writePlain(join(catalog, 'catalog.mdb'), plaintext)
  } else {
    const chunks: Uint8Array[] = []
    for await (const chunk of plaintext) chunks.push(chunk)
    const { files } = JSON.parse(Buffer.concat(chunks).toString()) as { files: Record<string, string> }
    for (const [fileName, content] of Object.entries(files)) {
      // Earlier versions took whatever lay there; of that nothing is written, wherever its name leads.
      if (!isRegionFile(fileName)) continue
      await writePlain(join(folder, fileName), [Buffer.from(content, 'base64')])
    }
  }
  await rm(sealed)
}

async function writePlain(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const handle = await open(path, 'wx', 0o600).catch(storeFault)
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk).catch(storeFault)
    await handle.datasync().catch(storeFault)
  } finally {
    await handle.close()
  }
}

/** Is it what the manifest says, and would signing on from it contradict what others have? */
async function judge(manifest: Manifest, folder: string, { published, newLog }: RestoreDeps): Promise<void> {
  await using catalog = await openLmdbCatalog(join(folder, 'catalog'))
  await dropAllHolds(catalog)
  const tree = await treeOf({ catalog, crypto: nodeVerifyCrypto })
  if (tree.size !== manifest.tree.size)
    throw new HoldfastError('store-damaged', 'the catalog in the backup is not the one of its manifest')
  if (newLog !== null) return
  const origin = (await readFile(join(folder, 'log.origin'), 'utf8')).trim()
  const { log } = await loadLogKey(join(folder, 'log.key'), origin, nodeVerifyCrypto)
  for (const { from, note } of published) {
    const fault = await contradiction(note, { catalog, crypto: nodeVerifyCrypto, log })
    if (fault !== null)
      throw new HoldfastError(
        'not-verified',
        `the checkpoint of ${from} does not allow this restore: ${fault}. Nothing was restored`,
      )
  }
}

/** Of the old log nothing stays but its entries: neither keys nor what was signed, witnessed or stopped. */
async function beginNewLog(folder: string, host: string, region: string): Promise<void> {
  const path = join(folder, 'log.origin')
  const origin = `${host}/log/${region}`
  if ((await readFile(path, 'utf8')).trim() === origin)
    throw new HoldfastError('bad-input', `${origin} is the name of the old log; a new one needs another host`)
  for (const name of await readdir(folder)) if (name.startsWith('log.key')) await rm(join(folder, name))
  await writeFileDurable(path, utf8(`${origin}\n`))
  await loadOrCreateLogKey(join(folder, 'log.key'), origin, nodeVerifyCrypto)
  await using catalog = await openLmdbCatalog(join(folder, 'catalog'))
  await catalog.commit({
    removes: [signedKey, witnessedKey, stoppedKey].map(key => ({ table: 'meta' as const, key })),
  })
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await syncTree(join(folder, entry.name))
  await syncFolder(folder)
}
