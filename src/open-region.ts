/** Opens what a region consists of, in the order in which it can be trusted, and closes it the other way round. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { clearLeftovers } from './backup/back-up.ts'
import type { RegionConfig, WitnessConfig } from './config.ts'
import { utf8 } from './core/bytes.ts'
import { HoldfastError, messageOf } from './core/errors.ts'
import type { CountryCode, RandomBytes, TenantId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { Clock } from './core/time.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { createTlsIdentity, type TlsIdentity } from './crypto/tls-identity.ts'
import { heedRestore } from './heed-restore.ts'
import { createDraftBox, type DraftBox } from './ledger/drafts.ts'
import { createFileTileStore } from './ledger/file-tile-store.ts'
import { openLawfulTime } from './ledger/lawful-time.ts'
import { type LogKey, loadLogKey, loadOrCreateLogKey } from './ledger/log-keys.ts'
import { createOutboundRecords } from './ledger/outbound-records.ts'
import { openOwnBooks } from './ledger/own-books.ts'
import { createPromiser, type Promiser } from './ledger/promises.ts'
import type { RunningSequencer, SequencerThread } from './ledger/sequencer-thread.ts'
import { createSums, type Sums } from './ledger/sums.ts'
import type { TileStore } from './ledger/tile-store.ts'
import { createDoor, type Door } from './outbound/door.ts'
import { rotateIfAsked } from './rotate-log.ts'
import { liveHolds } from './store/backup-hold.ts'
import type { Catalog } from './store/catalog.ts'
import { type CompactionReport, compactSegments, forgetRemovedSegments } from './store/compaction.ts'
import type { Depot } from './store/depot.ts'
import { createDiskRoom, type DiskRoom } from './store/disk-room.ts'
import { makeFolderDurable, writeFileDurable } from './store/durable-file.ts'
import { createFileBlobStore } from './store/file-blob-store.ts'
import { createReadBuffers } from './store/file-reader.ts'
import { openLmdbCatalog } from './store/lmdb-catalog.ts'
import { createPackedBlobStore, type PackedBlobStore } from './store/packed-blob-store.ts'
import { emptyTrash } from './store/places.ts'
import type { RegionStores } from './store/region.ts'
import { demandNoRepair } from './store/repair-lock.ts'
import { createSegmentFiles, type SegmentFiles } from './store/segment-files.ts'
import { createSegmentWriter, type SegmentWriter } from './store/segment-writer.ts'
import { indexAccountsOnce } from './store/tenants.ts'
import { countOnce } from './store/usage.ts'

/** What any process that serves a region has of it: its stores, its drafts, its way out. */
export interface RegionAccess extends RegionStores, AsyncDisposable {
  readonly blobs: PackedBlobStore
  readonly segments: SegmentFiles
  readonly room: DiskRoom
  readonly segmentWriter: SegmentWriter
  readonly drafts: DraftBox
  readonly promiser: Promiser
  readonly sums: Sums
  readonly door: Door
  /** The tenant that the region is itself. */
  readonly own: TenantId
}

/** A region with what must be there once: its sequencer, its log, its identity towards other regions. */
export interface Region extends RegionAccess {
  readonly tiles: TileStore
  readonly logKey: LogKey
  readonly identity: TlsIdentity
  readonly peer: RegionConfig['peer']
  /** Where its public log is copied to. */
  readonly mirrors: readonly Depot[]
  /** By which an expiry is judged. */
  readonly lawfulNow: Clock
  /** Hands a checkpoint of its log with cosignatures to its one writer. */
  cosigned(note: string): void
  /** Stops its ledger for good: nothing more is signed until a person has looked. */
  halt(reason: string): void
}

