/**
 * One transfer between two regions whose disks fail, whose power is cut and whose network loses and repeats, while clients
 * write and an approver may revoke; and what must hold in the end. All in memory, with the code that both ends run.
 */
import { createHash } from 'node:crypto'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import {
  type BucketName,
  type CountryCode,
  type InstructionId,
  newSortableId,
  type OriginId,
  parseInstructionId,
  type RegionId,
  type TenantId,
} from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { encodeManifest } from '../../src/crypto/manifest.ts'
import type { PrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { instructionPayloadType } from '../../src/instructions/instruction.ts'
import { createInstructionBook, type InstructionBook } from '../../src/instructions/instruction-book.ts'
import { createDraftBox, type DraftBox } from '../../src/ledger/drafts.ts'
import type { LogKey } from '../../src/ledger/log-keys.ts'
import { createSequencer, type Sequencer } from '../../src/ledger/sequencer.ts'
import { statementLines } from '../../src/ledger/statements.ts'
import type { Door, OutboundRequest } from '../../src/outbound/door.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import type { BlobId, BlobStore } from '../../src/store/blob-store.ts'
import type { CatalogBatch, Put } from '../../src/store/catalog.ts'
import { decodeRow, encodeRow, type ObjectRow, objectRowKey } from '../../src/store/rows.ts'
import { type BookedEntry, balanceBooks } from '../../src/transfers/balance.ts'
import { hasOpenBatch } from '../../src/transfers/batches.ts'
import { openFrames } from '../../src/transfers/frame.ts'
import { createThrottle } from '../../src/transfers/pace.ts'
import type { Peer, Peers, TransferRegion } from '../../src/transfers/peers.ts'
import { createMeter } from '../../src/transfers/progress.ts'
import {
  batchSchema,
  challengeSchema,
  endSchema,
  offerSchema,
  type TransferItem,
} from '../../src/transfers/protocol.ts'
import { createReceiver, type Receiver } from '../../src/transfers/receiver.ts'
import { TransferRefused } from '../../src/transfers/refused.ts'
import { runTransfer } from '../../src/transfers/sender.ts'
import { chainKeyCommitment } from '../../src/verify/leaf.ts'
import type { CheckedRow } from '../../src/verify/statement.ts'
import { checkStatement } from '../../src/verify/statement.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'
import { verdictTypes } from '../../src/verify/verdict-document.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { createFaultyDisk, type DiskImage, type FaultKind, type FaultyDisk } from './faulty-disk.ts'
import { crypto, logOfSigner, makeGenesis, makeSigner } from './ledger.ts'
import { type Chance, createChance } from './random.ts'

const ids = ['in-mumbai', 'de-frankfurt'] as const
type Id = (typeof ids)[number]
const [source, target] = ids as unknown as [RegionId, RegionId]
const countries = { 'in-mumbai': 'IN', 'de-frankfurt': 'DE' } as const
const buckets = { 'in-mumbai': 'source', 'de-frankfurt': 'target' } as const
const bucketIds = { 'in-mumbai': 'a'.repeat(16), 'de-frankfurt': 'b'.repeat(16) } as const
const startUnixMs = Date.UTC(2026, 0, 2)

/** What all runs share: making it would cost more than a run. */
export function createTransferParts() {
  const { keys, signed, tenant } = makeGenesis(1)
  const genesis = JSON.stringify(printEnvelope(signed))
  const chainKey = Buffer.alloc(32, 7)
  const signers = Object.fromEntries(ids.map(id => [id, makeSigner(`log.example/log/${id}`)])) as Record<
    Id,
    ReturnType<typeof makeSigner>
  >
  const trust = parseTrust(
    JSON.stringify({
      format: 'holdfast/trust/v1',
      tenant,
      genesis: printEnvelope(signed),
      regions: Object.fromEntries(
        ids.map(id => [
          id,
          {
            origin: signers[id].name,
            vkey: printVerifierKey(signers[id].name, signers[id].publicKey, crypto),
            chainKey: toHex(chainKey),
            country: countries[id],
          },
        ]),
      ),
    }),
    crypto,
  ) as Trust
  const tenantRow = (id: Id) => ({
    v: 1,
    tenant,
    name: 'Example',
    home: id,
    chainKey: toHex(chainKey),
    genesis,
  })
  return { key: keys[0]!, tenant, chainKey, signers, trust, tenantRow, packs: loadPackBook(packsFolder) }
}
export type TransferParts = ReturnType<typeof createTransferParts>

/** What the disks and the network do here, and that a verdict may come too late. */
const foreseen =
  /injected|the disk is full|cannot be reached|answered 500|was not published in time|another step|has ended/
const isForeseen = (error: unknown): boolean => foreseen.test(messageOf(error))

/** What happens at the writes of these numbers, counted from 0, on each side's disk. */
export interface TransferPlan {
  readonly seed: number
  readonly mode: 'copy' | 'move'
  readonly objects: number
  readonly faults: Readonly<Record<Id, ReadonlyMap<number, FaultKind>>>
  /** Of a hundred calls to the other end, so many fail before, after, or are made twice. */
  readonly badCalls: number
  /** At the call of this number the approver revokes; at those numbers a client overwrites or deletes. */
  readonly revokeAt: number | null
  readonly clientsAt: readonly number[]
  /** The destination's disk breaks its word: of what it acknowledged, so many commits are gone at the end. */
  readonly lostCommits?: number
}

export interface TransferOutcome {
  readonly faults: readonly string[]
  readonly state: string
  /** Calls to the other end, writes on each disk: what a plan of faults can be made from. */
  readonly calls: number
  readonly writes: Readonly<Record<Id, number>>
}

/** One end as a process has it: made anew at each start, on the same disk. */
interface Side {
  readonly id: Id
  readonly disk: FaultyDisk
  region: TransferRegion
  sequencer: Sequencer
  receiver: Receiver
  drafts: DraftBox
}

interface Stored {
  readonly key: string
  readonly originId: string
  readonly sha256: string
}

export async function runTransferOnce(parts: TransferParts, plan: TransferPlan): Promise<TransferOutcome> {
  const chance = createChance(plan.seed)
  const faults: string[] = []
  let now = startUnixMs
  let calls = 0
  const clock = () => now
  const randomBytes = (length: number): Uint8Array => chance.bytes(length)
  const peers: Peers = new Map(ids.map(id => [id as RegionId, peerOf(parts, id)]))
  const image = await setUp(parts, plan, chance)
  const sides = {} as Record<Id, Side>
  for (const id of ids) {
    const disk = await createFaultyDisk(plan.faults[id], chance, image[id])
    sides[id] = startSide(parts, id, disk, clock, randomBytes)
  }
  const [from, to] = [sides['in-mumbai'], sides['de-frankfurt']]
  const envelope = order(parts, plan)
  const id = documentId(envelope) as InstructionId
  /** Versions that a client took away itself: nobody owes them to anybody. */
  const given = new Set<string>()
  /** Versions whose write may have failed, and may be there all the same. */
  const tried: Stored[] = []
  let seen = await storedIn(from)

  /** An error says nothing: what was written may be there or not. */
  const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (error) {
      if (!isForeseen(error)) faults.push(`unforeseen: ${messageOf(error)}`)
      return false
    }
  }
  const revive = async (): Promise<void> => {
    for (const side of [from, to])
      if (side.disk.isCut()) {
        await side.disk.restart()
        Object.assign(side, startSide(parts, side.id, side.disk, clock, randomBytes))
      }
  }
  let ticking: Promise<void> | null = null
  /** One at a time: each sequencer is one writer. */
  const tick = (): Promise<void> => {
    const round = async (): Promise<void> => {
      for (const side of [from, to]) if (!side.disk.isCut()) await attempt(() => side.sequencer.tick())
    }
    ticking ??= round().finally(() => {
      ticking = null
    })
    return ticking
  }
  const write = async (): Promise<void> => {
    if (from.disk.isCut()) return
    const all = await storedIn(from)
    const victim = all[chance.below(Math.max(1, all.length))]
    if (victim === undefined) return
    // Whatever becomes of the write, the version may be gone from here on.
    given.add(victim.originId)
    const fresh = chance.below(2) === 0 ? makeObject(parts.tenant, victim.key, chance, now) : null
    if (fresh !== null) tried.push(fresh)
    await attempt(() => from.disk.catalog.commit(replace(parts.tenant, from, victim, fresh)))
    if (!from.disk.isCut())
      for (const stored of await storedIn(from))
        if (!seen.some(({ originId }) => originId === stored.originId)) seen = [...seen, stored]
  }
  const revoke = async (): Promise<void> => {
    const verdict = sign(parts.key, verdictTypes.revoked, {
      instruction: id,
      tenant: parts.tenant,
      time: isoTime(now),
    })
    for (const side of [to, from]) if (!side.disk.isCut()) await attempt(() => side.region.book.say(verdict))
  }

  const door = doorTo(to, peers.get(source)!, {
    async before() {
      const number = calls++
      if (plan.revokeAt === number) await revoke()
      if (plan.clientsAt.includes(number)) await write()
    },
    isBad: () => chance.below(100) < plan.badCalls,
    onFault: fault => void faults.push(fault),
    chance,
  })
  const sleep = async (ms: number): Promise<void> => {
    now += ms
    await tick()
    if (from.disk.isCut()) throw new HoldfastError('shutting-down', 'injected: the power is cut')
    // Of this moment, or two steps that wait for each other would never meet.
    await new Promise(resolve => setImmediate(resolve))
  }
  const run = async (): Promise<void> => {
    const deps = {
      region: from.region,
      door,
      peers,
      knowledge: { demand: async () => {}, tellAll: async () => true },
      clock,
      randomBytes,
      log: silentLog,
      undoMs: 0,
      bytesPerSecond: 0,
      sleep,
    }
    await runTransfer(deps, id, {
      throttle: createThrottle(clock, sleep),
      meter: createMeter(clock),
      onAnswer: () => {},
    })
  }

  // The order is given and approved at both ends, as often as it takes.
  const approval = sign(parts.key, verdictTypes.approved, {
    instruction: id,
    tenant: parts.tenant,
    time: isoTime(now),
  })
  for (const side of [to, from])
    while (faults.length === 0) {
      if (
        await attempt(async () => {
          await side.region.book.draft(envelope)
          await side.region.book.say(approval)
        })
      )
        break
      await revive()
    }
  const ended = async (): Promise<boolean> => {
    const found = await from.region.book.find(id)
    if (found === null || !['completed', 'failed', 'revoked', 'expired'].includes(found.row.state))
      return false
    return !(await hasOpenBatch(from.disk.catalog, id))
  }
  let rounds = 0
  for (; rounds < 60; rounds++) {
    if (rounds === 30) for (const side of [from, to]) side.disk.heal()
    await revive()
    let isOver = false
    await attempt(async () => {
      isOver = await ended()
    })
    if (isOver) break
    await attempt(run)
    now += 1000
    await tick()
  }
  for (const side of [from, to]) side.disk.heal()
  await revive()
  for (let at = 0; at < 3; at++) await tick()
  if (rounds === 60) faults.push('it never came to an end')
  if (plan.lostCommits !== undefined) {
    await to.disk.restart({ lostCommits: plan.lostCommits })
    Object.assign(to, startSide(parts, to.id, to.disk, clock, randomBytes))
  }

  // What must hold.
  const state = (await from.region.book.find(id))?.row.state ?? 'unknown'
  const there = await storedIn(to)
  const here = await storedIn(from)
  const known = new Map([...seen, ...tried].map(stored => [stored.originId, stored]))
  const counted = new Map<string, number>()
  for (const { originId, sha256 } of there) {
    counted.set(originId, (counted.get(originId) ?? 0) + 1)
    if (known.get(originId)?.sha256 !== sha256) faults.push(`${originId} arrived as something else`)
  }
  for (const [originId, count] of counted) if (count > 1) faults.push(`${originId} is there ${count} times`)
  for (const { originId } of seen) {
    if (given.has(originId)) continue
    const isHere = here.some(stored => stored.originId === originId)
    const isThere = counted.has(originId)
    if (!isHere && !isThere) faults.push(`${originId} is lost`)
    if (state === 'completed' && plan.clientsAt.length === 0) {
      if (!isThere) faults.push(`${originId} did not arrive, and the transfer is completed`)
      if (plan.mode === 'move' && isHere) faults.push(`${originId} was moved, and is still here`)
    }
    if (plan.mode === 'copy' && !isHere) faults.push(`${originId} was copied, and is not here any more`)
  }
  if (plan.revokeAt === null && plan.clientsAt.length === 0 && state !== 'completed')
    faults.push(`it ended as ${state}`)
  const entries: BookedEntry[] = []
  for (const side of [from, to]) entries.push(...(await booksOf(parts, side, faults)))
  const balance = await balanceBooks(each(entries), { regions: new Set(ids), isOpen: () => false })
  faults.push(...balance.findings)
  const arrived = entries
    .filter(({ type }) => type === 'transfer.arrived')
    .flatMap(({ body }) => objectsOf(body))
  if (new Set(arrived).size !== arrived.length) faults.push('an object is entered as arrived twice')
  for (const { originId } of there)
    if (!arrived.includes(originId)) faults.push(`${originId} is there and in no books`)
  return {
    faults,
    state,
    calls,
    writes: { 'in-mumbai': from.disk.writes(), 'de-frankfurt': to.disk.writes() },
  }
}

