/**
 * Backs a region up while it serves. One consistent cut: what the catalog's snapshot has, and every byte that it
 * refers to.
 *
 * Crash points: until the manifest is there, there is no backup; files that were copied are found by the next one and
 * not copied again. The hold ends by itself; the snapshot in the region's folder (which has what the catalog has) is
 * removed by the next backup or the region's next start.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8, toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { newSortableId, type RandomBytes, sortableIdTime } from '../core/ids.ts'
import { type Clock, isoTime } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { treeOf } from '../ledger/continues.ts'
import { loadLogKey } from '../ledger/log-keys.ts'
import { signedKey } from '../ledger/tables.ts'
import { dropHold, hold, liveHolds } from '../store/backup-hold.ts'
import type { Depot } from '../store/depot.ts'
import { readFileBytes } from '../store/folder-depot.ts'
import { openLmdbCatalog } from '../store/lmdb-catalog.ts'
import type { BackupKey } from './backup-key.ts'
import { type CutFile, filesOfCut } from './cut.ts'
import {
  type BackupFile,
  backupFormat,
  listBackups,
  type Manifest,
  manifestPath,
  printManifest,
  readManifest,
} from './manifest.ts'
import { takePlace } from './place.ts'
import { isRegionFile } from './region-files.ts'
import { sealFile } from './sealed-file.ts'

export interface BackUpDeps {
  readonly region: string
  readonly country: string
  /** The region's folder. */
  readonly folder: string
  readonly depot: Depot
  readonly key: BackupKey
  /** Backups that stay; older ones are removed with what only they have. At least 1. */
  readonly keep: number
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly onProgress: (progress: BackupProgress) => void
}

export interface BackupProgress {
  readonly files: number
  readonly filesDone: number
  readonly bytes: number
  readonly bytesDone: number
}

export interface BackupReport {
  readonly backup: string
  readonly taken: string
  readonly files: number
  readonly bytes: number
  /** Of those, what was not there yet. */
  readonly copiedFiles: number
  readonly copiedBytes: number
  readonly entries: number
  readonly removedBackups: number
}

const holdMs = 10 * 60_000
const renewMs = 60_000
const parallelCopies = 4
/** What must be left on the region's disk beside the copies of the catalog. */
const spareBytes = 64 << 20
const temporaryFolder = /^backup-([0-9a-hjkmnp-tv-z]{26})\.tmp$/

export async function backUp(deps: BackUpDeps): Promise<BackupReport> {
  const { folder, depot, key, clock, randomBytes } = deps
  if (!existsSync(join(folder, 'catalog', 'catalog.mdb')))
    throw new HoldfastError('not-found', `there is no region in ${folder}`)
  const before = await earlierBackups(depot, key, deps.region)
  // The newest by its id, also when the clock was set back: else it would be the first to be removed.
  const backup = newSortableId(Math.max(clock(), before.takenUnixMs + 1), randomBytes)
  await using catalog = await openLmdbCatalog(join(folder, 'catalog'))
  await clearLeftovers(folder, await liveHolds(catalog, clock()))
  await using held = await holdAll(catalog, backup, clock)
  await using _place = await takePlace(catalog, depot.name, backup, clock())
  const work = join(folder, `backup-${backup}.tmp`)
  await mkdir(work, { mode: 0o700 })
  await using _work = { [Symbol.asyncDispose]: () => rm(work, { recursive: true, force: true }) }
  await demandRoom(folder)

  const taken = isoTime(clock())
  const snapshot = join(work, 'catalog')
  await mkdir(snapshot, { mode: 0o700 })
  await catalog.snapshot(join(snapshot, 'catalog.mdb'))
  const cut = await readCut(snapshot, folder)
  const sealed = (kind: string): { region: string; path: string } => ({
    region: deps.region,
    path: `${kind}/${backup}.sealed`,
  })
  const sealedFiles: (CutFile & { readonly local: string })[] = []
  for (const [kind, plaintext] of [
    ['catalog', readFileBytes(join(snapshot, 'catalog.mdb'), null)],
    ['region', regionFilesOf(folder)],
  ] as const) {
    const name = sealed(kind)
    const local = join(work, `${kind}.sealed`)
    const bytes = await sealFile(plaintext, local, name, key, randomBytes)
    sealedFiles.push({ source: '', path: name.path, bytes, local })
  }
  await rm(snapshot, { recursive: true })

  const wanted = [...sealedFiles, ...cut.files.map(file => ({ ...file, local: join(folder, file.source) }))]
  const copied = await copyAll(wanted, before.digests, deps, held)
  await depot.sync()
  held.demand()
  const manifest: Manifest = {
    format: backupFormat,
    region: deps.region,
    country: deps.country,
    backup,
    taken,
    keyId: key.id,
    tree: cut.tree,
    checkpoint: cut.checkpoint,
    vkey: cut.vkey,
    files: copied.files,
  }
  await depot.put(manifestPath(backup), printManifest(manifest, key))
  await depot.sync()
  const removedBackups = await prune(depot, key, deps.keep)
  await depot.sweep()
  return {
    backup,
    taken,
    files: copied.files.length,
    bytes: copied.files.reduce((sum, { bytes }) => sum + bytes, 0),
    copiedFiles: copied.copiedFiles,
    copiedBytes: copied.copiedBytes,
    entries: cut.tree.size,
    removedBackups,
  }
}

