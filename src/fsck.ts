/**
 * `fsck`: does what a region keeps hold together? Ledger, store, and each against the other. For a data folder whose
 * server is stopped; on one that serves, what changes meanwhile is looked at again until it stands.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandIo, ExitCode } from './cli/io.ts'
import { parseOptions } from './cli/options.ts'
import { embeddedConfig, loadConfig } from './config.ts'
import { equalBytes } from './core/bytes.ts'
import { HoldfastError } from './core/errors.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { endedBy } from './instructions/erasable.ts'
import { decodeDraft } from './ledger/draft-format.ts'
import { createFileTileStore } from './ledger/file-tile-store.ts'
import { fsckLedger, readTree } from './ledger/fsck-ledger.ts'
import { loadLogKey } from './ledger/log-keys.ts'
import type { LogStores } from './ledger/recover.ts'
import { repairLedger } from './ledger/repair.ts'
import { storedEntries } from './ledger/stored-leaves.ts'
import { isErased, payloadOf, signedKey, treeKey } from './ledger/tables.ts'
import { openBlobs, regionFiles } from './open-region.ts'
import type { Catalog } from './store/catalog.ts'
import { type CameIn, type EnteredVersion, fsckStore, type StoreReport } from './store/fsck-store.ts'
import { openLmdbCatalog } from './store/lmdb-catalog.ts'
import { takeRepairLock } from './store/repair-lock.ts'
import { type ScrubDeps, type ScrubFault, scrubStore } from './store/scrub.ts'
import { type Balance, type BookedEntry, balanceBooks } from './transfers/balance.ts'
import { openBatches, stagedParts } from './transfers/batches.ts'
import { type EntryPayload, parsePayload } from './verify/payload.ts'
import { checkpointPath } from './verify/tile-path.ts'

interface RegionReport extends StoreReport {
  readonly region: string
  readonly entries: number
  /** What a repair did; the findings are those that are left. */
  readonly repairs?: readonly string[]
}

export async function fsckCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      config: { type: 'string' },
      region: { type: 'string' },
      read: { type: 'boolean' },
      repair: { type: 'boolean' },
      peers: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const { dataFolder } =
    values.config === undefined ? embeddedConfig(io.env) : loadConfig(values.config, io.env)
  const reports: RegionReport[] = []
  for (const region of regionsOf(dataFolder, values.region)) {
    if (io.isTty) io.stderr.write(`looking at ${region} …\n`)
    const found = await fsckRegion(dataFolder, region, values.read === true)
    reports.push(
      values.repair === true && found.findings.length > 0
        ? await repairRegion(dataFolder, region, values.read === true)
        : found,
    )
  }
  const peers = values.peers === true ? await fsckPeers(dataFolder) : null
  const clean = reports.every(report => report.findings.length === 0) && (peers?.findings.length ?? 0) === 0
  if (values.json)
    io.stdout.write(`${JSON.stringify({ clean, regions: reports, ...(peers !== null && { peers }) })}\n`)
  else {
    for (const report of reports) io.stdout.write(render(report))
    if (peers !== null) io.stdout.write(renderPeers(peers))
  }
  return clean ? 0 : 1
}

/**
 * The books of all regions of the folder, held against each other. An arrival is entered before its source hears of it:
 * what moves meanwhile is looked at again until it stands.
 */
async function fsckPeers(dataFolder: string): Promise<Balance> {
  const ids = regionsOf(dataFolder, undefined)
  const look = async (): Promise<Balance> => {
    const open = await openBatchesOf(dataFolder, ids)
    return balanceBooks(bookedEntries(dataFolder, ids), {
      regions: new Set(ids),
      isOpen: (from, instruction, batch) => open.has(`${from} ${instruction} ${batch}`),
    })
  }
  const first = await look()
  if (first.findings.length === 0) return first
  const second = await look()
  return { ...second, findings: second.findings.filter(text => first.findings.includes(text)) }
}

async function openBatchesOf(dataFolder: string, ids: readonly string[]): Promise<Set<string>> {
  const open = new Set<string>()
  for (const region of ids) {
    await using catalog = await openLmdbCatalog(regionFiles(dataFolder, region).catalog)
    for await (const { id, batch } of openBatches(catalog)) open.add(`${region} ${id} ${batch}`)
  }
  return open
}

