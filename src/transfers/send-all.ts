/**
 * Batches on their way side by side: while one waits for its departure to be published, another is being sent, and a
 * third waits for the proof of its arrival.
 */
import { itemsOf, openBatchesOf } from './batches.ts'
import { type Departed, depart } from './departure.ts'
import type { Extent } from './progress.ts'
import { isPassing, TransferRefused } from './refused.ts'
import { sendBatch } from './send-batch.ts'
import { type SentItem, whilePaused } from './send-objects.ts'
import { known, type Run, transferRow } from './sender-state.ts'
import { settleStanding } from './standing-transfer.ts'

const batchesAtOnce = 6

interface OnItsWay {
  readonly extent: Extent
  readonly ended: Promise<void>
}

/** Everything in the scope; resolves when every batch has been answered for, rejects when all have stopped. */
export async function sendAll(run: Run): Promise<void> {
  const { deps, id } = run
  const onTheirWay = new Map<number, OnItsWay>()
  const failures: unknown[] = []
  const { instruction } = await known(deps, id)
  const { tenant } = instruction
  const isStanding = instruction.kind === 'standing-transfer'
  const isOrdered = instruction.versions === 'all' || isStanding
  let before = Promise.resolve()
  const failed = (error: unknown): void => {
    failures.push(error)
    run.stopping.abort()
  }
  const launch = ({ batch, items }: Omit<Departed, 'items'> & { items: readonly SentItem[] }): void => {
    const closed = Promise.withResolvers<void>()
    const order = { turn: before, closed: closed.resolve }
    // Versions of one key must be published in their order, also when they are in several batches.
    if (isOrdered) before = closed.promise
    const bytes = items.reduce((sum, item) => sum + item.ciphertextBytes, 0)
    const ended = sendBatch(run, batch, items, order)
      .catch(failed)
      .finally(() => {
        closed.resolve()
        onTheirWay.delete(batch.batch)
      })
    onTheirWay.set(batch.batch, { extent: { objects: items.length, bytes }, ended })
  }
  try {
    for (const batch of await openBatchesOf(deps.region.catalog, id))
      launch({ batch, items: await itemsOf(deps.region.catalog, id, batch.batch) })
    for (let row = await transferRow(deps, id); !row.walked; row = await transferRow(deps, id)) {
      await whilePaused(run)
      if (onTheirWay.size >= batchesAtOnce)
        await Promise.race([...onTheirWay.values()].map(({ ended }) => ended))
      if (failures.length > 0) break
      await deps.knowledge.demand(run.peer, tenant, id)
      const ahead = sumOf([...onTheirWay.values()])
      const departed = await depart(run, row, ahead).catch(async error => {
        // What was answered for meanwhile was counted twice, as on its way and as gone: judged again when nothing is ahead.
        if (!isOverLimit(error) || ahead.objects === 0) throw error
        await Promise.all([...onTheirWay.values()].map(({ ended }) => ended))
        return 'again' as const
      })
      if (departed === 'again') continue
      if (departed !== null) launch(departed)
      else if (isStanding) await settleStanding(run, onTheirWay.size === 0)
    }
  } catch (error) {
    failed(error)
  }
  await Promise.all([...onTheirWay.values()].map(({ ended }) => ended))
  // A refusal says why the instruction ends; the others have stopped because of it, or can be tried again.
  const isFinal = (error: unknown): boolean => error instanceof TransferRefused && !isPassing(error)
  const worst = failures.find(isFinal) ?? failures[0]
  if (worst !== undefined) throw worst
}

const isOverLimit = (error: unknown): boolean =>
  error instanceof TransferRefused && error.rule === 'instruction-over-limit'

function sumOf(batches: readonly OnItsWay[]): Extent {
  return batches.reduce(
    (sum, { extent }) => ({ objects: sum.objects + extent.objects, bytes: sum.bytes + extent.bytes }),
    { objects: 0, bytes: 0 },
  )
}
