/**
 * The ledger beside its limits, in one run: `node bench/ledger.ts [--entries N] [--large N] [--keep NAME]`.
 *
 * - bulk: drafts that wait in a catalog, into entries and synced tiles
 * - beside writers: commits of a few drafts each, as PUTs make them, while the sequencer runs on its thread
 * - verify: a dense statement and a sparse one (one row in eight)
 * - large: a log of N entries (100 million by default): time until it is open, time of a receipt. Its tiles are whole;
 *   its catalog has one entry in 1,000 and the last 1,000, because nothing that is measured reads the others
 */
import { spawnSync } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { toHex, u64be, utf8 } from '../src/core/bytes.ts'
import { newEntryId, type RegionId, type TenantId } from '../src/core/ids.ts'
import { isoTime } from '../src/core/time.ts'
import { printEnvelope } from '../src/crypto/dsse.ts'
import { nodeVerifyCrypto as crypto } from '../src/crypto/node-verify-crypto.ts'
import { generatePrivateKey } from '../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../src/crypto/signed-document.ts'
import { createDraftBox } from '../src/ledger/drafts.ts'
import { createFileTileStore } from '../src/ledger/file-tile-store.ts'
import { type LogKey, loadOrCreateLogKey } from '../src/ledger/log-keys.ts'
import { printPayload } from '../src/ledger/payload-print.ts'
import { receiptOf } from '../src/ledger/receipts.ts'
import { recover } from '../src/ledger/recover.ts'
import { createSequencer } from '../src/ledger/sequencer.ts'
import { startSequencerThread } from '../src/ledger/sequencer-thread.ts'
import { statementLines } from '../src/ledger/statements.ts'
import {
  chainHeadKey,
  chainRowKey,
  encodeChainHead,
  encodeEntryRow,
  encodeTreeState,
  entryIdKey,
  entryKey,
  saltPayload,
  signedKey,
  tenantRowKey,
  treeKey,
} from '../src/ledger/tables.ts'
import { emptyEdge, TileBuilder } from '../src/ledger/tile-builder.ts'
import type { TileResource } from '../src/ledger/tile-store.ts'
import type { Catalog, Put } from '../src/store/catalog.ts'
import { openLmdbCatalog } from '../src/store/lmdb-catalog.ts'
import { printCheckpoint } from '../src/verify/checkpoint-text.ts'
import { genesisPayloadType } from '../src/verify/genesis.ts'
import { chainKeyCommitment, commitmentOf, encodeLeaf, labelOf } from '../src/verify/leaf.ts'
import { printNote } from '../src/verify/note.ts'
import { verifyReceipt } from '../src/verify/receipt.ts'
import { checkStatement } from '../src/verify/statement.ts'
import { parseTrust, type Trust } from '../src/verify/trust.ts'
import { timeInBrowser } from './in-browser.ts'

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '200000' },
    large: { type: 'string', default: '100000000' },
    keep: { type: 'string' },
  },
})
const entries = Number(values.entries)
const large = Number(values.large)
const region = 'in-mumbai' as RegionId
const origin = 'bench.example/log/in-mumbai'
const batchSize = 4096
const rows: string[] = []

