/**
 * The source's half: one instruction, from its approval to its end.
 *
 *     offer → (batch: depart → send → close → arrive) … → delete, for a move → end
 *
 * Crash points: a batch, its departure entry and the cursor behind it are one transaction, so a batch either has not
 * departed or is found again by its row; sending is asked for object by object (`wanted`), closing answers the same
 * twice, deleting names the version. Started again at any point, it goes on at the first step that is not done.
 */
import { randomInt } from 'node:crypto'
import { concat, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { EntryId, InstructionId, RandomBytes } from '../core/ids.ts'
import { newSortableId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { ciphertextSha256, readManifest } from '../crypto/manifest.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import type { KnownInstruction } from '../instructions/instruction-book.ts'
import { connectionEnteredEveryMs, type TrackedConnection, trackConnection } from '../ledger/connections.ts'
import type { Door } from '../outbound/door.ts'
import { type Authorized, isRefusal } from '../policy/authorized.ts'
import { decideTransfer, type TransferFacts, type TransferStep } from '../policy/decide-transfer.ts'
import { findBucket } from '../store/buckets.ts'
import { prefixEnd } from '../store/catalog.ts'
import { contentOf, findObject, type KnownBucket, removeObject } from '../store/objects.ts'
import { readPlace } from '../store/places.ts'
import { type BucketKeyRow, bucketPrefix, decodeRow, encodeRow, type ObjectRow } from '../store/rows.ts'
import { openPeerProof } from '../verify/peer-proof.ts'
import { type BatchRow, batchKey, findBatch, openBatchOf, type TransferRow, transferKey } from './batches.ts'
import { createPeerClient, type PeerClient } from './peer-client.ts'
import { type Peer, type Peers, peerProofOf, type TransferRegion } from './peers.ts'
import {
  itemsDigest,
  maxBatchBytes,
  maxBatchObjects,
  type ObjectHead,
  type PeerProof,
  rowDigest,
  type TransferItem,
} from './protocol.ts'
import { hashCiphertext } from './receiver.ts'
import { TransferRefused } from './refused.ts'

export interface SenderDeps {
  readonly region: TransferRegion
  readonly door: Door
  readonly peers: Peers
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  /** How long a moved object stays at its source after it has arrived. */
  readonly undoMs: number
  readonly sleep: (ms: number) => Promise<void>
}

const sendingAtOnce = 4
const pollMs = 50
const proofMs = 60_000
const challengeBytes = 64 * 1024
const longestWaitMs = 5000

/** Runs until the instruction has ended or a step fails; `peer-unavailable` may be tried again. */
export async function runTransfer(deps: SenderDeps, id: InstructionId): Promise<void> {
  const { region, peers, clock, log } = deps
  const first = await known(deps, id)
  const peer = peers.get(first.instruction.to.region)
  if (peer === undefined)
    return fail(deps, id, null, `no region ${first.instruction.to.region} is known here`)
  const connections = new Map<unknown, TrackedConnection>()
  const client = createPeerClient(deps.door, peer, id, socket => {
    if (connections.has(socket) || peer.country === region.country) return
    const facts = {
      id: newSortableId(clock(), deps.randomBytes),
      role: 'transfer',
      initiator: 'local',
      instruction: id,
      remoteCountry: peer.country,
      openedUnixMs: clock(),
    } as const
    const tracked = trackConnection(socket, facts, clock, log)
    connections.set(socket, tracked)
    const book = {
      region: region.id,
      country: region.country,
      catalog: region.catalog,
      drafts: region.drafts,
    }
    tracked.charge(book, first.row.tenant, [])
    socket.once('close', () => {
      connections.delete(socket)
      void tracked.enter(false)
    })
  })
  const hourly = setInterval(() => {
    for (const tracked of connections.values()) void tracked.enter(true)
  }, connectionEnteredEveryMs)
  hourly.unref()
  try {
    await walk(deps, peer, client, id)
  } catch (error) {
    if (!(error instanceof TransferRefused)) throw error
    await stop(deps, client, id, error)
  } finally {
    clearInterval(hourly)
    // Closing them is what has them entered, at this end and at the other.
    deps.door.release(id)
  }
}

async function walk(deps: SenderDeps, peer: Peer, client: PeerClient, id: InstructionId): Promise<void> {
  const { region } = deps
  // Nothing is left to send: an expiry since then does not stop what was ordered, and done, in time.
  if (!(await isSent(deps, id))) {
    await checkLimitsAhead(deps, peer, id)
    const offered = await known(deps, id)
    await client.offer(offered.row.envelope, offered.envelopes)
  }
  while (!(await isSent(deps, id))) {
    const row = await transferRow(deps, id)
    const open = await openBatchOf(region.catalog, row)
    if (open === null) await depart(deps, peer, id, row)
    else await sendBatch(deps, peer, client, id, open)
  }
  const { instruction } = await known(deps, id)
  if (instruction.mode === 'move') await deleteMoved(deps, peer, client, id)
  for (;;) {
    const current = await known(deps, id)
    if (current.standing.ended || (await region.book.move(current, { state: 'completed', reason: null })))
      break
  }
  await client.end('completed', null)
}

/** The walk has come to its end, and every batch of it has been answered for. */
async function isSent(deps: SenderDeps, id: InstructionId): Promise<boolean> {
  const row = await transferRow(deps, id)
  return row.walked && (await openBatchOf(deps.region.catalog, row)) === null
}

/** The source's own judgement, with what would move next. */
async function authorize(
  deps: SenderDeps,
  peer: Peer,
  id: InstructionId,
  objects: TransferStep['objects'],
  phase: TransferFacts['phase'] = 'send',
): Promise<{ current: KnownInstruction; bucket: KnownBucket; authorized: Authorized<TransferStep> }> {
  const { region, clock } = deps
  const current = await known(deps, id)
  const bucket = await findBucket(region.catalog, current.instruction.from.bucket)
  const decision = decideTransfer(
    { action: 'transfer', terms: current.instruction, objects },
    {
      end: { role: 'source', region: region.id, peer: peer.id },
      bucket: bucket === null ? null : bucket.row,
      standing: current.standing,
      moved: current.row,
      phase,
      nowUnixMs: clock(),
    },
  )
  if (isRefusal(decision)) throw TransferRefused.of(decision)
  if (current.instruction.ledger !== region.logKey.name) {
    throw new TransferRefused(
      'instruction-out-of-scope',
      `The instruction is for the ledger ${current.instruction.ledger}, not for this one.`,
    )
  }
  return { current, bucket: bucket!, authorized: decision }
}

/** An instruction whose scope holds more than it allows moves nothing, instead of stopping halfway. */
async function checkLimitsAhead(deps: SenderDeps, peer: Peer, id: InstructionId): Promise<void> {
  const { current, bucket } = await authorize(deps, peer, id, [])
  const { limits, prefix } = current.instruction
  const row = await transferRow(deps, id)
  if (row.batches > 0 || (limits.objects === null && limits.bytes === null)) return
  let cursor = ''
  let moved = { objects: 0, bytes: 0 }
  for (;;) {
    const page = await nextItems(deps, bucket, prefix, cursor)
    if (page.items.length === 0) return
    const step: TransferStep = { action: 'transfer', terms: current.instruction, objects: page.items }
    const decision = decideTransfer(step, {
      end: { role: 'source', region: deps.region.id, peer: peer.id },
      bucket: bucket.row,
      standing: current.standing,
      moved,
      phase: 'send',
      nowUnixMs: deps.clock(),
    })
    if (isRefusal(decision)) throw TransferRefused.of(decision)
    moved = {
      objects: moved.objects + page.items.length,
      bytes: page.items.reduce((sum, item) => sum + item.ciphertextBytes, moved.bytes),
    }
    cursor = page.cursor
    if (page.atEnd) return
  }
}

async function nextItems(
  deps: SenderDeps,
  bucket: KnownBucket,
  prefix: string,
  cursor: string,
): Promise<{ items: TransferItem[]; cursor: string; atEnd: boolean }> {
  const { catalog } = deps.region
  const base = bucketPrefix(bucket.row.id)
  const from = cursor === '' ? concat(base, utf8(prefix)) : concat(base, utf8(cursor), new Uint8Array([0]))
  const to = prefixEnd(concat(base, utf8(prefix)))
  const rows = await catalog.scan('objects', { from, ...(to && { to }), limit: maxBatchObjects })
  const items: TransferItem[] = []
  let bytes = 0
  let last = cursor
  for (const { key, value } of rows) {
    const row = decodeRow<ObjectRow>(value)
    // A batch takes at least one object, however large.
    if (items.length > 0 && bytes + row.ciphertextBytes > maxBatchBytes)
      return { items, cursor: last, atEnd: false }
    const objectKey = Buffer.from(key.subarray(base.length)).toString('utf8')
    const content = await contentOf(catalog, row)
    last = objectKey
    if (content === null) continue
    items.push({
      key: objectKey,
      originId: row.originId,
      ciphertextBytes: row.ciphertextBytes,
      ciphertextSha256: ciphertextSha256(readManifest(content.manifest).parts),
      manifestSha256: sha256Hex(content.manifest),
      rowSha256: rowDigest(sentRow(row)),
    })
    bytes += row.ciphertextBytes
  }
  return { items, cursor: last, atEnd: rows.length < maxBatchObjects }
}

/** Of a version, what the destination keeps as it is; version id and places are its own. */
function sentRow(row: ObjectRow): ObjectHead['row'] {
  const { v: _v, versionId: _versionId, content: _content, arrivedBy: _arrivedBy, ...sent } = row
  return sent
}

/** Batch row, cursor and departure entry, in one transaction. */
async function depart(deps: SenderDeps, peer: Peer, id: InstructionId, row: TransferRow): Promise<void> {
  const { region } = deps
  const { bucket } = await authorize(deps, peer, id, [])
  const page = await nextItems(deps, bucket, (await known(deps, id)).instruction.prefix, row.cursor)
  const next: TransferRow = { ...row, cursor: page.cursor, walked: page.atEnd }
  const rowBytes = await region.catalog.get('transfers', transferKey(id))
  const check = { table: 'transfers', key: transferKey(id), expected: rowBytes } as const
  if (page.items.length === 0) {
    await region.catalog.commit({
      checks: [check],
      puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(next) }],
    })
    return
  }
  const { current } = await authorize(deps, peer, id, page.items)
  const { instruction } = current
  const bytes = page.items.reduce((sum, item) => sum + item.ciphertextBytes, 0)
  const entry = region.drafts.draft({
    tenant: instruction.tenant,
    type: 'transfer.departed',
    body: {
      instruction: id,
      batch: row.batches,
      peer: peer.id,
      bucket: instruction.from.bucket,
      toBucket: instruction.to.bucket,
      manifestSha256: itemsDigest(page.items),
      objects: page.items.map(item => [item.originId, item.ciphertextBytes, item.ciphertextSha256] as const),
      bytes,
    },
  })
  const batch: BatchRow = {
    v: 1,
    batch: row.batches,
    items: page.items,
    state: 'departed',
    departure: entry.entryId,
    arrival: null,
    arrived: [],
    deleteAfterUnixMs: null,
  }
  const held = await region.book.move(
    current,
    { state: 'running' },
    {
      checks: [check],
      puts: [
        {
          table: 'transfers',
          key: transferKey(id),
          value: encodeRow({ ...next, batches: row.batches + 1 } as TransferRow),
        },
        { table: 'batches', key: batchKey(id, row.batches), value: encodeRow(batch) },
        entry.put,
      ],
    },
  )
  // Whatever changed meanwhile (a revocation, most likely) is seen when the walk comes round.
  if (!held) deps.log('info', 'departure-again', { instruction: id })
}