interface EarlierBackups {
  readonly digests: ReadonlyMap<string, BackupFile>
  /** By its id; 0 where there is none. */
  readonly takenUnixMs: number
}

const noEarlier: EarlierBackups = { digests: new Map(), takenUnixMs: 0 }

/** Of the newest backup that is there, what it says of its files. */
async function earlierBackups(depot: Depot, key: BackupKey, region: string): Promise<EarlierBackups> {
  const [newest] = await listBackups(depot)
  if (newest === undefined) return noEarlier
  try {
    const manifest = await readManifest(depot, newest, key)
    if (manifest.region !== region)
      throw new HoldfastError('bad-input', `${depot.name} has backups of region ${manifest.region}`)
    const digests = new Map(manifest.files.map(file => [file.path, file]))
    return { digests, takenUnixMs: sortableIdTime(newest) }
  } catch (error) {
    // What was damaged tells nothing, and is no reason not to make a good one.
    if (error instanceof HoldfastError && error.code === 'store-damaged') return noEarlier
    throw error
  }
}

async function readCut(
  snapshot: string,
  folder: string,
): Promise<{ files: CutFile[]; tree: Manifest['tree']; checkpoint: string | null; vkey: string }> {
  await using catalog = await openLmdbCatalog(snapshot)
  const files: CutFile[] = []
  for await (const file of filesOfCut(catalog)) files.push(file)
  const { size, root } = await treeOf({ catalog, crypto: nodeVerifyCrypto })
  const signed = await catalog.get('meta', signedKey)
  const origin = (await readFile(join(folder, 'log.origin'), 'utf8')).trim()
  const { vkey } = await loadLogKey(join(folder, 'log.key'), origin, nodeVerifyCrypto)
  return {
    files,
    tree: { size, root: toHex(root) },
    checkpoint: signed === null ? null : fromUtf8(signed),
    vkey,
  }
}

/** Keys, certificates, names: every file that lies in the region's folder itself. */
async function* regionFilesOf(folder: string): AsyncGenerator<Uint8Array, void> {
  const files: Record<string, string> = {}
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    // Followed: a key may lie on another disk, and a region without it is none.
    if (isRegionFile(name) && (await stat(path)).isFile())
      files[name] = (await readFile(path)).toString('base64')
  }
  yield utf8(JSON.stringify({ v: 1, files }))
}

interface Held extends AsyncDisposable {
  /** Throws when the hold has ended, and with it the certainty that nothing was unlinked. */
  demand(): void
}

