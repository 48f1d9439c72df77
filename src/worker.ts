/**
 * A worker: the S3 face in a process of its own. It shares the regions' catalogs and blob folders with the main
 * process, which has the sequencers, the executors and everything else that must be there once. Without the main
 * process it ends at once, so that nothing is stored that nobody enters.
 */
import { randomFillSync } from 'node:crypto'
import { createAppMetrics } from './app-metrics.ts'
import { createPlaces } from './client-places.ts'
import type { Config } from './config.ts'
import { messageOf } from './core/errors.ts'
import type { Holds } from './core/holds.ts'
import type { RegionId } from './core/ids.ts'
import { jsonLinesLog } from './core/log.ts'
import { createRandomPool } from './core/random-pool.ts'
import { openRegionAccess, type RegionAccess } from './open-region.ts'
import { startS3Face } from './s3-face.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'
import { startYoungCollector } from './young-collector.ts'

const config = JSON.parse(process.env.HOLDFAST_WORKER_CONFIG ?? '') as Config
const writer = process.env.HOLDFAST_WORKER_WRITER ?? ''
const clock = Date.now
const log = jsonLinesLog(line => process.stderr.write(line), clock)
const randomBytes = createRandomPool(randomFillSync)
const metrics = createAppMetrics()
const faults = new Map<RegionId, string>()
const waiting = new Map<number, () => void>()
let holdNumber = 0

const tell = (message: FromWorker): void => {
  if (process.connected) process.send!(message)
}

// The main process decides when to stop; a Ctrl-C in the terminal reaches every process of the group.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('disconnect', () => process.exit(1))

/** One name at a time over all workers: the main process keeps the queue, and lets go for a worker that died. */
const bucketNames: Holds = {
  async hold(name) {
    const hold = holdNumber++
    await new Promise<void>(resolve => {
      waiting.set(hold, resolve)
      tell({ kind: 'hold', hold, name })
    })
    return { [Symbol.dispose]: () => tell({ kind: 'release', hold }) }
  },
}

async function start(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  stack.use(startYoungCollector())
  const regions = new Map<RegionId, RegionAccess>()
  const placeOf = createPlaces(config)
  for (const region of config.regions) {
    const deps = {
      folder: config.dataFolder,
      writer,
      diskReserveBytes: config.diskReserveBytes,
      segmentBytes: config.segmentBytes,
      placeOf,
      clock,
      randomBytes,
      log,
    }
    regions.set(region.id, stack.use(await openRegionAccess(region, deps)))
  }
  const face = stack.use(
    await startS3Face(config, {
      regions,
      stopped: id => faults.get(id) ?? null,
      bucketNames,
      clock,
      randomBytes,
      log,
      metrics,
    }),
  )
  const owned = stack.move()
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'fault':
        return void faults.set(message.region, message.reason)
      case 'held':
        waiting.get(message.hold)?.()
        return void waiting.delete(message.hold)
      case 'metrics':
        return tell({ ...message, snapshot: metrics.snapshot() })
      case 'reload-certificate':
        return reload(face)
      case 'stop':
        return void owned.disposeAsync().then(
          () => process.exit(0),
          error => {
            log('error', 'worker-stop-failed', { error: messageOf(error) })
            process.exit(1)
          },
        )
      default:
        return message satisfies never
    }
  })
  tell({ kind: 'ready', port: face.port, tlsPort: face.tlsPort })
}

function reload(face: { reloadCertificate(): void }): void {
  try {
    face.reloadCertificate()
    log('info', 'certificate-reloaded', { pid: process.pid })
  } catch (error) {
    log('error', 'certificate-not-reloaded', { error: messageOf(error) })
  }
}

await start().catch(error => {
  tell({ kind: 'failed', reason: messageOf(error) })
  process.exit(1)
})