function objectsOf(body: unknown): string[] {
  return ((body as { objects: [string][] }).objects ?? []).map(([origin]) => origin)
}

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items
}

function peerOf({ signers }: TransferParts, id: Id): Peer {
  return {
    id: id as RegionId,
    country: countries[id] as CountryCode,
    operator: 'test',
    host: 'nowhere',
    port: 1,
    certificate: '',
    log: logOfSigner(signers[id]),
  }
}

const noBlobs = new Proxy({} as BlobStore, {
  get() {
    throw new Error('every object here is short')
  },
})

function startSide(
  parts: TransferParts,
  id: Id,
  disk: FaultyDisk,
  clock: () => number,
  randomBytes: (length: number) => Uint8Array,
): Side {
  const region = id as RegionId
  const { catalog, tiles } = disk
  const signer = parts.signers[id]
  const log = logOfSigner(signer)
  const drafts = createDraftBox(region, clock, randomBytes)
  const known = new Map(ids.map(each => [each as RegionId, countries[each] as CountryCode]))
  const book: InstructionBook = createInstructionBook({
    id: region,
    catalog,
    drafts,
    countries: known,
    clock,
  })
  const transferRegion: TransferRegion = {
    id: region,
    country: countries[id] as CountryCode,
    operator: 'test',
    catalog,
    blobs: noBlobs,
    drafts,
    tiles,
    logKey: { ...signer, log } as unknown as LogKey,
    sums: { refusal: async () => {} },
    book,
    lawfulNow: clock,
    packs: parts.packs,
    room: { full: () => null },
  }
  const knowledge = { demand: async () => {} }
  return {
    id,
    disk,
    drafts,
    region: transferRegion,
    receiver: createReceiver(transferRegion, knowledge, clock, randomBytes),
    sequencer: createSequencer({ catalog, tiles, region, signer, log, crypto, randomBytes, batchSize: 64 }),
  }
}