mkdirSync(join(import.meta.dirname, '..', 'tmp'), { recursive: true })
const folder = mkdtempSync(join(import.meta.dirname, '..', 'tmp', 'ledger-'))
const about = [
  `- date: ${new Date().toISOString()}`,
  `- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  `- node: ${process.version}`,
  `- command: node bench/ledger.ts --entries ${entries} --large ${large}`,
]

try {
  const signer = await loadOrCreateLogKey(join(folder, 'log.key'), origin, crypto)
  const tenants = [newTenant(signer), newTenant(signer)] as const
  await limits()
  await bulk(signer, tenants)
  await besideWriters(tenants[0])
  if (large > 0) await largeLog(signer, tenants[0])
  const report = `# Ledger\n\n${about.join('\n')}\n\n| | | |\n|---|---:|---|\n${rows.join('\n')}\n`
  console.log(report)
  if (values.keep !== undefined)
    writeFileSync(join(import.meta.dirname, 'results', `${values.keep}.md`), report)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

interface BenchTenant {
  readonly id: TenantId
  readonly chainKey: Uint8Array
  readonly trust: Trust
  readonly trustText: string
}

function row(name: string, value: string, note = ''): void {
  rows.push(`| ${name} | ${value} | ${note} |`)
  console.log(`${name}: ${value} ${note}`)
}

function perSecond(count: number, startedMs: number): string {
  return `${Math.round(count / ((performance.now() - startedMs) / 1000)).toLocaleString('en')}/s`
}

function newTenant(signer: LogKey): BenchTenant {
  const key = generatePrivateKey('ed25519')
  const document = createDocument(genesisPayloadType, {
    approvers: [{ algorithm: 'ed25519', publicKey: toHex(key.publicKey) }],
    created: isoTime(Date.now()),
    name: 'bench',
    nonce: toHex(randomBytes(16)),
    quorum: 1,
    recovery: { approvers: [], quorum: 0 },
    v: 1,
  })
  const id = documentId(document) as TenantId
  const chainKey = randomBytes(32)
  const trustText = JSON.stringify({
    format: 'holdfast/trust/v1',
    tenant: id,
    genesis: printEnvelope(signDocument(document, key)),
    regions: { [region]: { origin, vkey: signer.vkey, chainKey: toHex(chainKey), country: 'IN' } },
  })
  const trust = parseTrust(trustText, crypto)
  if (typeof trust === 'string') throw new Error(trust)
  return { id, chainKey, trust, trustText }
}

/** As a PUT of an object makes it. */
function putBody(i: number) {
  return {
    bucket: 'bench-bucket',
    key: `bench/${String(i).padStart(9, '0')}`,
    versionId: 'null',
    originId: toHex(randomBytes(16)),
    sizeBytes: 1024,
    ciphertextBytes: 1106,
    ciphertextSha256: hash('sha256', `c${i}`),
    manifestSha256: hash('sha256', `m${i}`),
    etag: hash('md5', `e${i}`),
    bucketKeyId: '01k0000000000000000000000a',
    parts: 1,
    copiedFrom: null,
    replaced: null,
    lock: null,
    by: { accessKeyId: 'HFEXAMPLEEXAMPLEEXAM' },
  }
}

async function limits(): Promise<void> {
  const leaf = randomBytes(74)
  let started = performance.now()
  for (let i = 0; i < 500_000; i++) hash('sha256', leaf, 'binary')
  row('limit: SHA-256 of a leaf, one core', perSecond(500_000, started))
  const file = openSync(join(folder, 'sync'), 'w')
  started = performance.now()
  for (let i = 0; i < 300; i++) {
    writeSync(file, randomBytes(8192))
    fdatasyncSync(file)
  }
  row('limit: 8 KiB written and synced, one by one', perSecond(300, started))
  closeSync(file)
  await using catalog = await openLmdbCatalog(join(folder, 'raw'))
  started = performance.now()
  const value = randomBytes(600)
  for (let i = 0; i < entries; i += batchSize) {
    const puts: Put[] = []
    for (let j = 0; j < batchSize; j++) {
      const key = u64be(i + j)
      puts.push(
        { table: 'entries', key, value },
        { table: 'entryids', key: randomBytes(26), value: key },
        { table: 'chains', key, value: key },
      )
    }
    await catalog.commit({ puts })
  }
  row('limit: the three rows of an entry alone, in LMDB, synced by 4,096', perSecond(entries, started))
}

async function joinRegion(
  catalog: Catalog,
  drafts: ReturnType<typeof createDraftBox>,
  tenant: BenchTenant,
): Promise<void> {
  const body = {
    genesis: tenant.id,
    home: region,
    chainKeyCommitment: toHex(chainKeyCommitment(tenant.chainKey, crypto)),
    country: 'IN',
  }
  const value = utf8(JSON.stringify({ chainKey: toHex(tenant.chainKey) }))
  const { put } = drafts.draft({ tenant: tenant.id, type: 'tenant.joined', body })
  await catalog.commit({ puts: [put, { table: 'tenants', key: tenantRowKey(tenant.id), value }] })
}

async function bulk(signer: LogKey, [dense, sparse]: readonly [BenchTenant, BenchTenant]): Promise<void> {
  await using catalog = await openLmdbCatalog(join(folder, 'bulk'))
  const tiles = createFileTileStore(join(folder, 'bulk-tiles'))
  const drafts = createDraftBox(region, Date.now, randomBytes)
  await joinRegion(catalog, drafts, dense)
  await joinRegion(catalog, drafts, sparse)
  for (let i = 0; i < entries; ) {
    const puts: Put[] = []
    for (let j = 0; j < batchSize && i < entries; j++, i++) {
      const tenant = i % 8 === 7 ? sparse.id : dense.id
      puts.push(drafts.draft({ tenant, type: 'object.put', body: putBody(i) } as never).put)
    }
    await catalog.commit({ puts })
  }
  const deps = {
    catalog,
    tiles,
    region,
    signer,
    log: signer.log,
    crypto,
    randomBytes,
    batchSize,
    witnesses: [],
  }
  const sequencer = createSequencer(deps as never)
  const started = performance.now()
  let entered = 0
  for (let last = -1; last !== 0; entered += last) last = (await sequencer.tick()).entered
  row('entered in bulk, into synced tiles', perSecond(entered, started), 'asked: 50,000/s')
  for (const [name, tenant, asked] of [
    ['dense (7 rows in 8)', dense, '100,000/s'],
    ['sparse (1 row in 8)', sparse, '15,000/s'],
  ] as const) {
    const chunks: Buffer[] = []
    const statement = {
      catalog,
      tiles,
      region,
      signer,
      log: signer.log,
      crypto,
      clock: Date.now,
      witnesses: [],
    }
    const made = performance.now()
    for await (const line of statementLines(statement as never, tenant.id)) chunks.push(Buffer.from(line))
    const bytes = Buffer.concat(chunks)
    const count = chunks.length - 2
    row(`statement made, ${name}`, perSecond(count, made))
    let best = 0
    let text = ''
    for (let round = 0; round < 3; round++) {
      const check = checkStatement(tenant.trust, crypto, () => {})
      const verified = performance.now()
      for (let at = 0; at < bytes.length; at += 1 << 20) check.push(bytes.subarray(at, at + (1 << 20)))
      const verdict = check.end()
      if (!verdict.verified) throw new Error(verdict.failures.join())
      const rate = count / (performance.now() - verified)
      if (rate > best) {
        best = rate
        text = perSecond(count, verified)
      }
    }
    row(`statement verified, ${name}`, text, `best of 3, one thread; asked: ${asked}`)
  }
}

/** 64 writers, each commits one draft and waits, as PUTs do; the sequencer beside them on its thread. */
async function besideWriters(tenant: BenchTenant): Promise<void> {
  const catalogPath = join(folder, 'beside')
  const tilesPath = join(folder, 'beside-tiles')
  await using catalog = await openLmdbCatalog(catalogPath)
  const drafts = createDraftBox(region, Date.now, randomBytes)
  await joinRegion(catalog, drafts, tenant)
  await using thread = startSequencerThread()
  let entered = 0
  const config = { region, origin, catalogPath, tilesPath, keyPath: join(folder, 'log.key'), witnesses: [] }
  const running = thread.run(config as never, {
    onMessage: message => {
      if (message.kind === 'tick') entered += message.entered
    },
    onFatal: error => {
      throw error
    },
  })
  const value = randomBytes(900)
  const times: number[] = []
  const until = performance.now() + 10_000
  let written = 0
  const writer = async (): Promise<void> => {
    while (performance.now() < until) {
      const at = performance.now()
      const { put } = drafts.draft({ tenant: tenant.id, type: 'object.put', body: putBody(written) } as never)
      // What a PUT of a short object commits beside its entry.
      const key = randomBytes(24)
      await catalog.commit({
        puts: [put, { table: 'objects', key, value }, { table: 'smallblobs', key, value }],
      })
      times.push(performance.now() - at)
      written++
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: 64 }, writer))
  const rate = perSecond(written, started)
  await running.stop()
  times.sort((a, b) => a - b)
  const p = (part: number): string => `${times[Math.floor(times.length * part)]!.toFixed(1)} ms`
  row(
    'committed by 64 writers, each with the rows of a short object, while the sequencer enters',
    rate,
    `p50 ${p(0.5)}, p99 ${p(0.99)}; asked: 10,000/s at p99 ≤ 50 ms`,
  )
  if (entered < written) throw new Error(`${entered} of ${written} entered`)
}

