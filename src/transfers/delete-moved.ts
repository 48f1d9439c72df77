/** The end of a move: what has arrived leaves its source. */
import { randomInt } from 'node:crypto'
import type { InstructionId } from '../core/ids.ts'
import { readManifest } from '../crypto/manifest.ts'
import { deletionEntry } from '../ledger/deletion-entry.ts'
import { contentOf } from '../store/content.ts'
import { findOrigin } from '../store/key-versions.ts'
import { deleteObject } from '../store/objects.ts'
import { encodeRow, isMarker, type ObjectRow } from '../store/rows.ts'
import { type BatchRow, batchKey, findBatch } from './batches.ts'
import type { PeerClient } from './peer-client.ts'
import type { Peer } from './peers.ts'
import { hashCiphertext } from './receiver.ts'
import { TransferRefused } from './refused.ts'
import { authorize, type SenderDeps, transferRow } from './sender-state.ts'

const challengeBytes = 64 * 1024
const longestWaitMs = 5000

/** Only what is in the destination's books, answers a challenge, and whose undo window has closed. */
export async function deleteMoved(
  deps: SenderDeps,
  peer: Peer,
  client: PeerClient,
  id: InstructionId,
): Promise<void> {
  const { region, clock, randomBytes } = deps
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
      const { bucket, authorized } = await authorize(deps, peer, id, [], 'delete')
      // In a versioned bucket what has departed may have become a noncurrent version since.
      const version = await findOrigin(region.catalog, bucket.row, item.key, item.originId)
      if (version === null || isMarker(version.row)) continue
      await challengeObject(deps, client, number, version.row)
      const deletion = await deleteObject(region.catalog, { clock, randomBytes }, authorized, {
        bucket,
        key: item.key,
        version: { originId: item.originId },
        entry: deletion =>
          region.drafts.draft(deletionEntry(bucket.row, item.key, deletion, { region: region.id }, id)).put,
      })
      // No instruction passes over a lock: the version has arrived, and stays here as well.
      if (deletion === 'locked')
        deps.log('warn', 'move-left-locked', { instruction: id, object: item.originId })
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