async function sendBatch(
  deps: SenderDeps,
  peer: Peer,
  client: PeerClient,
  id: InstructionId,
  batch: BatchRow,
): Promise<void> {
  const { region } = deps
  const { current, bucket } = await authorize(deps, peer, id, [])
  const departure = await waitForProof(deps, () => peerProofOf(region, current.row.tenant, batch.departure!))
  const wanted = new Set(await client.openBatch(batch.batch, batch.items, departure))
  const missing = new Map<string, string>()
  const queue = batch.items.filter(item => wanted.has(item.originId))
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await authorize(deps, peer, id, [])
      const reason = await sendObject(deps, client, bucket, batch.batch, item)
      if (reason !== null) missing.set(item.originId, reason)
    }
  }
  await Promise.all(Array.from({ length: sendingAtOnce }, worker))
  const closed = await client.close(batch.batch)
  const proof = await waitForProof(deps, () => client.arrivalProof(batch.batch))
  checkArrival(deps, peer, current, batch, closed.arrived, proof)
  await settleBatch(deps, id, batch, closed.arrived, closed.entry, missing)
}

/** What did not make it, in words; `null` when it did. */
async function sendObject(
  deps: SenderDeps,
  client: PeerClient,
  bucket: KnownBucket,
  batch: number,
  item: TransferItem,
): Promise<string | null> {
  const { catalog, blobs } = deps.region
  const row = await findObject(catalog, bucket.row.id, item.key)
  if (row?.originId !== item.originId) return 'replaced or deleted at the source since it departed'
  const content = await contentOf(catalog, row)
  const keyBytes = await catalog.get('bucketkeys', utf8(row.bucketKeyId))
  if (content === null || keyBytes === null) return 'replaced or deleted at the source since it departed'
  const bucketKey = decodeRow<BucketKeyRow>(keyBytes)
  const head: ObjectHead = {
    key: item.key,
    row: sentRow(row),
    manifest: Buffer.from(content.manifest).toString('base64'),
    bucketKey,
  }
  async function* ciphertext(): AsyncGenerator<Uint8Array, void> {
    for (const [index, part] of readManifest(content!.manifest).parts.entries()) {
      await using reader = await readPlace(catalog, blobs, content!.places[index]!, {
        start: 0,
        end: part.cipherBytes,
      })
      // Copied: the socket may still hold a chunk when the reader fills its buffer again.
      for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next())
        yield Buffer.from(chunk)
    }
  }
  try {
    await client.sendObject(batch, item.originId, head, ciphertext())
    return null
  } catch (error) {
    // Refused for this object alone: it is voided and the rest goes on. A refusal of the instruction ends it.
    if (error instanceof TransferRefused && error.rule === 'instruction-out-of-scope') return error.message
    throw error
  }
}

