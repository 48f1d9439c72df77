/** The thread in which the regions of the process hear their peers (`peer-worker.ts`), seen from the main one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Config } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { type InstructionId, newSortableId, type RandomBytes, type RegionId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { Clock } from './core/time.ts'
import type { FromPeerThread, ToPeerThread } from './peer-messages.ts'

export interface PeerThread extends AsyncDisposable {
  /** POSIX seconds. */
  witnessed(region: RegionId, timeUnixS: number): void
}

export interface PeerThreadOptions {
  readonly config: Config
  /** Who may append to segments: the thread is in it from before it starts until after it has ended. */
  readonly writers: Set<string>
  readonly wake: (region: RegionId, instruction: InstructionId) => void
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

/** What the thread is given when it starts; plain data, because it crosses to another thread. */
export interface PeerThreadData {
  readonly config: Config
  readonly writer: string
}

const mostEndMs = 5000

/**
 * Taking in what a peer sends costs as much as sending it. In a thread of its own it leaves the main one to the
 * executors, so that a transfer between two regions of one process has a core for each end. Resolves when every region
 * listens; rejects when one cannot.
 */
export async function startPeerThread(options: PeerThreadOptions): Promise<PeerThread> {
  const { config, writers, wake, clock, randomBytes, log } = options
  const writer = newSortableId(clock(), randomBytes)
  writers.add(writer)
  const workerData: PeerThreadData = { config, writer }
  const worker = new Worker(new URL('./peer-worker.ts', import.meta.url), { workerData })
  const tell = (message: ToPeerThread): void => worker.postMessage(message)
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let isStopping = false
  worker.on('message', (message: FromPeerThread) => {
    switch (message.kind) {
      case 'ready':
        return ready.resolve()
      case 'failed':
        isStopping = true
        return ready.reject(new HoldfastError('conflict', message.reason))
      case 'wake':
        return wake(message.region, message.instruction)
      case 'log':
        return log(message.level, message.event, message.fields)
      default:
        return message satisfies never
    }
  })
  // Nobody expects an error that reaches this: the process ends, as by one in the main thread, and starts again clean.
  worker.once('error', error => {
    throw error
  })
  worker.once('exit', code => {
    writers.delete(writer)
    ended.resolve()
    if (!isStopping) throw new Error(`the thread that hears the peers has ended with ${code}`)
  })
  try {
    await ready.promise
  } catch (error) {
    // What it had opened is closed before others close theirs.
    await Promise.race([ended.promise, sleep(mostEndMs, undefined, { ref: false })])
    await worker.terminate()
    throw error
  }
  return {
    witnessed: (region, timeUnixS) => tell({ kind: 'witnessed', region, timeUnixS }),
    async [Symbol.asyncDispose]() {
      isStopping = true
      tell({ kind: 'stop' })
      await ended.promise
    },
  }
}