async function largeLog(signer: LogKey, tenant: BenchTenant): Promise<void> {
  const tilesPath = join(folder, 'large-tiles')
  await using catalog = await openLmdbCatalog(join(folder, 'large'))
  const builder = new TileBuilder(crypto, emptyEdge)
  const started = performance.now()
  const made = new Set<string>()
  const write = (resources: readonly TileResource[]): void => {
    for (const { path, bytes } of resources) {
      const target = join(tilesPath, path)
      const parent = dirname(target)
      if (!made.has(parent)) {
        mkdirSync(parent, { recursive: true })
        made.add(parent)
      }
      const file = openSync(target, 'w')
      writeSync(file, bytes)
      closeSync(file)
    }
  }
  let puts: Put[] = []
  let prev: Uint8Array = new Uint8Array(32)
  let seq = 0
  const ids: string[] = []
  const filler = randomBytes(73)
  filler.set([1, 0, 0])
  for (let index = 0; index < large; index++) {
    if (index % 1000 === 0 || index >= large - 1000) {
      const timeUnixMs = Date.now()
      const entryId = newEntryId(timeUnixMs, randomBytes)
      const body = JSON.stringify({ bucket: 'b', by: { accessKeyId: 'x' } })
      const payload = printPayload(
        { entryId, tenant: tenant.id, type: 'bucket.deleted', timeUnixMs, body },
        region,
        seq,
        toHex(prev),
      )
      const salted = saltPayload(randomBytes(32), payload)
      const commitment = commitmentOf(salted, crypto)
      const leaf = encodeLeaf({ timeUnixMs, label: labelOf(tenant.chainKey, seq, crypto), commitment })
      puts.push(
        { table: 'entries', key: entryKey(index), value: encodeEntryRow({ leaf, salted }) },
        { table: 'entryids', key: entryIdKey(entryId), value: u64be(index) },
        { table: 'chains', key: chainRowKey(tenant.id, seq), value: u64be(index) },
      )
      ids.push(entryId)
      seq++
      prev = commitment
      builder.append(leaf)
    } else {
      // Each leaf differs; what it would commit to is nobody's concern here.
      filler.writeUIntBE(index, 67, 6)
      builder.append(new Uint8Array(filler))
    }
    if (index % 65_536 === 0) write(builder.takeFull())
    if (puts.length > 10_000) await catalog.commit({ puts: puts.splice(0) })
  }
  write(builder.takeFull())
  write(builder.takePartials())
  const tree = { size: builder.size, root: builder.root() }
  const note = printNote(printCheckpoint({ origin, ...tree }), signer, crypto)
  writeFileSync(join(tilesPath, 'checkpoint'), note)
  puts.push(
    { table: 'chains', key: chainHeadKey(tenant.id), value: encodeChainHead({ count: seq, prev }) },
    {
      table: 'tenants',
      key: tenantRowKey(tenant.id),
      value: utf8(JSON.stringify({ chainKey: toHex(tenant.chainKey) })),
    },
    { table: 'meta', key: treeKey, value: encodeTreeState(tree) },
    { table: 'meta', key: signedKey, value: utf8(note) },
  )
  await catalog.commit({ puts })
  puts = []
  const n = large.toLocaleString('en')
  row(`a log of ${n} built for the bench`, `${((performance.now() - started) / 1000).toFixed(0)} s`)

  const tiles = createFileTileStore(tilesPath)
  const stores = { catalog, tiles, log: signer.log, crypto, witnesses: [] }
  const opening = performance.now()
  const state = await recover(stores as never)
  if (state.builder.size !== large || !state.published) throw new Error('the log is not as it was built')
  row(`a log of ${n} opened`, `${(performance.now() - opening).toFixed(0)} ms`, 'asked: under 2,000 ms')

  // Gigabytes were written a moment ago; what the disk still has to do of that is not what is measured.
  spawnSync('sync')
  const times: number[] = []
  let receipt = ''
  for (let i = 0; i < 2000; i++) {
    const id = ids[Math.floor(Math.random() * ids.length)]!
    const at = performance.now()
    const answer = await receiptOf(stores as never, tenant.id, id as never)
    times.push(performance.now() - at)
    if (answer?.state !== 'entered') throw new Error('no receipt')
    receipt = answer.receipt
    if (i % 100 === 0 && !verifyReceipt(answer.receipt, tenant.trust, crypto).verified)
      throw new Error('it does not verify')
  }
  times.sort((a, b) => a - b)
  row(
    `a receipt from a log of ${n}`,
    `p50 ${times[1000]!.toFixed(2)} ms, p99 ${times[1980]!.toFixed(2)} ms`,
    'random entries; asked: under 5 ms',
  )
  if (!existsSync('/usr/bin/chromium')) return
  const { p50, p99, first, hashes } = await timeInBrowser(folder, receipt, tenant.trustText)
  row(
    'a receipt verified in Chromium',
    `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
    `a proof of ${hashes} hashes, the first one ${first.toFixed(1)} ms; asked: under 5 ms`,
  )
}
