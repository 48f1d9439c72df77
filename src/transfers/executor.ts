/** Runs a region's transfers: whatever is approved, by itself, until it has ended; after a start, where it was. */
import { hasCode, messageOf } from '../core/errors.ts'
import type { InstructionId } from '../core/ids.ts'
import { runTransfer, type SenderDeps } from './sender.ts'

export interface Executor extends AsyncDisposable {
  /** Takes up every active instruction of this region's book. */
  start(): Promise<void>
  /** Something was said about this instruction; if it may run now, it does. */
  wake(id: InstructionId): void
}

const firstRetryMs = 500
const longestRetryMs = 30_000

export function createExecutor(deps: SenderDeps): Executor {
  const running = new Map<InstructionId, Promise<void>>()
  let stopped = false

  const run = async (id: InstructionId): Promise<void> => {
    let retryMs = firstRetryMs
    while (!stopped) {
      const found = await deps.region.book.find(id)
      // The destination has the instruction in its book too, and leaves the running of it to the source.
      if (found === null || found.instruction.from.region !== deps.region.id) return
      if (found.row.state !== 'approved' && found.row.state !== 'running') return
      const wait = found.instruction.notBeforeUnixMs - deps.clock()
      if (wait > 0) {
        await deps.sleep(Math.min(wait, longestRetryMs))
        continue
      }
      try {
        await runTransfer(deps, id)
        retryMs = firstRetryMs
      } catch (error) {
        const level = hasCode(error, 'peer-unavailable') ? 'warn' : 'error'
        deps.log(level, 'transfer-interrupted', { instruction: id, error: messageOf(error), retryMs })
        await deps.sleep(retryMs)
        retryMs = Math.min(2 * retryMs, longestRetryMs)
      }
    }
  }

  const wake = (id: InstructionId): void => {
    if (stopped || running.has(id)) return
    const run1 = run(id)
      .catch(error => deps.log('error', 'transfer-stopped', { instruction: id, error: messageOf(error) }))
      .finally(() => running.delete(id))
    running.set(id, run1)
  }

  return {
    async start() {
      for (const id of await deps.region.book.active()) wake(id)
    },
    wake,
    async [Symbol.asyncDispose]() {
      stopped = true
      await Promise.all(running.values())
    },
  }
}