/** As the peer server hands requests on, without the sockets. */
function doorTo(
  side: Side,
  peer: Peer,
  {
    before,
    isBad,
    onFault,
    chance,
  }: {
    before: () => Promise<void>
    isBad: () => boolean
    onFault: (fault: string) => void
    chance: Chance
  },
): Door {
  const noAnswer = (): HoldfastError => new HoldfastError('peer-unavailable', 'injected: no answer')
  const serve = async ({ path, body }: OutboundRequest, bytes: Buffer | null): Promise<unknown> => {
    const { receiver } = side
    const json = (): unknown => JSON.parse((bytes ?? Buffer.alloc(0)).toString() || 'null')
    if (path.endsWith('/offers')) {
      const { instruction, verdicts, pages } = offerSchema.parse(json())
      return { bucket: await receiver.offer(peer, instruction, verdicts, pages) }
    }
    const match = /transfers\/([0-9a-f]{64})\/(?:(end)|batches\/(\d+)(?:\/(\w+))?)$/.exec(path)!
    const id = parseInstructionId(match[1]!)!
    const batch = Number(match[3])
    if (match[2] === 'end') {
      const { state, reason } = endSchema.parse(json())
      await receiver.end(peer, id, state, reason)
      return {}
    }
    switch (match[4]) {
      case undefined: {
        const { items, departure } = batchSchema.parse(json())
        return { wanted: await receiver.openBatch(peer, id, batch, items as TransferItem[], departure) }
      }
      case 'objects':
        return { refused: await receiver.takeObjects(peer, id, batch, openFrames(asBuffers(body))) }
      case 'close':
        return receiver.close(peer, id, batch)
      case 'arrival':
        return (await receiver.arrivalProof(peer, id, batch)) ?? { state: 'pending' }
      case 'challenge':
        return {
          digests: await receiver.challenge(peer, id, batch, challengeSchema.parse(json()).ranges as never),
        }
      default:
        throw new Error(`no such request: ${path}`)
    }
  }
  const internal = (error: unknown): [number, unknown] => {
    if (!isForeseen(error)) onFault(`unforeseen at the destination: ${messageOf(error)}`)
    return [500, { rule: 'internal', message: messageOf(error) }]
  }
  const answer = async (request: OutboundRequest, bytes: Buffer | null): Promise<[number, unknown]> => {
    try {
      return [200, await serve(request, bytes)]
    } catch (error) {
      const { rule } = error instanceof TransferRefused ? error : { rule: '' }
      if (rule !== '') return [403, { rule, message: messageOf(error) }]
      return error instanceof HoldfastError && error.code !== 'store-damaged'
        ? [422, { rule: error.code, message: messageOf(error) }]
        : internal(error)
    }
  }
  return {
    async send(_authorized, request) {
      await before()
      const bad = isBad() ? chance.below(3) : null
      if (side.disk.isCut() || bad === 0) throw noAnswer()
      const bytes = request.body instanceof Uint8Array ? Buffer.from(request.body) : null
      // A stream can be sent once only.
      if (bad === 1 && bytes !== null) await answer(request, bytes)
      const [status, json] = await answer(request, bytes)
      if (side.disk.isCut() || bad === 2) throw noAnswer()
      return { status, headers: {}, body: Buffer.from(JSON.stringify(json)) }
    },
    release() {},
    [Symbol.dispose]() {},
  }
}

