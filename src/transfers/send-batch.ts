/** A batch that has departed, until its arrival is in both books. */
import { utf8 } from '../core/bytes.ts'
import type { EntryId, InstructionId } from '../core/ids.ts'
import { readManifest } from '../crypto/manifest.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { KnownInstruction } from '../instructions/instruction-book.ts'
import { contentOf } from '../store/content.ts'
import { findOrigin } from '../store/key-versions.ts'
import type { KnownBucket } from '../store/objects.ts'
import { readPlace } from '../store/places.ts'
import { type BucketKeyRow, decodeRow, encodeRow, isMarker } from '../store/rows.ts'
import { openPeerProof } from '../verify/peer-proof.ts'
import { type BatchRow, batchKey, findBatch } from './batches.ts'
import { sentRow } from './departure.ts'
import type { PeerClient } from './peer-client.ts'
import { type Peer, peerProofOf } from './peers.ts'
import { itemsDigest, type ObjectHead, type PeerProof, type TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'
import { authorize, known, type SenderDeps, waitForProof } from './sender-state.ts'

const sendingAtOnce = 4

export async function sendBatch(
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
  const found = await findOrigin(catalog, bucket.row, item.key, item.originId)
  if (found === null || isMarker(found.row)) return 'replaced or deleted at the source since it departed'
  const { row } = found
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
  const opened = openPeerProof(proof, peer.log, nodeVerifyCrypto)
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
export async function settleBatch(
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