function checkArrival(
  deps: SenderDeps,
  peer: Peer,
  { row }: KnownInstruction,
  batch: BatchRow,
  arrived: readonly string[],
  proof: PeerProof,
): void {
  const refusal = (what: string): TransferRefused =>
    new TransferRefused(
      'instruction-out-of-scope',
      `The arrival of batch ${batch.batch} is not in the books of ${peer.id}: ${what}.`,
    )
  const opened = openPeerProof(proof, peer.key, nodeVerifyCrypto)
  if (typeof opened === 'string') throw refusal(opened)
  const body = opened.entry.body as Readonly<Record<string, unknown>>
  const says = [
    opened.entry.type,
    opened.entry.tenant,
    opened.entry.region,
    body.instruction,
    body.batch,
    body.peer,
    body.manifestSha256,
  ]
  const wanted = [
    'transfer.arrived',
    row.tenant,
    peer.id,
    row.id,
    batch.batch,
    deps.region.id,
    itemsDigest(batch.items),
  ]
  if (says.some((value, index) => value !== wanted[index])) throw refusal('it says something else')
  const expected = batch.items
    .filter(item => arrived.includes(item.originId))
    .map(item => [item.originId, item.ciphertextBytes, item.ciphertextSha256])
  if (JSON.stringify(body.objects) !== JSON.stringify(expected)) throw refusal('it has other objects')
}

