/**
 * Three regions in memory, with the code that real ones run, out of a copy of `src/` in which a check may be missing:
 * books, ledgers, both halves of a transfer, what they tell each other. Requests go through the peers' own server and
 * client, with certificates and without sockets.
 */
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import type { CountryCode, InstructionId, OriginId, RegionId, TenantId } from '../../src/core/ids.ts'
import { newSortableId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { encodeManifest } from '../../src/crypto/manifest.ts'
import type { PrivateKey } from '../../src/crypto/signatures.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { createTlsIdentity } from '../../src/crypto/tls-identity.ts'
import type { InstructionBook } from '../../src/instructions/instruction-book.ts'
import type { LogKey } from '../../src/ledger/log-keys.ts'
import { decodeEntryRow, isErased, payloadOf } from '../../src/ledger/tables.ts'
import type { Door, OutboundAnswer, OutboundRequest } from '../../src/outbound/door.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import type { BlobId, BlobStore } from '../../src/store/blob-store.ts'
import type { MemoryCatalog } from '../../src/store/memory-catalog.ts'
import { encodeRow } from '../../src/store/rows.ts'
import type { KnowledgeExchange } from '../../src/transfers/knowledge.ts'
import type { PeerClient } from '../../src/transfers/peer-client.ts'
import type { Peer, Peers, TransferRegion } from '../../src/transfers/peers.ts'
import type { ObjectHead, PeerProof, SentObjectRow, TransferItem } from '../../src/transfers/protocol.ts'
import { itemsDigest, rowDigest } from '../../src/transfers/protocol.ts'
import { type EntryPayload, parsePayload } from '../../src/verify/payload.ts'
import { type Fields, genesisOf, newKeys, order, type SetTerms, verdictBy } from './approvers.ts'
import { logOfSigner, makeSigner } from './ledger.ts'

/** Loads a module of the copy, by its path in `src/`. */
export type Load = <Module>(path: string) => Promise<Module>

const countries = { 'in-mumbai': 'IN', 'de-frankfurt': 'DE', 'sg-singapore': 'SG' } as const
export type Id = keyof typeof countries
const ids = Object.keys(countries) as Id[]
export const startUnixMs = Date.UTC(2026, 0, 2)
const hour = 3600e3

export interface Place {
  readonly id: Id
  readonly catalog: MemoryCatalog
  readonly region: TransferRegion
  readonly book: InstructionBook
  readonly knowledge: KnowledgeExchange
  readonly door: Door
  readonly peer: Peer
  /** All that it has entered, of every tenant. */
  entries(): Promise<readonly EntryPayload[]>
  tick(): Promise<void>
}

interface Tenant {
  readonly id: TenantId
  readonly keys: readonly PrivateKey[]
  readonly genesis: Envelope
}

/** An object as an honest source sends it. */
export interface Departing {
  readonly item: TransferItem
  readonly head: ObjectHead
  readonly ciphertext: Buffer
}

const packs = loadPackBook(packsFolder)
const identities = Object.fromEntries(
  await Promise.all(ids.map(async id => [id, await createTlsIdentity(id, ['localhost'], Date.now())])),
)
const outsider = await createTlsIdentity('outsider', ['localhost'], Date.now())
const noBlobs = new Proxy({} as BlobStore, {
  get() {
    throw new Error('every object here is short')
  },
})

export type World = Awaited<ReturnType<typeof createWorld>>

export async function createWorld(load: Load, terms: Partial<SetTerms> = {}, home: Id = 'in-mumbai') {
  const { createMemoryCatalog } =
    await load<typeof import('../../src/store/memory-catalog.ts')>('store/memory-catalog.ts')
  const { createMemoryTileStore } = await load<typeof import('../../src/ledger/memory-tile-store.ts')>(
    'ledger/memory-tile-store.ts',
  )
  const { createDraftBox } = await load<typeof import('../../src/ledger/drafts.ts')>('ledger/drafts.ts')
  const { createSums } = await load<typeof import('../../src/ledger/sums.ts')>('ledger/sums.ts')
  const { createSequencer } =
    await load<typeof import('../../src/ledger/sequencer.ts')>('ledger/sequencer.ts')
  const { createInstructionBook } = await load<typeof import('../../src/instructions/instruction-book.ts')>(
    'instructions/instruction-book.ts',
  )
  const { createKnowledgeExchange } =
    await load<typeof import('../../src/transfers/knowledge.ts')>('transfers/knowledge.ts')
  const { createReceiver } =
    await load<typeof import('../../src/transfers/receiver.ts')>('transfers/receiver.ts')
  const { createPeerServer } =
    await load<typeof import('../../src/transfers/peer-server.ts')>('transfers/peer-server.ts')
  const { createPeerClient } =
    await load<typeof import('../../src/transfers/peer-client.ts')>('transfers/peer-client.ts')
  const { peerProofOf } = await load<typeof import('../../src/transfers/peers.ts')>('transfers/peers.ts')
  const { nodeVerifyCrypto: crypto } = await load<typeof import('../../src/crypto/node-verify-crypto.ts')>(
    'crypto/node-verify-crypto.ts',
  )
  const { frameHead } = await load<typeof import('../../src/transfers/frame.ts')>('transfers/frame.ts')

  let now = startUnixMs
  const clock = (): number => now
  const keys = terms.approvers ?? newKeys(3)
  const genesis = genesisOf({ quorum: 2, ...terms, approvers: keys })
  const acme: Tenant = { id: documentId(genesis) as TenantId, keys, genesis }
  const rivalKeys = newKeys(1)
  const rivalGenesis = genesisOf({ approvers: rivalKeys, quorum: 1 })
  const rival: Tenant = { id: documentId(rivalGenesis) as TenantId, keys: rivalKeys, genesis: rivalGenesis }
  const signers = new Map(ids.map(id => [id, makeSigner(`log.example/log/${id}`)]))
  const peers: Peers = new Map(
    ids.map(id => {
      const log = logOfSigner(signers.get(id)!)
      const { certificate } = identities[id]
      const at = { host: id, port: 1, certificate, log }
      return [
        id as RegionId,
        { id: id as RegionId, country: countries[id] as CountryCode, operator: 'test', ...at },
      ]
    }),
  )
  const known = new Map(ids.map(id => [id as RegionId, countries[id] as CountryCode]))
  const places = {} as Record<Id, Place>
  const servers = new Map<string, ReturnType<typeof createPeerServer>>()
  /** What a dishonest end answers instead; given what an honest one would. */
  let lie: (path: string, honest: any) => unknown = (_path, honest) => honest
  /** Runs before a request is answered. */
  let before: (path: string, to: string) => Promise<void> = async () => {}

  /** As the sockets would hand it on. */
  const doorOf = ({ certificate }: { readonly certificate: string }): Door => ({
    async send({ op }, { method, path, body }) {
      await before(path, op.host)
      const server = servers.get(op.host)
      if (server === undefined) throw new Error(`nobody is at ${op.host}`)
      const answer = await ask(server.server, certificate, { method, path, body })
      if (answer.status !== 200) return answer
      const honest = JSON.parse(answer.body.toString())
      return { ...answer, body: Buffer.from(JSON.stringify(await lie(path, honest))) }
    },
    release() {},
    [Symbol.dispose]() {},
  })

  for (const id of ids) {
    const catalog = createMemoryCatalog()
    const commit = catalog.commit.bind(catalog)
    let commits = 0
    // Where a check is missing, a step may be tried again for ever.
    catalog.commit = async batch => {
      if (++commits % mostCommits === 0) throw new Error('it goes on for ever')
      return commit(batch)
    }
    const drafts = createDraftBox(id as RegionId, clock, randomBytes)
    const tiles = createMemoryTileStore()
    const signer = signers.get(id)!
    const log = logOfSigner(signer)
    const lawfulNow = clock
    const book = createInstructionBook({
      id: id as RegionId,
      catalog,
      drafts,
      countries: known,
      clock,
      lawfulNow,
    })
    const sums = createSums(catalog, drafts, clock, silentLog)
    const region = {
      ...{ id: id as RegionId, country: countries[id] as CountryCode, operator: 'test' },
      ...{ catalog, blobs: noBlobs, drafts, tiles, sums, book, lawfulNow, packs },
      room: { full: () => null },
      logKey: { ...signer, log } as unknown as LogKey,
    } satisfies TransferRegion
    const door = doorOf(identities[id])
    const knowledge = createKnowledgeExchange({
      ...{ region, peers, door, staleMs: 5 * 60e3, clock, randomBytes, log: silentLog },
      wake: () => {},
    })
    const receiver = createReceiver(region, knowledge, clock, randomBytes)
    const identity = identities[id]
    servers.set(
      id,
      createPeerServer({ region, identity, peers, receiver, knowledge, clock, randomBytes, log: silentLog }),
    )
    const sequencer = createSequencer({
      ...{ catalog, tiles, region: id as RegionId, signer, log, crypto, randomBytes, batchSize: 64 },
    })
    const tick = async (): Promise<void> => {
      while ((await sequencer.tick()).entered > 0);
    }
    const entries = async (): Promise<EntryPayload[]> => {
      await tick()
      const rows = await catalog.scan('entries', { limit: 10_000 })
      return rows
        .map(({ value }) => decodeEntryRow(value))
        .filter(row => !isErased(row))
        .map(row => parsePayload(payloadOf(row)) as EntryPayload)
    }
    places[id] = {
      id,
      catalog,
      region,
      book,
      knowledge,
      door,
      peer: peers.get(id as RegionId)!,
      entries,
      tick,
    }
    const joins = [acme, rival].flatMap(({ id: tenant, genesis }) => [
      drafts.draft({
        tenant,
        type: 'tenant.joined',
        body: { genesis: tenant, home, chainKeyCommitment: commitment, country: countries[id] },
      }).put,
      {
        table: 'tenants' as const,
        key: utf8(tenant),
        value: utf8(
          JSON.stringify({
            v: 1,
            tenant,
            name: 'x',
            home,
            chainKey,
            genesis: JSON.stringify(printEnvelope(genesis)),
          }),
        ),
      },
    ])
    await catalog.commit({ puts: [...joins, keyRow(acme.id)] })
  }

  const bucket = async (id: Id, name: string, change: object = {}): Promise<void> => {
    const row = {
      ...{ v: 1, id: createHash('sha256').update(name).digest('hex').slice(0, 16), name, tenant: acme.id },
      ...{ createdUnixMs: now, dataClass: 'personal', etagMode: 'md5', bucketKeyId, ...change },
    }
    await places[id].catalog.commit({
      puts: [{ table: 'buckets', key: utf8(name), value: encodeRow(row as never) }],
    })
  }
  await bucket('in-mumbai', 'source')
  await bucket('de-frankfurt', 'target')

  const source = places['in-mumbai']
  const target = places['de-frankfurt']

  /** An instruction of acme's; a transfer, unless something else is said. */
  const instruction = (change: Fields = {}, drafter?: PrivateKey): Envelope =>
    order({ ...transferFields(acme.id), ...change }, drafter)
  const verdict = (
    kind: 'approved' | 'rejected' | 'revoked',
    key: PrivateKey,
    of: Envelope,
    change: Fields = {},
  ) => verdictBy(key, of, acme.id, kind, { time: isoTime(now), ...change })
  const approvals = (of: Envelope, ...by: readonly number[]): Envelope[] =>
    by.map(index => verdict('approved', keys[index]!, of))

  /** The source's client; nobody asks whether the source is honest. */
  const client = (of: Envelope, from: Place = source, to: Place = target): PeerClient =>
    createPeerClient(from.door, to.peer, documentId(of) as InstructionId, {
      onSocket: () => {},
      onAnswer: () => {},
    })
  const offer = async (of: Envelope, verdicts: readonly Envelope[], pages: string[] | null = null) =>
    client(of).offer(printEnvelope(of), verdicts.map(printEnvelope), pages)

  /** A departure that really is in the source's log, whatever it says. */
  const departure = async (
    of: Envelope,
    items: readonly TransferItem[],
    change: Fields = {},
    { by = source, tenant = acme.id, type = 'transfer.departed' } = {},
  ): Promise<PeerProof> => {
    const body = {
      instruction: documentId(of),
      batch: 0,
      peer: 'de-frankfurt',
      bucket: 'source',
      toBucket: 'target',
      manifestSha256: itemsDigest(items),
      objects: items.map(each => [each.originId, each.ciphertextBytes, each.ciphertextSha256]),
      bytes: items.reduce((sum, each) => sum + each.ciphertextBytes, 0),
      law: { versions: {}, packs: '0'.repeat(64), from: 'IN', to: 'DE', dataClass: 'personal', rules: [] },
      ...change,
    }
    const entry = by.region.drafts.draft({ tenant, type: type as 'transfer.departed', body: body as never })
    await by.catalog.commit({ puts: [entry.put] })
    await by.tick()
    return (await peerProofOf(by.region, tenant, entry.entryId))!
  }

  const object = (key: string, change: Partial<SentObjectRow> = {}, whose: TenantId = acme.id): Departing => {
    const originId = randomBytes(16).toString('hex') as OriginId
    const ciphertext = randomBytes(200)
    const sha256 = createHash('sha256').update(ciphertext).digest()
    const part = {
      ...{ partNumber: 1, plainBytes: 10, cipherBytes: 200, headerTag: randomBytes(32) },
      sha256: new Uint8Array(sha256),
    }
    const manifest = encodeManifest({ tenant: whose, origin: originId, parts: [part] }, randomBytes(32))
    const row: SentObjectRow = {
      ...{ originId, sizeBytes: 10, ciphertextBytes: 200, etag: 'e', modifiedUnixMs: startUnixMs },
      ...{ headers: {}, metadata: {}, checksum: null, bucketKeyId, wrappedDataKey: 'AAAA', partCount: 1 },
      ...change,
    }
    return {
      item: {
        ...{ key, originId, ciphertextBytes: 200, ciphertextSha256: sha256.toString('hex') },
        manifestSha256: createHash('sha256').update(manifest).digest('hex'),
        rowSha256: rowDigest(row),
      },
      head: { key, row, manifest: manifest.toString('base64'), bucketKey: bucketKeyOf(acme.id) },
      ciphertext,
    }
  }
  /** Puts an object into the source's bucket, as a client's PUT would leave it. */
  const stored = async (key: string, change: Partial<SentObjectRow> = {}): Promise<Departing> => {
    const made = object(key, change)
    const blob = newSortableId(now, randomBytes) as BlobId
    const content = { manifest: made.head.manifest, places: [{ in: 'catalog', id: blob }] }
    const row = {
      v: 1,
      versionId: newSortableId(now, randomBytes),
      arrivedBy: null,
      ...made.head.row,
      content,
    }
    const { objectRowKey } = await load<typeof import('../../src/store/rows.ts')>('store/rows.ts')
    const bucketId = createHash('sha256').update('source').digest('hex').slice(0, 16)
    await source.catalog.commit({
      puts: [
        { table: 'smallblobs', key: utf8(blob), value: made.ciphertext },
        { table: 'objects', key: objectRowKey(bucketId, key), value: encodeRow(row as never) },
      ],
    })
    return made
  }
  /** One batch of these, announced; throws what it was refused for. */
  const announce = async (of: Envelope, batch: number, ...objects: readonly Departing[]): Promise<void> => {
    const items = objects.map(({ item }) => item)
    await client(of).openBatch(batch, items, await departure(of, items, { batch }))
  }
  /** One object of an open batch; throws what it was refused for. */
  const send = async (of: Envelope, batch: number, { head, ciphertext }: Departing): Promise<void> => {
    async function* frame(): AsyncGenerator<Uint8Array> {
      yield frameHead(head)
      yield ciphertext
    }
    for (const { message, rule } of await client(of).sendObjects(batch, frame()))
      throw refusedFor(rule, message)
  }
  /** What an honest source does with an instruction that it has, until it ends. */
  const run = async (
    of: Envelope,
    undoMs = 0,
  ): Promise<{ state: string; reason: string | null; objects: number }> => {
    const { runTransfer } = await load<typeof import('../../src/transfers/sender.ts')>('transfers/sender.ts')
    const { createThrottle } = await load<typeof import('../../src/transfers/pace.ts')>('transfers/pace.ts')
    const { createMeter } =
      await load<typeof import('../../src/transfers/progress.ts')>('transfers/progress.ts')
    const sleep = async (ms: number): Promise<void> => {
      now += ms
      for (const place of Object.values(places)) await place.tick()
    }
    const { region, door, knowledge } = source
    const deps = { region, door, peers, knowledge, clock, randomBytes, log: silentLog }
    const id = documentId(of) as InstructionId
    await runTransfer({ ...deps, undoMs, bytesPerSecond: 0, sleep }, id, {
      throttle: createThrottle(clock, sleep),
      meter: createMeter(clock),
      onAnswer: () => {},
    })
    const { row } = (await source.book.find(id))!
    return { state: row.state, reason: row.reason, objects: row.objects }
  }

  return {
    load,
    acme,
    rival,
    places,
    /** Of somebody whom no region knows. */
    outsider: { ...source, door: doorOf(outsider) },
    source,
    target,
    bucket,
    instruction,
    verdict,
    approvals,
    client,
    offer,
    departure,
    object,
    stored,
    announce,
    send,
    run,
    now: clock,
    later(ms: number) {
      now += ms
    },
    answers(dishonest: typeof lie) {
      lie = dishonest
    },
    beforeEach(work: typeof before) {
      before = work
    },
    /** Drafted and approved in its source's book. */
    async ordered(of: Envelope, verdicts: readonly Envelope[] = approvals(of, 0, 1), at: Place = source) {
      await at.book.draft(of)
      for (const each of verdicts) await at.book.say(each)
    },
  }
}

const mostCommits = 1000
const bucketKeyId = 'bucket-key'
const chainKey = toHex(new Uint8Array(32).fill(7))
const commitment = createHash('sha256')
  .update('holdfast/chain-key/v1\0')
  .update(new Uint8Array(32).fill(7))
  .digest('hex')

export const bucketKeyOf = (tenant: string) => ({
  ...({ v: 1, bucketKeyId, tenant, checkValue: 'c' } as const),
  wrapped: { holderKeyId: 'k', ciphertext: 'AAAA', initializationVector: 'AAAA', authenticationTag: 'AAAA' },
})
const keyRow = (tenant: TenantId) => ({
  table: 'bucketkeys' as const,
  key: utf8(bucketKeyId),
  value: encodeRow(bucketKeyOf(tenant) as never),
})

export const commonFields = (tenant: string): Fields => ({
  expires: isoTime(startUnixMs + 100 * hour),
  ledger: 'log.example/log/in-mumbai',
  nonce: randomBytes(16).toString('hex'),
  notBefore: isoTime(startUnixMs - hour),
  purpose: 'a test',
  tenant,
  v: 1,
})

const transferFields = (tenant: string): Fields => ({
  ...commonFields(tenant),
  from: { bucket: 'source', region: 'in-mumbai' },
  kind: 'transfer',
  limits: { bytes: null, objects: null },
  mechanism: null,
  mode: 'copy',
  scope: { prefix: '' },
  to: { bucket: 'target', region: 'de-frankfurt' },
})

export function refusedFor(rule: string, message: string): Error {
  return Object.assign(new Error(message), { rule })
}

/** One request to a server of peers, from whoever holds this certificate. */
async function ask(
  server: { emit(event: string, ...values: unknown[]): boolean },
  certificate: string,
  { method, path, body }: Pick<OutboundRequest, 'method' | 'path' | 'body'>,
): Promise<OutboundAnswer> {
  const { X509Certificate } = await import('node:crypto')
  const { promise, resolve } = Promise.withResolvers<OutboundAnswer>()
  const content = body instanceof Uint8Array ? [Buffer.from(body)] : body
  const socket = { getPeerX509Certificate: () => new X509Certificate(certificate) }
  const message = Object.assign(Readable.from(content, { objectMode: false }), {
    method,
    url: path,
    socket,
    headers: {},
  })
  let status = 0
  const response = {
    headersSent: false,
    writeHead(code: number) {
      status = code
      return response
    },
    end(text: string | Uint8Array) {
      resolve({ status, headers: {}, body: Buffer.from(text as string) })
    },
    destroy() {
      resolve({ status: 500, headers: {}, body: Buffer.from('{}') })
    },
  }
  server.emit('request', message, response)
  return promise
}