async function* bookedEntries(dataFolder: string, ids: readonly string[]): AsyncGenerator<BookedEntry> {
  for (const region of ids) {
    await using catalog = await openLmdbCatalog(regionFiles(dataFolder, region).catalog)
    for await (const entry of allEntries(catalog)) yield { region, ...entry }
  }
}

function regionsOf(dataFolder: string, wanted: string | undefined): string[] {
  const folder = join(dataFolder, 'regions')
  const found = existsSync(folder) ? readdirSync(folder).sort() : []
  const chosen = wanted === undefined ? found : found.filter(id => id === wanted)
  if (chosen.length === 0)
    throw new HoldfastError(
      'not-found',
      `there is no region ${wanted ?? ''} in ${dataFolder}`.replace('  ', ' '),
    )
  return chosen
}

export async function fsckRegion(dataFolder: string, region: string, read: boolean): Promise<RegionReport> {
  const files = regionFiles(dataFolder, region)
  const origin = readFileSync(join(files.folder, 'log.origin'), 'utf8').trim()
  const { log } = await loadLogKey(files.logKey, origin, nodeVerifyCrypto)
  await using catalog = await openLmdbCatalog(files.catalog)
  const tiles = createFileTileStore(files.tiles)
  const ledger = await fsckLedgerAtRest({ catalog, tiles, log, crypto: nodeVerifyCrypto }, region)
  // It only lists: no id is ever made, nothing is ever written.
  const { blobs } = openBlobs(files, catalog, {
    writer: '0'.repeat(26),
    segmentBytes: 0,
    clock: Date.now,
    randomBytes: length => new Uint8Array(length),
  })
  await using _blobs = blobs
  const store = await fsckStoreTwice({ catalog, blobs })
  const unread = read ? await fsckBytes({ catalog, blobs }) : []
  const entries = await treeSize(catalog)
  return { region, entries, ...store, findings: [...ledger, ...store.findings, ...unread] }
}

/** Reads every version. */
export async function fsckBytes(stores: Pick<ScrubDeps, 'catalog' | 'blobs'>): Promise<string[]> {
  const findings: string[] = []
  const onFault = ({ bucketId, key, what }: ScrubFault): void =>
    void findings.push(`${key} (bucket ${bucketId}): ${what}`)
  await scrubStore({ ...stores, onFault, pace: async () => {}, stopped: () => false })
  return findings
}

/**
 * Makes again what follows from the entries, on a region that nobody else has open, and looks anew. What cannot be made
 * again is left as a finding.
 */
export async function repairRegion(dataFolder: string, region: string, read: boolean): Promise<RegionReport> {
  const files = regionFiles(dataFolder, region)
  await using _lock = await takeRepairLock(files.folder)
  const origin = readFileSync(join(files.folder, 'log.origin'), 'utf8').trim()
  const { log } = await loadLogKey(files.logKey, origin, nodeVerifyCrypto)
  let repairs: string[]
  {
    await using catalog = await openLmdbCatalog(files.catalog)
    const users = catalog.otherUsers()
    if (users.length > 0)
      throw new HoldfastError(
        'conflict',
        `${region} is open in process ${users.join(', ')}; stop the server before a repair`,
      )
    const tiles = createFileTileStore(files.tiles)
    repairs = await repairLedger({ catalog, tiles, log, crypto: nodeVerifyCrypto })
  }
  return { ...(await fsckRegion(dataFolder, region, read)), repairs }
}

const ledgerTries = 10

/** The sequencer publishes within a second: between two bursts of writes there is a moment when nothing moves. */
export async function fsckLedgerAtRest(stores: LogStores, region: string): Promise<string[]> {
  for (let tries = 0; tries < ledgerTries; tries++) {
    const before = await ledgerMark(stores)
    const findings = await fsckLedger(stores, region)
    if (findings.length === 0 || equalBytes(before, await ledgerMark(stores))) return findings
    await sleep(1000)
  }
  return ['the ledger did not hold still; look again when the region is quiet or stopped']
}

/** Changes whenever something is drafted, entered, signed or published. */
async function ledgerMark({ catalog, tiles }: LogStores): Promise<Uint8Array> {
  const drafts = await catalog.scan('drafts', { limit: 1, reverse: true })
  const now = [
    await catalog.get('meta', treeKey),
    await catalog.get('meta', signedKey),
    await tiles.read(checkpointPath),
    ...drafts.map(({ key }) => key),
  ]
  return Buffer.concat(now.filter(bytes => bytes !== null))
}