/** Arrived, counted, and what did not arrive voided: one transaction. */
async function settleBatch(
  deps: SenderDeps,
  id: InstructionId,
  batch: BatchRow,
  arrived: readonly string[],
  arrival: EntryId | null,
  missing: ReadonlyMap<string, string>,
): Promise<void> {
  const { region, clock } = deps
  for (;;) {
    const current = await known(deps, id)
    const open = await findBatch(region.catalog, id, batch.batch)
    if (open === null || open.row.state !== 'departed') return
    const here = batch.items.filter(item => arrived.includes(item.originId))
    const voided = batch.items.filter(item => !arrived.includes(item.originId))
    const done: BatchRow = {
      ...batch,
      state: 'arrived',
      arrival,
      arrived,
      deleteAfterUnixMs: clock() + deps.undoMs,
    }
    const entry = region.drafts.draft({
      tenant: current.row.tenant,
      type: 'transfer.voided',
      body: {
        instruction: id,
        batch: batch.batch,
        peer: current.instruction.to.region,
        objects: voided.map(item => [item.originId, missing.get(item.originId) ?? 'did not arrive'] as const),
      },
    })
    const counted = {
      ...current.row,
      objects: current.row.objects + here.length,
      bytes: here.reduce((sum, item) => sum + item.ciphertextBytes, current.row.bytes),
    }
    const held = await region.catalog.commit({
      checks: [
        { table: 'batches', key: batchKey(id, batch.batch), expected: open.bytes },
        { table: 'instructions', key: utf8(id), expected: current.bytes },
      ],
      puts: [
        { table: 'batches', key: batchKey(id, batch.batch), value: encodeRow(done) },
        { table: 'instructions', key: utf8(id), value: encodeRow(counted) },
        ...(voided.length > 0 ? [entry.put] : []),
      ],
    })
    if (held) return
  }
}

