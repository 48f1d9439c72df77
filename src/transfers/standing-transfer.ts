/**
 * What a standing transfer does while there is nothing to send: what has arrived answers for its bytes, and what is done
 * is forgotten. It goes on for months, so it must not keep a row for each object that it ever sent.
 *
 * Crash points: the count of what was verified, the removal of the batch and the mark behind it are one transaction, so a
 * batch is verified again or not at all.
 */
import { encodeRow } from '../store/rows.ts'
import { batchKey, findBatch, itemsOf, removeBatch, type TransferRow, transferKey } from './batches.ts'
import { forgetMarks, marksKeptMs } from './follow.ts'
import { addTally } from './progress.ts'
import { type Run, transferRow } from './sender-state.ts'
import { challengeItems, demandVerified } from './verify-arrived.ts'

const lookEveryMs = 500
const busyLookMs = 50

/** `isIdle`: nothing is on its way. */
export async function settleStanding(run: Run, isIdle: boolean): Promise<void> {
  const { deps, id } = run
  const { catalog } = deps.region
  const { walkedUnixMs = null } = (await transferRow(deps, id)).following ?? {}
  if (walkedUnixMs !== null && deps.clock() - walkedUnixMs > marksKeptMs) await dropMarks(run)
  for (;;) {
    const row = await transferRow(deps, id)
    const number = row.verifiedBatches ?? 0
    const found = number < row.batches ? await findBatch(catalog, id, number) : null
    // One that is still on its way: those behind it wait for their turn.
    if (found === null || found.row.state === 'departed') break
    const { bucket } = await run.standing()
    const arrived = new Set(found.row.arrived)
    const items = (await itemsOf(catalog, id, number)).filter(({ originId }) => arrived.has(originId))
    const { verified, wrong } = await challengeItems(run, number, bucket.row, items)
    demandVerified(wrong, run.peer.id)
    const next: TransferRow = { ...row, verifiedBatches: number + 1 }
    await catalog.commit({
      checks: [
        { table: 'batches', key: batchKey(id, number), expected: found.bytes },
        { table: 'transfers', key: transferKey(id), expected: encodeRow(row) },
      ],
      puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(next) }],
      removes: removeBatch(id, number),
      adds: [addTally(id, { verified })],
    })
  }
  await deps.sleep(isIdle ? lookEveryMs : busyLookMs)
}

async function dropMarks({ deps, id }: Run): Promise<void> {
  const { catalog } = deps.region
  const row = await transferRow(deps, id)
  if (row.marksForgotten === true) return
  await forgetMarks(catalog, id)
  const next: TransferRow = { ...row, marksForgotten: true }
  await catalog.commit({
    checks: [{ table: 'transfers', key: transferKey(id), expected: encodeRow(row) }],
    puts: [{ table: 'transfers', key: transferKey(id), value: encodeRow(next) }],
  })
}
