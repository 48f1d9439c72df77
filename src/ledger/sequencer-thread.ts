import { Worker } from 'node:worker_threads'
import type { RegionId } from '../core/ids.ts'
import type { WitnessNews } from './witness-inbox.ts'

/** What the thread needs of a region; plain data, because it crosses to another thread. */
export interface SequencerConfig {
  readonly region: RegionId
  readonly origin: string
  readonly catalogPath: string
  readonly tilesPath: string
  /** PEM file of the log's private key; only its path crosses. */
  readonly keyPath: string
  /** Verifier keys of the witnesses whose cosignatures are kept. */
  readonly witnesses?: readonly string[]
}

export type ToSequencers =
  | { readonly kind: 'run'; readonly config: SequencerConfig }
  | { readonly kind: 'stop'; readonly region: RegionId }
  | { readonly kind: 'cosigned'; readonly region: RegionId; readonly note: string }
  | { readonly kind: 'halt'; readonly region: RegionId; readonly reason: string }

export type FromSequencers =
  | {
      readonly kind: 'tick'
      readonly region: RegionId
      readonly entered: number
      readonly size: number
      readonly witnessed?: WitnessNews
    }
  | { readonly kind: 'retry'; readonly region: RegionId; readonly reason: string }
  | { readonly kind: 'fatal'; readonly region: RegionId; readonly reason: string }
  | { readonly kind: 'stopped'; readonly region: RegionId }

export type SequencerMessage = Extract<FromSequencers, { kind: 'tick' | 'retry' }>

export interface SequencerEvents {
  readonly onMessage: (message: SequencerMessage) => void
  /** The region's ledger has stopped by itself and signs nothing more until a person has looked. */
  readonly onFatal: (error: Error) => void
}

export interface RunningSequencer {
  /** Enters what is still a draft, then ends. */
  stop(): Promise<void>
  /** Hands over a checkpoint of the region's log with cosignatures on it. */
  cosigned(note: string): void
  /** The ledger signs nothing more, after a restart neither, and says why with `onFatal`. */
  halt(reason: string): void
}

export interface SequencerThread extends AsyncDisposable {
  run(config: SequencerConfig, events: SequencerEvents): RunningSequencer
}

/**
 * One thread for the sequencers of all regions of the process, beside whatever answers requests: hashing never delays
 * an answer. Each region has its own loop in it; one that stops takes no other with it.
 */
export function startSequencerThread(): SequencerThread {
  const worker = new Worker(new URL('./sequencer-worker.ts', import.meta.url), {
    // A batch needs a few megabytes. Without a bound the collector lets the thread keep a hundred.
    resourceLimits: { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 256 },
  })
  const running = new Map<RegionId, SequencerEvents & { readonly ended: () => void }>()
  const tell = (message: ToSequencers): void => worker.postMessage(message)
  const end = (region: RegionId, error: Error | null): void => {
    const events = running.get(region)
    running.delete(region)
    if (error !== null) events?.onFatal(error)
    events?.ended()
  }
  worker.on('message', (message: FromSequencers) => {
    switch (message.kind) {
      case 'tick':
      case 'retry':
        return running.get(message.region)?.onMessage(message)
      case 'fatal':
        return end(message.region, new Error(message.reason))
      case 'stopped':
        return end(message.region, null)
      default:
        return message satisfies never
    }
  })
  // The thread itself is gone (no memory, say): then so is every ledger in it.
  const allGone = (error: Error): void => {
    for (const region of [...running.keys()]) end(region, error)
  }
  worker.on('error', allGone)
  worker.on('exit', () => allGone(new Error('the sequencers’ thread has ended')))

  return {
    run(config, events) {
      const { region } = config
      const ended = new Promise<void>(resolve => running.set(region, { ...events, ended: resolve }))
      tell({ kind: 'run', config })
      return {
        async stop() {
          if (running.has(region)) tell({ kind: 'stop', region })
          await ended
        },
        cosigned: note => tell({ kind: 'cosigned', region, note }),
        halt: reason => tell({ kind: 'halt', region, reason }),
      }
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}