/** Only what is in the destination's books, answers a challenge, and whose undo window has closed. */
async function deleteMoved(
  deps: SenderDeps,
  peer: Peer,
  client: PeerClient,
  id: InstructionId,
): Promise<void> {
  const { region, clock } = deps
  const { batches } = await transferRow(deps, id)
  for (let number = 0; number < batches; number++) {
    const found = await findBatch(region.catalog, id, number)
    if (found === null || found.row.state !== 'arrived') continue
    for (;;) {
      // Asked while it waits too: a revocation ends it now and not when the window closes.
      await authorize(deps, peer, id, [], 'delete')
      const wait = (found.row.deleteAfterUnixMs ?? 0) - clock()
      if (wait <= 0) break
      await deps.sleep(Math.min(wait, longestWaitMs))
    }
    for (const item of found.row.items) {
      if (!found.row.arrived.includes(item.originId)) continue
      const { bucket, authorized, current } = await authorize(deps, peer, id, [], 'delete')
      const row = await findObject(region.catalog, bucket.row.id, item.key)
      if (row?.originId !== item.originId) continue
      await challengeObject(deps, client, number, row)
      const entry = (removed: ObjectRow) =>
        region.drafts.draft({
          tenant: current.row.tenant,
          type: 'object.deleted',
          body: {
            bucket: bucket.row.name,
            key: item.key,
            versionId: removed.versionId,
            originId: removed.originId,
            by: { region: region.id },
            instruction: id,
          },
        }).put
      await removeObject(region.catalog, clock, authorized, bucket, item.key, entry, item.originId)
    }
    const done: BatchRow = { ...found.row, state: 'done' }
    await region.catalog.commit({
      puts: [{ table: 'batches', key: batchKey(id, number), value: encodeRow(done) }],
    })
  }
}

/** A destination that entered an arrival without keeping the bytes cannot answer for a range it did not foresee. */
async function challengeObject(
  deps: SenderDeps,
  client: PeerClient,
  batch: number,
  row: ObjectRow,
): Promise<void> {
  const content = await contentOf(deps.region.catalog, row)
  if (content === null) return
  const start = randomInt(Math.max(1, Math.min(row.ciphertextBytes - 1, 2 ** 47)))
  const end = Math.min(row.ciphertextBytes, start + challengeBytes)
  const ours = await hashCiphertext(deps.region, readManifest(content.manifest), content.places, start, end)
  if ((await client.challenge(batch, row.originId, start, end)) !== ours) {
    throw new TransferRefused(
      'instruction-out-of-scope',
      `The destination does not have the bytes of ${row.originId}.`,
    )
  }
}

/** The instruction ends here: voids what is open, says why, and tells the other end. */
async function stop(
  deps: SenderDeps,
  client: PeerClient,
  id: InstructionId,
  refused: TransferRefused,
): Promise<void> {
  const row = await transferRow(deps, id)
  const open = await openBatchOf(deps.region.catalog, row)
  if (open !== null) {
    const missing = new Map(open.items.map(item => [item.originId as string, refused.message]))
    // The destination gives up what it has staged; a batch that it had published before says so again. When it cannot
    // be asked, nobody knows which: voided here and arrived there, the books would differ for ever.
    const closed = await client.close(open.batch).catch(error => {
      if (error instanceof TransferRefused) return null
      throw error
    })
    await settleBatch(deps, id, open, closed?.arrived ?? [], closed?.entry ?? null, missing)
  }
  await fail(deps, id, client, refused.message, refused.rule)
}

async function fail(
  deps: SenderDeps,
  id: InstructionId,
  client: PeerClient | null,
  reason: string,
  rule = '',
): Promise<void> {
  for (;;) {
    const current = await known(deps, id)
    if (current.standing.ended) break
    const state =
      rule === 'instruction-expired' ? 'expired' : rule === 'instruction-revoked' ? 'revoked' : 'failed'
    if (await deps.region.book.move(current, { state, reason })) break
  }
  deps.log('warn', 'transfer-ended', { instruction: id, reason, region: deps.region.id })
  await client?.end('failed', reason).catch(() => {})
}

async function known({ region }: SenderDeps, id: InstructionId): Promise<KnownInstruction> {
  const found = await region.book.find(id)
  if (found === null) throw new HoldfastError('not-found', `there is no instruction ${id} in ${region.id}`)
  return found
}

async function transferRow({ region }: SenderDeps, id: InstructionId): Promise<TransferRow> {
  const bytes = await region.catalog.get('transfers', transferKey(id))
  if (bytes !== null) return decodeRow<TransferRow>(bytes)
  const row: TransferRow = { v: 1, id, cursor: '', batches: 0, walked: false }
  await region.catalog.commit({
    checks: [{ table: 'transfers', key: transferKey(id), expected: null }],
    puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(row) }],
  })
  return row
}

async function waitForProof(deps: SenderDeps, ask: () => Promise<PeerProof | null>): Promise<PeerProof> {
  const deadline = deps.clock() + proofMs
  for (;;) {
    const proof = await ask()
    if (proof !== null) return proof
    if (deps.clock() > deadline)
      throw new HoldfastError('peer-unavailable', 'an entry was not published in time')
    await deps.sleep(pollMs)
  }
}