/** Damage stays; what moved under a reader's eyes does not look the same twice. */
async function fsckStoreTwice(stores: Parameters<typeof fsckStore>[0]): Promise<StoreReport> {
  const first = await fsckStore(stores, enteredVersions(stores.catalog), stagedParts(stores.catalog))
  if (first.findings.length === 0 && first.orphans.length === 0) return first
  const second = await fsckStore(stores, enteredVersions(stores.catalog), stagedParts(stores.catalog))
  return {
    findings: second.findings.filter(text => first.findings.includes(text)),
    orphans: second.orphans.filter(text => first.orphans.includes(text)),
    objects: second.objects,
  }
}

async function treeSize(catalog: Catalog): Promise<number> {
  const tree = await readTree(catalog)
  // One that cannot be read is a finding of the ledger's, and repaired from the entries.
  return tree === null || typeof tree === 'string' ? 0 : tree.size
}

/** Every version that entries and drafts tell of; those that were erased told of none that is still stored. */
async function* enteredVersions(catalog: Catalog): AsyncGenerator<EnteredVersion> {
  for await (const { type, body } of allEntries(catalog)) yield* versionsIn(type, body)
}

/** Drafts first: one that is entered meanwhile is seen twice, not never. What was erased says nothing any more. */
async function* allEntries(catalog: Catalog): AsyncGenerator<Omit<BookedEntry, 'region'>> {
  for (let from: Uint8Array | undefined; ; ) {
    const rows = await catalog.scan('drafts', { limit: 1000, ...(from && { from }) })
    for (const { value } of rows) {
      const { entryId, type, body } = decodeDraft(value)
      yield { id: entryId, type, body: JSON.parse(body) }
    }
    if (rows.length < 1000) break
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
  const size = await treeSize(catalog)
  for await (const entry of storedEntries(catalog, 0, size)) {
    if (isErased(entry)) continue
    const payload = parsePayload(payloadOf(entry))
    // The ledger's own check has found it.
    if (typeof payload !== 'string') yield { id: payload.id, type: payload.type, body: payload.body }
  }
}

function* versionsIn(type: string, body: unknown): Generator<EnteredVersion> {
  if (type === 'object.put') {
    const { originId, bucket, ciphertextSha256, manifestSha256 } = body as CameIn & { bucket: string }
    yield { did: 'came', originId, bucket, ciphertextSha256, manifestSha256 }
  } else if (type === 'transfer.arrived') {
    const { objects, toBucket } = body as {
      objects: readonly (readonly [string, number, string])[]
      toBucket: string
    }
    yield { did: 'arrivals', bucket: toBucket }
    for (const [originId, , ciphertextSha256] of objects)
      yield { did: 'came', originId, bucket: toBucket, ciphertextSha256, manifestSha256: null }
  }
  for (const originId of endedBy({ type, body: body as EntryPayload['body'] }))
    yield { did: 'went', originId }
}

function renderPeers({ findings, batches, objects, open, elsewhere }: Balance): string {
  const verdict = findings.length === 0 ? 'balanced' : `${findings.length} finding(s)`
  const more = [
    ...(open > 0 ? [`${open} objects on their way`] : []),
    ...(elsewhere > 0 ? [`${elsewhere} batches whose other end is not here`] : []),
  ]
  const lines = [`peers: ${[`${verdict}; ${batches} batches, ${objects} objects`, ...more].join(', ')}`]
  return `${[...lines, ...findings.map(text => `  ${text}`)].join('\n')}\n`
}

function render({ region, findings, orphans, objects, entries, repairs }: RegionReport): string {
  const verdict = findings.length === 0 ? 'clean' : `${findings.length} finding(s)`
  const lines = [
    `${region}: ${verdict}; ${objects} objects, ${entries} entries`,
    ...findings.map(text => `  ${text}`),
    ...(repairs ?? []).map(text => `  repaired: ${text}`),
  ]
  if (orphans.length > 0)
    lines.push(`  ${orphans.length} orphan(s), which a crash may leave and which harm nothing:`)
  lines.push(...orphans.map(text => `    ${text}`))
  return `${lines.join('\n')}\n`
}