async function* asBuffers(body: OutboundRequest['body']): AsyncGenerator<Buffer> {
  if (body instanceof Uint8Array) yield Buffer.from(body)
  else for await (const chunk of body) yield Buffer.from(chunk)
}

function sign(key: PrivateKey, type: string, fields: { readonly [field: string]: Json }): Envelope {
  return signDocument(createDocument(type, { reason: '', v: 1, ...fields }), key)
}

function order({ tenant, signers }: TransferParts, { mode, seed }: TransferPlan): Envelope {
  return createDocument(instructionPayloadType, {
    expires: isoTime(startUnixMs + 300 * 86_400e3),
    from: { bucket: buckets['in-mumbai'], region: source },
    kind: 'transfer',
    ledger: signers['in-mumbai'].name,
    limits: { bytes: null, objects: null },
    mechanism: null,
    mode,
    nonce: seed.toString(16).padStart(32, '0'),
    notBefore: isoTime(startUnixMs - 1000),
    purpose: 'a test',
    scope: { prefix: '' },
    tenant,
    to: { bucket: buckets['de-frankfurt'], region: target },
    v: 1,
  })
}

interface MadeObject extends Stored {
  readonly row: ObjectRow
  readonly puts: readonly Put[]
  readonly manifestSha256: string
  readonly blob: string
}

