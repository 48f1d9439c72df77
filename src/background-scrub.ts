import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from './core/errors.ts'
import type { Log } from './core/log.ts'
import type { Metrics } from './core/metrics.ts'
import type { RegionAccess } from './open-region.ts'
import { scrubStore } from './store/scrub.ts'

export interface BackgroundScrubOptions {
  /** 0: never. */
  readonly bytesPerSecond: number
  /** Between the end of one round and the next. */
  readonly everyMs: number
  readonly log: Log
  readonly metrics: Metrics
}

/** Reads a region's stored bytes back, round after round, no faster than it may. */
export function startBackgroundScrub(
  { id, catalog, blobs }: RegionAccess,
  { bytesPerSecond, everyMs, log, metrics }: BackgroundScrubOptions,
): AsyncDisposable {
  const stopping = new AbortController()
  const { signal } = stopping
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
  let owedMs = 0

  const round = async (): Promise<void> => {
    const report = await scrubStore({
      catalog,
      blobs,
      stopped: () => signal.aborted,
      pace: async bytes => {
        metrics.count('holdfast_scrubbed_bytes_total', { region: id }, bytes)
        owedMs += (bytes / bytesPerSecond) * 1000
        if (owedMs < 20) return
        await pause(owedMs)
        owedMs = 0
      },
      onFault: fault => {
        metrics.count('holdfast_scrub_faults_total', { region: id })
        log('error', 'stored-bytes-damaged', { region: id, ...fault })
      },
    })
    if (report.whole) log('info', 'scrubbed', { region: id, ...report })
  }

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(everyMs)
      if (signal.aborted) return
      await round().catch(error => log('error', 'scrub-failed', { region: id, error: messageOf(error) }))
    }
  }
  const running = bytesPerSecond > 0 ? run() : Promise.resolve()
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running
    },
  }
}
