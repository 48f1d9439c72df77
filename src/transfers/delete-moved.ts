/** The end of a move: what has arrived leaves its source. */
import { deletionEntry } from '../ledger/deletion-entry.ts'
import { findOrigin } from '../store/key-versions.ts'
import { deleteObject } from '../store/objects.ts'
import { isMarker } from '../store/rows.ts'
import type { BatchRow } from './batches.ts'
import type { TransferItem } from './protocol.ts'
import type { Run } from './sender-state.ts'

const deletingAtOnce = 16
const longestWaitMs = 5000

/** Resolves when the undo window has closed. */
export async function waitForUndo(run: Run, { deleteAfterUnixMs }: BatchRow): Promise<void> {
  const { clock, sleep } = run.deps
  for (;;) {
    // Asked while it waits too: a revocation ends it now and not when the window closes.
    await run.deleting()
    const wait = (deleteAfterUnixMs ?? 0) - clock()
    if (wait <= 0) return
    await sleep(Math.min(wait, longestWaitMs))
  }
}

/** Only what is in the destination's books, has answered a challenge, and whose undo window has closed. */
export async function deleteArrived(run: Run, items: readonly TransferItem[]): Promise<void> {
  const queue = byKey(items)
  const worker = async (): Promise<void> => {
    for (let versions = queue.shift(); versions !== undefined; versions = queue.shift())
      for (const item of versions) await deleteItem(run, item)
  }
  const workers = await Promise.allSettled(Array.from({ length: deletingAtOnce }, worker))
  for (const ended of workers) if (ended.status === 'rejected') throw ended.reason
}

/** Of one key the newest first: what is current is found at once, and older ones never become so to be listed. */
function byKey(items: readonly TransferItem[]): TransferItem[][] {
  const keys = new Map<string, TransferItem[]>()
  for (const item of items) {
    const versions = keys.get(item.key)
    if (versions === undefined) keys.set(item.key, [item])
    else versions.unshift(item)
  }
  return [...keys.values()]
}

async function deleteItem(run: Run, item: TransferItem): Promise<void> {
  const { deps, id } = run
  const { region, clock, randomBytes } = deps
  const { bucket, authorized, current } = await run.deleting()
  // In a versioned bucket what has departed may have become a noncurrent version since.
  const version = await findOrigin(region.catalog, bucket.row, item.key, item.originId)
  if (version === null || (isMarker(version.row) && current.instruction.versions !== 'all')) return
  const deletion = await deleteObject(region.catalog, { clock, randomBytes }, authorized, {
    bucket,
    key: item.key,
    version: { originId: item.originId },
    entry: deletion =>
      region.drafts.draft(deletionEntry(bucket.row, item.key, deletion, { region: region.id }, id)).put,
  })
  // No instruction passes over a lock: the version has arrived, and stays here as well.
  if (deletion === 'locked') deps.log('warn', 'move-left-locked', { instruction: id, object: item.originId })
}
