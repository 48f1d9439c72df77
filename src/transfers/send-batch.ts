/** One batch on its way: its departure proven, its objects sent, its arrival proven and counted. */
import { utf8 } from '../core/bytes.ts'
import type { EntryId } from '../core/ids.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { KnownInstruction } from '../instructions/instruction-book.ts'
import { encodeRow } from '../store/rows.ts'
import { openPeerProof } from '../verify/peer-proof.ts'
import { type BatchRow, batchKey, findBatch, removeOpen } from './batches.ts'
import { peerProofOf } from './peers.ts'
import { addTally } from './progress.ts'
import type { PeerProof, TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'
import { type SentItem, sendObjects } from './send-objects.ts'
import { demandGoing, known, type Run, waitForProof } from './sender-state.ts'

export interface Order {
  /** Until which the batch must not be closed. */
  readonly turn: Promise<void>
  readonly closed: () => void
}

export async function sendBatch(
  run: Run,
  batch: BatchRow,
  items: readonly SentItem[],
  { turn, closed: wasClosed }: Order,
): Promise<void> {
  const { deps, client } = run
  const { current } = await run.standing()
  const departure = await waitForProof(deps, () =>
    peerProofOf(deps.region, current.row.tenant, batch.departure!),
  )
  demandGoing(run)
  const plain = items.map(({ versionId: _versionId, ...item }) => item)
  const wanted = new Set(await client.openBatch(batch.batch, plain, departure))
  const missing = await sendObjects(
    run,
    batch.batch,
    items.filter(item => wanted.has(item.originId)),
  )
  await turn
  demandGoing(run)
  const closed = await client.close(batch.batch)
  wasClosed()
  const proof = await waitForProof(deps, () => client.arrivalProof(batch.batch))
  checkArrival(run, current, batch, plain, closed.arrived, proof)
  await settleBatch(run, batch, plain, closed.arrived, closed.entry, missing)
}

function checkArrival(
  { peer, deps }: Run,
  { row }: KnownInstruction,
  batch: BatchRow,
  items: readonly TransferItem[],
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
    ...[opened.entry.type, opened.entry.tenant, opened.entry.region],
    ...[body.instruction, body.batch, body.peer, body.manifestSha256],
  ]
  const wanted = [
    ...['transfer.arrived', row.tenant, peer.id],
    ...[row.id, batch.batch, deps.region.id, batch.itemsSha256],
  ]
  if (says.some((value, index) => value !== wanted[index])) throw refusal('it says something else')
  const here = new Set(arrived)
  const expected = items
    .filter(item => here.has(item.originId))
    .map(item => [item.originId, item.ciphertextBytes, item.ciphertextSha256])
  if (JSON.stringify(body.objects) !== JSON.stringify(expected)) throw refusal('it has other objects')
}

const maxReason = 160

/** Arrived, counted, and what did not arrive voided: one transaction. */
export async function settleBatch(
  { deps, id }: Run,
  batch: BatchRow,
  items: readonly TransferItem[],
  arrived: readonly string[],
  arrival: EntryId | null,
  missing: ReadonlyMap<string, string>,
): Promise<void> {
  const { region, clock } = deps
  const here = new Set(arrived)
  const voided = items.filter(item => !here.has(item.originId))
  const bytesOf = (some: readonly TransferItem[]): number =>
    some.reduce((sum, item) => sum + item.ciphertextBytes, 0)
  const bytes = bytesOf(items) - bytesOf(voided)
  for (;;) {
    const current = await known(deps, id)
    const open = await findBatch(region.catalog, id, batch.batch)
    if (open === null || open.row.state !== 'departed') return
    const done: BatchRow = {
      ...batch,
      ...{ state: 'arrived', arrival, arrived, deleteAfterUnixMs: clock() + deps.undoMs },
    }
    const entry = region.drafts.draft({
      tenant: current.row.tenant,
      type: 'transfer.voided',
      body: {
        instruction: id,
        batch: batch.batch,
        peer: current.instruction.to.region,
        // A whole batch of them must fit an entry.
        objects: voided.map(
          item =>
            [item.originId, (missing.get(item.originId) ?? 'did not arrive').slice(0, maxReason)] as const,
        ),
      },
    })
    const counted = {
      ...current.row,
      objects: current.row.objects + items.length - voided.length,
      bytes: current.row.bytes + bytes,
    }
    const held = await region.catalog.commit({
      checks: [
        { table: 'batches', key: batchKey(id, batch.batch), expected: open.bytes },
        { table: 'instructions', key: utf8(id), expected: current.bytes },
      ],
      removes: [removeOpen(id, batch.batch)],
      puts: [
        { table: 'batches', key: batchKey(id, batch.batch), value: encodeRow(done) },
        { table: 'instructions', key: utf8(id), value: encodeRow(counted) },
        ...(voided.length > 0 ? [entry.put] : []),
      ],
      adds: voided.length > 0 ? [addTally(id, { voided: voided.length, voidedBytes: bytesOf(voided) })] : [],
    })
    if (held) return
  }
}