async function holdAll(catalog: Parameters<typeof hold>[0], backup: string, clock: Clock): Promise<Held> {
  let until = clock() + holdMs
  let failure: unknown = null
  await hold(catalog, backup, until)
  const timer = setInterval(() => {
    const next = clock() + holdMs
    hold(catalog, backup, next).then(
      () => {
        until = next
      },
      error => {
        failure = error
      },
    )
  }, renewMs)
  timer.unref()
  return {
    demand() {
      if (clock() >= until)
        throw new HoldfastError(
          'conflict',
          `the region could not be held still for the backup: ${failure === null ? 'it took too long' : messageOf(failure)}`,
        )
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await dropHold(catalog, backup).catch(() => {})
    },
  }
}

/** Of backups that were killed: their snapshots have access keys' secrets and should not lie about. */
export async function clearLeftovers(folder: string, live: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    const backup = temporaryFolder.exec(name)?.[1]
    if (backup !== undefined && !live.includes(backup))
      await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function demandRoom(folder: string): Promise<void> {
  const { size } = await stat(join(folder, 'catalog', 'catalog.mdb'))
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < 2 * size + spareBytes)
    throw new HoldfastError(
      'store-full',
      `the region's disk needs room for two copies of the catalog (${size} bytes each) while it is backed up`,
    )
}

async function copyAll(
  wanted: readonly (CutFile & { readonly local: string })[],
  known: ReadonlyMap<string, BackupFile>,
  { depot, onProgress }: BackUpDeps,
  held: Held,
): Promise<{ files: BackupFile[]; copiedFiles: number; copiedBytes: number }> {
  const files: BackupFile[] = new Array(wanted.length)
  const bytes = wanted.reduce((sum, file) => sum + file.bytes, 0)
  let [filesDone, bytesDone, copiedFiles, copiedBytes] = [0, 0, 0, 0]
  const waiting = wanted.entries()
  let failed = false
  const worker = async (): Promise<void> => {
    for (const [index, file] of waiting) {
      if (failed) return
      held.demand()
      let sha256 = await alreadyThere(file, known.get(file.path), depot)
      if (sha256 === null) {
        sha256 = await depot.putFile(file.path, file.local, file.bytes)
        copiedFiles++
        copiedBytes += file.bytes
      }
      files[index] = { path: file.path, bytes: file.bytes, sha256 }
      filesDone++
      bytesDone += file.bytes
      onProgress({ files: wanted.length, filesDone, bytes, bytesDone })
    }
  }
  await Promise.all(
    Array.from({ length: parallelCopies }, () =>
      worker().catch(error => {
        failed = true
        throw error
      }),
    ),
  )
  return { files, copiedFiles, copiedBytes }
}

/**
 * The digest of a file that need not be copied. What an earlier manifest says of a path holds for the source too: under
 * one path there are the same bytes for ever. Without a manifest (a backup that was cut off) the source is read.
 */
async function alreadyThere(
  file: CutFile & { readonly local: string },
  known: BackupFile | undefined,
  depot: Depot,
): Promise<string | null> {
  if (file.source === '') return null
  const there = await depot.find(file.path, false)
  if (there?.bytes !== file.bytes) return null
  const digested = there.sha256 ?? (await depot.find(file.path, true))?.sha256
  const expected = known?.bytes === file.bytes ? known.sha256 : await digestOf(file)
  return digested === expected ? expected : null
}

async function digestOf({
  local,
  bytes,
}: {
  readonly local: string
  readonly bytes: number
}): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of readFileBytes(local, bytes)) digest.update(chunk)
  return digest.digest('hex')
}

/** Old manifests first, then what no manifest names: a crash in between leaves files that the next one removes. */
async function prune(depot: Depot, key: BackupKey, keep: number): Promise<number> {
  const backups = await listBackups(depot)
  const used = new Set<string>()
  try {
    for (const backup of backups.slice(0, keep))
      for (const { path } of (await readManifest(depot, backup, key)).files) used.add(path)
  } catch {
    // What a damaged manifest names is not known, so nothing is removed.
    return 0
  }
  const old = backups.slice(keep)
  for (const backup of old) await depot.remove(manifestPath(backup))
  await depot.sync()
  for (const kind of ['catalog/', 'region/', 'blobs/', 'segments/'])
    for await (const { path } of depot.list(kind)) if (!used.has(path)) await depot.remove(path)
  return old.length
}