export interface RegionAccessDeps {
  readonly folder: string
  /** Names this process's segments: 26 characters that no process used before. */
  readonly writer: string
  readonly diskReserveBytes: number
  /** A segment that has reached it takes no more. */
  readonly segmentBytes: number
  readonly placeOf: (address: string) => CountryCode | 'home' | null
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

export interface RegionDeps extends RegionAccessDeps {
  readonly publicHost: string
  readonly sequencers: SequencerThread
  /** Of all processes that may append to segments now, this one included. */
  readonly liveWriters: () => ReadonlySet<string>
  /** A reader opens a part's bytes when it gets to it; what was given up stays readable for so long. */
  readonly trashGraceMs: number
  readonly witnesses: readonly WitnessConfig[]
  readonly onEntered: (count: number) => void
  /** POSIX seconds: a witness has put a later time to the log. */
  readonly onWitnessed: (timeUnixS: number) => void
  /** Cosignatures that were not taken, and why. */
  readonly onRefusedCosignatures: (reasons: readonly string[]) => void
  readonly mirrorsOf: (config: RegionConfig, door: Door) => readonly Depot[]
  readonly onHousekeeping: (report: CompactionReport) => void
  /** The region's ledger stopped by itself: it must not go on answering as if it entered. */
  readonly onFatal: (region: string, error: Error) => void
}

const housekeepingEveryMs = 5000

export interface RegionFiles {
  readonly folder: string
  readonly catalog: string
  readonly tiles: string
  readonly blobs: string
  readonly segments: string
  readonly logKey: string
}

export function regionFiles(dataFolder: string, id: string): RegionFiles {
  const folder = join(dataFolder, 'regions', id)
  return {
    folder,
    catalog: join(folder, 'catalog'),
    tiles: join(folder, 'tiles'),
    blobs: join(folder, 'blobs'),
    segments: join(folder, 'segments'),
    logKey: join(folder, 'log.key'),
  }
}

export async function openRegion(config: RegionConfig, deps: RegionDeps): Promise<Region> {
  const { log, clock } = deps
  const { id, peer } = config
  const files = regionFiles(deps.folder, id)
  mkdirSync(files.folder, { recursive: true, mode: 0o700 })
  await claimFolder(files.folder, id)
  demandNoRepair(files.folder)
  const identity = await loadIdentity(files.folder, id, peer.host, clock)
  const origin = await logOrigin(files.folder, deps.publicHost, id)
  const logKey = await rotateIfAsked(await loadOrCreateLogKey(files.logKey, origin, nodeVerifyCrypto), {
    id,
    keyPath: files.logKey,
    catalogPath: files.catalog,
    clock,
    randomBytes: deps.randomBytes,
    log,
  })
  const access = await openRegionAccess(config, deps)
  const { catalog, blobs } = access
  // Again, now that a repair would see that the catalog is open: one of the two gives way.
  demandNoRepair(files.folder)
  await countOnce(catalog)
  await indexAccountsOnce(catalog)
  const swept = await blobs.sweep()
  if (swept > 0) log('info', 'half-written-blobs-removed', { region: id, count: swept })
  // Made here and not by the sequencer, which works beside the answers: a PUT is answered in folders that are durable.
  for (const path of ['tile/0', 'tile/entries']) await makeFolderDurable(join(files.tiles, path))
  const mirrors = deps.mirrorsOf(config, access.door)
  const halt = await heedRestore({
    id,
    folder: files.folder,
    catalog,
    drafts: access.drafts,
    keys: logKey.log,
    mirrors,
    log,
  })
  const keys = deps.witnesses.map(({ key }) => key)
  const verifier = { log: logKey.log, witnesses: keys, crypto: nodeVerifyCrypto }
  const time = await openLawfulTime(catalog, verifier, clock)
  let fatal = halt !== null
  if (halt !== null) deps.onFatal(id, new Error(halt))
  const runSequencer = (): RunningSequencer =>
    deps.sequencers.run(
      {
        region: id,
        origin: logKey.name,
        catalogPath: files.catalog,
        tilesPath: files.tiles,
        keyPath: files.logKey,
        witnesses: deps.witnesses.map(({ vkey }) => vkey),
      },
      {
        onMessage: message => {
          if (message.kind === 'tick') {
            deps.onEntered(message.entered)
            if (message.witnessed !== undefined) {
              time.witnessed(message.witnessed.timeUnixS)
              deps.onWitnessed(message.witnessed.timeUnixS)
              deps.onRefusedCosignatures(message.witnessed.refused)
            }
          }
          if (message.kind === 'retry')
            log('warn', 'sequencer-retries', { region: id, reason: message.reason })
        },
        onFatal: error => {
          fatal = true
          deps.onFatal(id, error)
        },
      },
    )
  const sequencer = halt === null ? runSequencer() : null
  await clearLeftovers(files.folder, await liveHolds(catalog, clock()))
  await forgetRemovedSegments(catalog, access.segments)
  const housekeeping = startHousekeeping(access, deps)

  return {
    ...access,
    peer,
    tiles: createFileTileStore(files.tiles),
    logKey,
    identity,
    mirrors,
    lawfulNow: time.now,
    cosigned: note => sequencer?.cosigned(note),
    halt: reason => sequencer?.halt(reason),
    async [Symbol.asyncDispose]() {
      await housekeeping[Symbol.asyncDispose]()
      await access.sums[Symbol.asyncDispose]()
      if (!fatal) await sequencer?.stop()
      await access[Symbol.asyncDispose]()
    },
  }
}

/** The shared part, in the main process and in every worker. The main process has opened the region before. */
export async function openRegionAccess(config: RegionConfig, deps: RegionAccessDeps): Promise<RegionAccess> {
  const { clock, randomBytes, log } = deps
  const { id, country, operator, peer } = config
  const files = regionFiles(deps.folder, id)
  const catalog = await openLmdbCatalog(files.catalog)
  const { blobs, segments, segmentWriter } = openBlobs(files, catalog, deps)
  const drafts = createDraftBox(id, clock, randomBytes)
  const origin = readFileSync(join(files.folder, 'log.origin'), 'utf8').trim()
  const signer = await loadLogKey(files.logKey, origin, nodeVerifyCrypto)
  const promiser = createPromiser({ region: id, signer, clock, crypto: nodeVerifyCrypto })
  const sums = createSums(catalog, drafts, clock, log)
  const identity = await loadIdentity(files.folder, id, peer.host, clock)
  const own = await openOwnBooks({ id, country, catalog, drafts, signer, clock, randomBytes })
  const book = { region: id, country, catalog, drafts }
  const records = createOutboundRecords({ book, own, placeOf: deps.placeOf, clock, randomBytes, log })
  const localAddress = peer.host === '127.0.0.1' ? undefined : peer.host
  const door = createDoor(identity, localAddress, (op, socket) => records.onSocket(op, socket))
  return {
    id,
    country,
    operator,
    catalog,
    blobs,
    segments,
    segmentWriter,
    room: createDiskRoom(files.folder, deps.diskReserveBytes, clock),
    drafts,
    promiser,
    sums,
    door,
    own,
    async [Symbol.asyncDispose]() {
      await sums[Symbol.asyncDispose]()
      await records[Symbol.asyncDispose]()
      door[Symbol.dispose]()
      await blobs[Symbol.asyncDispose]()
      await catalog[Symbol.asyncDispose]()
    },
  }
}

/** Writes nothing until it is written to, so that fsck can use it too. */
export function openBlobs(
  files: RegionFiles,
  catalog: Catalog,
  {
    writer,
    segmentBytes,
    clock,
    randomBytes,
  }: Pick<RegionAccessDeps, 'writer' | 'segmentBytes' | 'clock' | 'randomBytes'>,
) {
  const segments = createSegmentFiles(files.segments)
  const segmentWriter = createSegmentWriter(segments, { writer, rollBytes: segmentBytes })
  const buffers = createReadBuffers()
  const own = createFileBlobStore(files.blobs, clock, randomBytes, buffers)
  const blobs = createPackedBlobStore({
    catalog,
    files: own,
    segments,
    writer: segmentWriter,
    buffers,
    clock,
    randomBytes,
  })
  return { blobs, segments, segmentWriter }
}

/** Empties the trash and compacts, one after the other and never two at once. */
function startHousekeeping(
  { id, catalog, blobs, segments, segmentWriter }: RegionAccess,
  { clock, log, liveWriters, trashGraceMs, onHousekeeping }: RegionDeps,
): AsyncDisposable {
  let running: Promise<void> | null = null
  const round = async (): Promise<void> => {
    try {
      await emptyTrash(catalog, blobs, clock, trashGraceMs)
      const deps = { catalog, segments, writer: segmentWriter, liveWriters, clock, graceMs: trashGraceMs }
      const report = await compactSegments(deps)
      onHousekeeping(report)
      if (report.compacted > 0) log('info', 'segments-compacted', { region: id, ...report })
    } catch (error) {
      log('error', 'housekeeping-failed', { region: id, error: messageOf(error) })
    } finally {
      running = null
    }
  }
  const timer = setInterval(
    () => {
      running ??= round()
    },
    Math.min(housekeepingEveryMs, Math.max(100, trashGraceMs)),
  )
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

const format = 'holdfast/region/v1'

/** Says what the folder is, so that a later version knows what it reads, and no folder is opened as another region. */
export async function claimFolder(folder: string, id: string): Promise<void> {
  const path = join(folder, 'region.json')
  if (!existsSync(path)) {
    await writeFileDurable(path, utf8(`${JSON.stringify({ format, region: id })}\n`))
    return
  }
  const found = JSON.parse(readFileSync(path, 'utf8')) as { format?: unknown; region?: unknown }
  if (found.format !== format)
    throw new HoldfastError(
      'format-unknown',
      `${folder} has format ${String(found.format)}; this version reads ${format}`,
    )
  if (found.region !== id)
    throw new HoldfastError('conflict', `${folder} belongs to region ${String(found.region)}, not ${id}`)
}

/** The log's name is for ever: it is written down at the first start, whatever the host is called later. */
export async function logOrigin(folder: string, publicHost: string, id: string): Promise<string> {
  const path = join(folder, 'log.origin')
  if (!existsSync(path)) await writeFileDurable(path, utf8(`${publicHost}/log/${id}\n`))
  return readFileSync(path, 'utf8').trim()
}

export async function loadIdentity(
  folder: string,
  id: string,
  host: string,
  clock: Clock,
): Promise<TlsIdentity> {
  const path = join(folder, 'tls.json')
  if (!existsSync(path)) {
    const made = await createTlsIdentity(`holdfast region ${id}`, [host, 'localhost'], clock())
    await writeFileDurable(path, utf8(`${JSON.stringify(made)}\n`), 0o600)
  }
  return JSON.parse(readFileSync(path, 'utf8')) as TlsIdentity
}