function makeObject(tenant: TenantId, key: string, chance: Chance, nowUnixMs: number): MadeObject {
  const random = (length: number): Uint8Array => chance.bytes(length)
  const originId = toHex(random(16)) as OriginId
  const ciphertext = random(20 + chance.below(200))
  const sha256 = createHash('sha256').update(ciphertext).digest()
  const part = {
    ...{ partNumber: 1, plainBytes: 10, cipherBytes: ciphertext.length, headerTag: random(32) },
    sha256: new Uint8Array(sha256),
  }
  const manifest = encodeManifest({ tenant, origin: originId, parts: [part] }, random(32))
  const blob = newSortableId(nowUnixMs, random)
  const row: ObjectRow = {
    ...{ v: 1, versionId: newSortableId(nowUnixMs, random), originId, sizeBytes: 10 },
    ...{ ciphertextBytes: ciphertext.length, etag: 'e', modifiedUnixMs: nowUnixMs, checksum: null },
    ...{ bucketKeyId: 'bucket-key', wrappedDataKey: 'AAAA', partCount: 1, arrivedBy: null },
    ...{ headers: {}, metadata: {} },
    content: { manifest: manifest.toString('base64'), places: [{ in: 'catalog', id: blob as BlobId }] },
  }
  const puts: Put[] = [
    { table: 'smallblobs', key: utf8(blob), value: ciphertext },
    { table: 'objects', key: objectRowKey(bucketIds['in-mumbai'], key), value: encodeRow(row) },
  ]
  const manifestSha256 = createHash('sha256').update(manifest).digest('hex')
  return { key, originId, sha256: toHex(sha256), row, puts, manifestSha256, blob }
}

