/**
 * The workers of the main process: started together, replaced when one dies, stopped after they have answered. The
 * main process accepts connections and hands each to the next worker in turn, so that few connections spread evenly.
 */
import cluster, { type Worker } from 'node:cluster'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from './config.ts'
import { HoldfastError } from './core/errors.ts'
import { createHolds } from './core/holds.ts'
import { newSortableId, type RandomBytes, type RegionId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { MetricsSnapshot } from './core/metrics.ts'
import type { Clock } from './core/time.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

export interface WorkerPool extends AsyncDisposable {
  readonly port: number
  readonly tlsPort: number | null
  /** How many of them serve. */
  serving(): number
  fault(region: RegionId, reason: string): void
  reloadCertificate(): void
  /** Of every worker that answers within a second. */
  metrics(): Promise<MetricsSnapshot[]>
}

/**
 * A worker is one of several processes on few cores: helper threads that collect garbage beside it would only take
 * the core from another worker, and a small young generation has the buffers of finished requests freed soon.
 */
const execArgv = ['--expose-gc', '--single-threaded-gc', '--max-semi-space-size=16']
const restartAfterMs = 500
const stopMs = 15_000
const metricsMs = 1000

export interface WorkerPoolOptions {
  readonly count: number
  readonly config: Config
  /** Who may append to segments: a worker is in it from before it starts until after it has ended. */
  readonly writers: Set<string>
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

export async function startWorkers(options: WorkerPoolOptions): Promise<WorkerPool> {
  const { count, config, writers, clock, randomBytes, log } = options
  const names = createHolds()
  const faults = new Map<RegionId, string>()
  const live = new Map<number, Worker>()
  const questions = new Map<number, (snapshot: MetricsSnapshot) => void>()
  let question = 0
  let stopping = false
  let ports: { port: number; tlsPort: number | null } | null = null

  cluster.setupPrimary({ exec: join(import.meta.dirname, 'worker.ts'), args: [], execArgv, silent: false })
  const tell = (worker: Worker, message: ToWorker): void => {
    if (worker.isConnected()) worker.send(message)
  }

  const startOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // Whoever takes a dead worker's place must have its ports, also where the first ones were chosen by the system.
      const own = ports === null ? config : withPorts(config, ports)
      const writer = newSortableId(clock(), randomBytes)
      writers.add(writer)
      const worker = cluster.fork({
        HOLDFAST_WORKER_CONFIG: JSON.stringify(own),
        HOLDFAST_WORKER_WRITER: writer,
        // Each sync holds a thread while the disk works; reads and commits must not wait behind a few large uploads.
        UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '16',
      })
      const holds = new Map<number, Disposable | null>()
      let reason = 'it ended before it was ready'
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'ready':
            ports ??= { port: message.port, tlsPort: message.tlsPort }
            live.set(worker.id, worker)
            for (const [region, why] of faults) tell(worker, { kind: 'fault', region, reason: why })
            return resolve()
          case 'failed':
            reason = message.reason
            return
          case 'hold': {
            const { hold, name } = message
            holds.set(hold, null)
            return void names.hold(name).then(held => {
              if (!holds.has(hold)) return held[Symbol.dispose]()
              holds.set(hold, held)
              tell(worker, { kind: 'held', hold })
            })
          }
          case 'release':
            holds.get(message.hold)?.[Symbol.dispose]()
            return void holds.delete(message.hold)
          case 'metrics':
            return questions.get(message.question)?.(message.snapshot)
          default:
            return message satisfies never
        }
      })
      worker.once('exit', (code, signal) => {
        const wasServing = live.delete(worker.id)
        writers.delete(writer)
        for (const held of holds.values()) held?.[Symbol.dispose]()
        holds.clear()
        if (!wasServing) return reject(new HoldfastError('conflict', `a worker could not start: ${reason}`))
        if (stopping) return
        log('error', 'worker-died', { pid: worker.process.pid ?? 0, code, signal: String(signal) })
        void replace()
      })
    })

  /** Until there is one again: a worker that cannot start (no memory, say) is tried anew, not given up. */
  const replace = async (): Promise<void> => {
    for (let waitMs = restartAfterMs; !stopping; waitMs = Math.min(waitMs * 2, 30_000)) {
      await sleep(waitMs, undefined, { ref: false })
      if (stopping) return
      try {
        return await startOne()
      } catch (error) {
        log('error', 'worker-not-replaced', { error: String(error) })
      }
    }
  }

  const stop = async (): Promise<void> => {
    stopping = true
    const all = Object.values(cluster.workers ?? {}).filter(worker => worker !== undefined)
    await Promise.all(
      all.map(async worker => {
        const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()))
        tell(worker, { kind: 'stop' })
        const late = new AbortController()
        void sleep(stopMs, undefined, { signal: late.signal, ref: false }).then(
          () => worker.process.kill('SIGKILL'),
          () => {},
        )
        await ended
        late.abort()
      }),
    )
  }

  try {
    // One first: it is the one that says whether the ports can be had.
    await startOne()
    await Promise.all(Array.from({ length: count - 1 }, startOne))
  } catch (error) {
    await stop()
    throw error
  }

  return {
    ...ports!,
    serving: () => live.size,
    fault(region, reason) {
      faults.set(region, reason)
      for (const worker of live.values()) tell(worker, { kind: 'fault', region, reason })
    },
    reloadCertificate() {
      for (const worker of live.values()) tell(worker, { kind: 'reload-certificate' })
    },
    async metrics() {
      const answers = Array.from(live.values(), async worker => {
        const id = question++
        const answer = new Promise<MetricsSnapshot>(resolve => questions.set(id, resolve))
        tell(worker, { kind: 'metrics', question: id })
        const snapshot = await Promise.race([answer, sleep(metricsMs, null, { ref: false })])
        questions.delete(id)
        return snapshot
      })
      return (await Promise.all(answers)).filter(snapshot => snapshot !== null)
    },
    [Symbol.asyncDispose]: stop,
  }
}

function withPorts(config: Config, { port, tlsPort }: { port: number; tlsPort: number | null }): Config {
  const { s3Tls } = config
  return {
    ...config,
    s3Port: port,
    s3Tls: s3Tls === null || tlsPort === null ? null : { ...s3Tls, port: tlsPort },
  }
}
