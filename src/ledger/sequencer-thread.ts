import { Worker } from 'node:worker_threads'
import type { RegionId } from '../core/ids.ts'

/** What the worker needs; plain data, because it crosses to another thread. */
export interface SequencerThreadConfig {
  readonly region: RegionId
  readonly origin: string
  readonly catalogPath: string
  readonly tilesPath: string
  /** PEM file of the log's private key; only its path crosses. */
  readonly keyPath: string
}

export type SequencerMessage =
  | { readonly kind: 'tick'; readonly entered: number; readonly size: number }
  | { readonly kind: 'retry'; readonly reason: string }

export interface SequencerThread {
  /** Enters what is still a draft, then ends the thread. */
  stop(): Promise<void>
}

export interface SequencerThreadEvents {
  readonly onMessage: (message: SequencerMessage) => void
  /** The ledger has stopped by itself and signs nothing more until a person has looked. */
  readonly onFatal: (error: Error) => void
}

/** Runs a region's sequencer beside the request threads, so that hashing never delays an answer. */
export function startSequencerThread(
  config: SequencerThreadConfig,
  events: SequencerThreadEvents,
): SequencerThread {
  const worker = new Worker(new URL('./sequencer-worker.ts', import.meta.url), {
    workerData: config,
    // A batch needs a few megabytes. Without a bound the collector lets each region's thread keep a hundred.
    resourceLimits: { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 192 },
  })
  const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()))
  worker.on('message', events.onMessage)
  worker.on('error', events.onFatal)
  return {
    async stop() {
      worker.postMessage('stop')
      await ended
    },
  }
}