/** As a client's PUT or DELETE would leave it. */
function replace(
  tenant: TenantId,
  side: Side,
  old: Stored & { blob?: string },
  fresh: MadeObject | null,
): CatalogBatch {
  const key = objectRowKey(bucketIds['in-mumbai'], old.key)
  const removes = [
    ...(old.blob === undefined ? [] : [{ table: 'smallblobs' as const, key: utf8(old.blob) }]),
    ...(fresh === null ? [{ table: 'objects' as const, key }] : []),
  ]
  if (fresh === null) {
    const body = {
      bucket: 'source',
      key: old.key,
      versionId: 'v',
      originId: old.originId as OriginId,
      instruction: null,
    }
    const entry = side.drafts.draft({
      tenant,
      type: 'object.deleted',
      body: { ...body, by: { accessKeyId: 'AK' } },
    })
    return { removes, puts: [entry.put] }
  }
  return { removes, puts: [...fresh.puts, putEntry(tenant, side.drafts, fresh)] }
}

function putEntry(tenant: TenantId, drafts: DraftBox, { key, row, sha256, manifestSha256 }: MadeObject): Put {
  const { versionId, originId, sizeBytes, ciphertextBytes, etag, bucketKeyId } = row
  return drafts.draft({
    tenant,
    type: 'object.put',
    body: {
      ...{ bucket: 'source', key, versionId, originId, sizeBytes, ciphertextBytes, ciphertextSha256: sha256 },
      ...{ manifestSha256, etag, bucketKeyId, parts: 1, copiedFrom: null, replaced: null, lock: null },
      by: { accessKeyId: 'AK' },
    },
  }).put
}

