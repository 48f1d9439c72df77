/** Runs a region's instructions: whatever is approved, by itself, until it has ended; after a start, where it was. */
import { fromUtf8 } from '../core/bytes.ts'
import { HoldfastError, hasCode, messageOf, unreachable } from '../core/errors.ts'
import { type InstructionId, parseInstructionId } from '../core/ids.ts'
import { runChangeOfApprovers } from '../instructions/change-approvers.ts'
import { runClassification } from '../instructions/classify.ts'
import { dueUnixMs } from '../instructions/due.ts'
import { runErasure } from '../instructions/erase.ts'
import { placeOf } from '../instructions/instruction.ts'
import { runPermission } from '../instructions/permission.ts'
import { type RekeyDeps, runRekeying } from '../instructions/rekey.ts'
import { runResidency } from '../instructions/reside.ts'
import { rowsOf } from '../store/rows-of.ts'
import { hasOpenBatch } from './batches.ts'
import { createThrottle } from './pace.ts'
import { createMeter, type Meter } from './progress.ts'
import { runTransfer } from './sender.ts'
import type { SenderDeps } from './sender-state.ts'

export interface Executor extends AsyncDisposable {
  /** Takes up every active instruction of this region's book, and every batch that is on its way. */
  start(): Promise<void>
  /** Something was said about this instruction; if it may run now, it does. */
  wake(id: InstructionId): void
  /** Sent of late, while the transfer runs here. */
  bytesPerSecond(id: InstructionId): number | null
  /** Why what runs here did not go on at the last attempt; another is made. */
  waitingFor(id: InstructionId): string | null
}

const idLength = 64
const firstRetryMs = 500
const longestRetryMs = 30_000

export function createExecutor(deps: SenderDeps & Pick<RekeyDeps, 'newBucketKey'>): Executor {
  const running = new Map<InstructionId, Promise<void>>()
  const sleepers = new Set<(error: Error) => void>()
  const meters = new Map<InstructionId, Meter>()
  /** Cuts the waiting of one short: something was said about it. */
  const nudges = new Map<InstructionId, () => void>()
  const waiting = new Map<InstructionId, string>()
  /** How many verdicts every region has heard. */
  const told = new Map<InstructionId, number>()
  let stopped = false

  /** Rejects at the stop: an undo window may outlast the process by days. */
  const sleep = (ms: number, id?: InstructionId): Promise<void> =>
    new Promise((resolve, reject) => {
      if (stopped) return reject(shuttingDown())
      sleepers.add(reject)
      const wakeUp = (): void => {
        sleepers.delete(reject)
        resolve()
      }
      if (id !== undefined) nudges.set(id, wakeUp)
      deps.sleep(ms).then(wakeUp, reject)
    })

  const throttle = createThrottle(deps.clock, sleep)
  const meterOf = (id: InstructionId): Meter => {
    const meter = meters.get(id) ?? createMeter(deps.clock)
    meters.set(id, meter)
    return meter
  }

  const run = async (id: InstructionId): Promise<void> => {
    let retryMs = firstRetryMs
    while (!stopped) {
      const found = await deps.region.book.find(id)
      // The destination has the instruction in its book too, and leaves the running of it to the source.
      if (found === null || (placeOf(found.instruction) ?? deps.region.id) !== deps.region.id) return
      const { state } = found.row
      const active = state === 'approved' || state === 'running'
      if (found.instruction.kind === 'approvers' && told.get(id) !== found.envelopes.length) {
        // Every region waits from when it hears of it; one that cannot be reached is told again.
        if (await deps.knowledge.tellAll(found.row.tenant, id)) told.set(id, found.envelopes.length)
      }
      // Ended with a batch on its way (revoked, then killed): both books must still say what became of it.
      if (!active && !(await hasOpenBatch(deps.region.catalog, id))) return
      const wait = active ? dueUnixMs(found) - deps.region.lawfulNow() : 0
      if (wait > 0) {
        // Who is let see until then may be forbidden it before, by the law or the tenant's own policy.
        const { kind } = found.instruction
        if ((kind === 'access' || kind === 'disclose') && !deps.isHalted?.())
          await runPermission(deps, id).catch(error =>
            deps.log('error', `${kind}-not-judged`, { instruction: id, error: messageOf(error) }),
          )
        await sleep(Math.min(wait, longestRetryMs), id)
        continue
      }
      const beganMs = performance.now()
      try {
        const { kind } = found.instruction
        if (kind !== 'transfer' && kind !== 'standing-transfer' && deps.isHalted?.())
          throw new HoldfastError('store-damaged', 'the ledger has stopped')
        switch (kind) {
          case 'transfer':
          case 'standing-transfer':
            await runTransfer({ ...deps, sleep, isStopped: () => stopped }, id, {
              throttle,
              meter: meterOf(id),
              onAnswer: () => waiting.delete(id),
            })
            break
          case 'erase':
            await runErasure(deps, id)
            break
          case 'class':
            await runClassification(deps, id)
            break
          case 'residency':
            await runResidency(deps, id)
            break
          case 'key':
            await runRekeying(deps, id)
            break
          case 'approvers':
            await runChangeOfApprovers(deps, id)
            break
          case 'access':
          case 'disclose':
            await runPermission(deps, id)
            break
          default:
            unreachable(kind)
        }
        retryMs = firstRetryMs
        waiting.delete(id)
      } catch (error) {
        if (stopped) return
        // It went on for longer than one waits: this is another matter than the last time.
        if (performance.now() - beganMs > longestRetryMs) retryMs = firstRetryMs
        const isOfPeer = hasCode(error, 'peer-unavailable')
        waiting.set(id, isOfPeer ? messageOf(error) : `${deps.region.id}: a fault, which its log has`)
        deps.log(isOfPeer ? 'warn' : 'error', `${found.instruction.kind}-interrupted`, {
          instruction: id,
          error: messageOf(error),
          ...(error instanceof Error && error.cause !== undefined && { cause: messageOf(error.cause) }),
          retryMs,
        })
        await sleep(retryMs, id)
        retryMs = Math.min(2 * retryMs, longestRetryMs)
      }
    }
  }

  const wake = (id: InstructionId): void => {
    if (running.has(id)) nudges.get(id)?.()
    if (stopped || running.has(id)) return
    const run1 = run(id)
      .catch(error => {
        if (!hasCode(error, 'shutting-down'))
          deps.log('error', 'instruction-stopped', { instruction: id, error: messageOf(error) })
      })
      .finally(() => {
        running.delete(id)
        meters.delete(id)
        waiting.delete(id)
        nudges.delete(id)
      })
    running.set(id, run1)
  }

  return {
    async start() {
      for (const id of await deps.region.book.active()) wake(id)
      for await (const { key } of rowsOf(deps.region.catalog, 'transfers')) {
        // Behind an id other rows of it stand, whose keys are bytes.
        const id = key.length === idLength ? parseInstructionId(fromUtf8(key)) : null
        if (id !== null && (await hasOpenBatch(deps.region.catalog, id))) wake(id)
      }
    },
    wake,
    bytesPerSecond: id => meters.get(id)?.bytesPerSecond() ?? null,
    waitingFor: id => waiting.get(id) ?? null,
    async [Symbol.asyncDispose]() {
      stopped = true
      for (const reject of sleepers) reject(shuttingDown())
      await Promise.all(running.values())
    },
  }
}

function shuttingDown(): HoldfastError {
  return new HoldfastError('shutting-down', 'the executor stops')
}
