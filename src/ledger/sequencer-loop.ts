import { setTimeout as sleep } from 'node:timers/promises'
import { HoldfastError } from '../core/errors.ts'
import type { Sequencer, TickOutcome } from './sequencer.ts'

export interface SequencerLoopDeps {
  readonly sequencer: Sequencer
  readonly batchSize: number
  readonly onTick: (outcome: TickOutcome) => void
  /** A failure that may pass, such as a full disk: it tries again. */
  readonly onRetry: (error: unknown) => void
}

export interface SequencerLoop {
  /** Resolves when it was stopped and drained; rejects when the ledger must not go on by itself. */
  run(): Promise<void>
  stop(): void
}

/** Long enough to share one sync among many entries, short enough for a receipt within a second. */
const intervalMs = 250
const maxBackoffMs = 5000

export function createSequencerLoop(deps: SequencerLoopDeps): SequencerLoop {
  const stopping = new AbortController()
  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: stopping.signal }).catch(() => {
      // Woken by stop().
    })

  return {
    async run() {
      let backoffMs = intervalMs
      for (;;) {
        let outcome: TickOutcome
        try {
          outcome = await deps.sequencer.tick()
        } catch (error) {
          if (isFatal(error)) throw error
          deps.onRetry(error)
          // What could not be drained now is still durable, and is entered at the next start.
          if (stopping.signal.aborted) return
          await pause(backoffMs)
          backoffMs = Math.min(backoffMs * 2, maxBackoffMs)
          continue
        }
        backoffMs = intervalMs
        if (outcome.entered > 0 || outcome.witnessed !== undefined) deps.onTick(outcome)
        else if (stopping.signal.aborted) return
        if (outcome.entered < deps.batchSize) await pause(intervalMs)
      }
    },
    stop: () => stopping.abort(),
  }
}

function isFatal(error: unknown): boolean {
  return (
    error instanceof HoldfastError && ['store-damaged', 'conflict', 'format-unknown'].includes(error.code)
  )
}