async function setUp(
  parts: TransferParts,
  plan: TransferPlan,
  chance: Chance,
): Promise<Record<Id, DiskImage>> {
  const images = {} as Record<Id, DiskImage>
  for (const id of ids) {
    const disk = await createFaultyDisk(new Map(), chance)
    const { drafts, sequencer } = startSide(
      parts,
      id,
      disk,
      () => startUnixMs,
      length => chance.bytes(length),
    )
    const { tenant } = parts
    const joined = {
      ...{ genesis: tenant, home: id, country: countries[id] },
      chainKeyCommitment: toHex(chainKeyCommitment(parts.chainKey, crypto)),
    }
    const bucketKey = {
      ...{ v: 1, bucketKeyId: 'bucket-key', tenant, checkValue: 'c' },
      wrapped: {
        holderKeyId: 'k',
        ciphertext: 'AAAA',
        initializationVector: 'AAAA',
        authenticationTag: 'AAAA',
      },
    } as const
    const bucket = {
      ...{ v: 1, id: bucketIds[id], name: buckets[id] as BucketName, tenant, createdUnixMs: startUnixMs },
      ...{ dataClass: 'personal', etagMode: 'md5', bucketKeyId: 'bucket-key' },
    } as const
    const puts: Put[] = [
      drafts.draft({ tenant, type: 'tenant.joined', body: joined }).put,
      { table: 'tenants', key: utf8(tenant), value: encodeRow(parts.tenantRow(id) as never) },
      { table: 'buckets', key: utf8(buckets[id]), value: encodeRow(bucket as never) },
      { table: 'bucketkeys', key: utf8('bucket-key'), value: encodeRow(bucketKey as never) },
    ]
    if (id === 'in-mumbai')
      for (let at = 0; at < plan.objects; at++) {
        const made = makeObject(tenant, `k${at}`, chance, startUnixMs)
        puts.push(...made.puts, putEntry(tenant, drafts, made))
      }
    await disk.catalog.commit({ puts })
    await sequencer.tick()
    images[id] = disk.image()
  }
  return images
}

async function storedIn({ id, disk }: Side): Promise<(Stored & { readonly blob: string })[]> {
  const rows = await disk.catalog.scan('objects', { limit: 10_000 })
  const found: (Stored & { blob: string })[] = []
  for (const { key, value } of rows) {
    const { originId, content } = decodeRow<ObjectRow>(value)
    const blob = content!.places[0]!.id
    const bytes = await disk.catalog.get('smallblobs', utf8(blob))
    const sha256 = bytes === null ? 'no bytes' : createHash('sha256').update(bytes).digest('hex')
    const prefix = bucketIds[id].length / 2
    found.push({ key: Buffer.from(key.subarray(prefix)).toString(), originId, sha256, blob })
  }
  return found
}

/** The tenant's entries, of a statement that must verify. */
async function booksOf(parts: TransferParts, { id, disk }: Side, faults: string[]): Promise<BookedEntry[]> {
  const { tenant, trust, signers } = parts
  const signer = signers[id]
  const { catalog, tiles } = disk
  const region = id as RegionId
  const deps = { catalog, tiles, region, signer, log: logOfSigner(signer), crypto, clock: () => startUnixMs }
  const rows: CheckedRow[] = []
  const check = checkStatement(trust, crypto, row => void rows.push(row))
  for await (const line of statementLines(deps, tenant)) check.push(utf8(line))
  const verdict = check.end()
  if (!verdict.verified) faults.push(`${id}: ${verdict.failures.join('; ')}`)
  return rows.flatMap(({ payload }) =>
    payload === null
      ? []
      : [{ id: payload.id, region: payload.region, type: payload.type, body: payload.body }],
  )
}
