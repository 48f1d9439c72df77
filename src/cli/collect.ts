/** `collect`: receives flow exports until it is interrupted, and says what it has. */
import { readFile, stat } from 'node:fs/promises'
import { availableParallelism, setPriority } from 'node:os'
import { join, resolve } from 'node:path'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { type CollectorOptions, startCollector } from '../flows/collect/collector.ts'
import { readCommit } from '../flows/collect/commit.ts'
import type { MaintenancePlan } from '../flows/collect/maintain.ts'
import { realDisk } from '../flows/collect/spool-disk.ts'
import { describeStatus, statusOf } from '../flows/collect/status-report.ts'
import { humanCount } from '../flows/report/units.ts'
import { type CollectOptions, collectUsage, parseCollectOptions } from './collect-options.ts'
import type { CommandIo, ExitCode } from './io.ts'
import { untilStopped } from './until-stopped.ts'

type Collect = Extract<CollectOptions, { readonly mode: 'collect' }>

export async function collectCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const options = parseCollectOptions(argv)
  switch (options.mode) {
    case 'help':
      io.stdout.write(collectUsage)
      return 0
    case 'status': {
      await stat(options.folder).catch(() => {
        throw new HoldfastError('bad-input', `${options.folder}: no such folder`)
      })
      const report = await statusOf(options.folder, Date.now())
      io.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeStatus(report))
      return 0
    }
    case 'collect':
      return await collect(options, io)
  }
}

const hourMs = 3_600_000
const minuteMs = 60_000

async function collect(options: Collect, io: CommandIo): Promise<ExitCode> {
  const stopped = untilStopped()
  const onEvent = (text: string) => io.stderr.write(`${new Date().toISOString()} ${text}\n`)
  const collector = await startCollector({
    folder: resolve(options.folder),
    listen: options.listen,
    limits: {
      segmentBytes: 64 * 1024 * 1024,
      segmentMs: options.segmentMs,
      memoryBytes: options.bufferBytes,
      keepFreeBytes: options.keepFreeBytes,
      retryMs: 1000,
    },
    maintenance: await maintenanceOf(options),
    maintainEveryMs: minuteMs,
    engine: { memoryMiB: options.memoryMiB, threads: Math.max(1, availableParallelism() - 1) },
    disk: realDisk,
    now: Date.now,
    monotonicMs: () => performance.now(),
    onEvent,
  })
  for (const { address, port, bufferBytes } of collector.listening) {
    io.stdout.write(`holdfast collect ready: ${address}:${port} (UDP), into ${options.folder}\n`)
    if (bufferBytes < enoughBufferBytes)
      onEvent(
        `the kernel keeps only ${bufferBytes} bytes for ${address}:${port}: raise net.core.rmem_max, or bursts are lost`,
      )
  }
  hurry()
  await stopped
  onEvent('stopping: what has arrived is stored and decoded; a second signal ends it at once')
  const { received, unwritten, kernelDrops } = await collector.stop()
  const { datagrams, records } = await readCommit(resolve(options.folder))
  io.stdout.write(
    options.json
      ? `${JSON.stringify({ received, decoded: datagrams, records, unwritten, kernelDrops })}\n`
      : `${humanCount(received)} datagrams received; in ${options.folder} ${humanCount(records)} records of ${humanCount(datagrams)}\n`,
  )
  return 0
}

/** On Linux a priority is a thread's own, so this is the receiving alone. Only the mighty may ask for it. */
function hurry(): void {
  try {
    if (process.platform === 'linux') setPriority(0, -10)
  } catch {
    // As before, then.
  }
}

/** About 900 datagrams, as the kernel counts: a pause of 40 ms at 500,000 records a second. */
const enoughBufferBytes = 2 * 1024 * 1024

async function maintenanceOf({ folder, places, alerts, ...options }: Collect): Promise<MaintenancePlan> {
  const own = places === null ? null : await named(places)
  return {
    keepRawMs: options.keepRawMs,
    keepRollUpMs: options.keepRollUpMs,
    closeAfterMs: hourMs / 2,
    rollUp: { places: own, databases: 'installed' },
    alerts:
      alerts === null
        ? null
        : {
            file: join(resolve(folder), 'alerts.jsonl'),
            leastBytes: alerts.leastBytes,
            directory: {
              inventory: await named(alerts.servers),
              places: own,
              ranges: await Promise.all(alerts.ranges.map(named)),
              home: alerts.home,
              databases: 'installed',
            },
          },
  } satisfies CollectorOptions['maintenance']
}

async function named(path: string): Promise<{ name: string; text: string }> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw new HoldfastError('bad-input', `${path}: ${messageOf(error)}`)
  })
  return { name: path, text }
}
