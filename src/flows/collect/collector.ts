/**
 * A collector of flow exports: sockets, spool and decoder, put together over one folder (`docs/collect.md`).
 *
 * The thread that this runs on receives and writes down, and does nothing else: what is not taken in time is gone.
 */
import type { Socket } from 'node:dgram'
import { messageOf } from '../../core/errors.ts'
import { isDiskFull, makeFolderDurable } from '../../store/durable-file.ts'
import { takeProcessLock } from '../../store/process-lock.ts'
import type { CommitSummary } from './collect-messages.ts'
import { readCommit } from './commit.ts'
import { createDecoderQueue } from './decoder-queue.ts'
import { lockPath } from './folder.ts'
import { kernelDrops } from './kernel-drops.ts'
import type { MaintenancePlan } from './maintain.ts'
import { Spool, type SpoolCounts, type SpoolLimits } from './spool.ts'
import type { SpoolDisk } from './spool-disk.ts'
import { type CollectorStatus, readStatus, writeStatus } from './status.ts'
import { takeUpSpool } from './take-up.ts'
import { openUdp } from './udp-socket.ts'

export type CollectorOptions = {
  readonly folder: string
  readonly listen: readonly { readonly host: string; readonly port: number }[]
  readonly limits: SpoolLimits
  readonly maintenance: MaintenancePlan
  readonly maintainEveryMs: number
  readonly engine: { readonly memoryMiB: number; readonly threads: number }
  readonly disk: SpoolDisk
  readonly now: () => number
  readonly monotonicMs: () => number
  /** Something an operator should see, once for each time it begins or ends. */
  readonly onEvent: (text: string) => void
}

export type Collector = AsyncDisposable & {
  readonly listening: readonly {
    readonly address: string
    readonly port: number
    readonly bufferBytes: number
  }[]
  readonly counts: () => SpoolCounts
  readonly decoded: () => CommitSummary | null
  /**
   * Stops receiving, stores what arrived, decodes what is stored, and writes the last status. What is not decoded by
   * then, because the disk is full, is by the next run.
   */
  readonly stop: () => Promise<CollectorStatus>
}

const statusEveryMs = 1000

/** Throws `conflict` when another collector has the folder, `bad-input` when it holds what no collector wrote. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { folder, now, monotonicMs, onEvent } = options
  await using stack = new AsyncDisposableStack()
  await makeFolderDurable(folder)
  const lock = await takeLock(folder, onEvent)
  if (lock !== null) stack.use(lock)
  const before = await readStatus(folder)
  const { through } = await readCommit(folder)
  const taken = await takeUpSpool(folder)
  if (taken.cutBytes > 0) onEvent(`cut off ${taken.cutBytes} bytes that a crash left unfinished`)

  const { limits, engine, maintenance, maintainEveryMs } = options
  const queue = createDecoderQueue({
    data: { folder, ...engine, maintenance },
    ...{ now, monotonicMs, retryMs: limits.retryMs, maintainEveryMs },
  })
  stack.use(queue)
  for (const segment of taken.segments) queue.add(segment)
  const spool = new Spool({
    ...{ disk: options.disk, folder, limits, now, monotonicMs },
    firstSegment: Math.max(through, ...taken.segments) + 1,
    onSegment: ({ number }) => queue.add(number),
  })
  spool.start()
  const sockets: Socket[] = []
  const closeSockets = async (): Promise<void> => {
    await Promise.all(sockets.splice(0).map(socket => new Promise<void>(done => socket.close(done))))
  }
  stack.defer(closeSockets)
  const receive = (payload: Buffer, address: string, port: number) => spool.add(payload, address, port)
  for (const at of options.listen)
    sockets.push(await openUdp(at, receive, error => onEvent(`a socket failed: ${messageOf(error)}`)))
  const listening = sockets.map(socket => ({
    ...socket.address(),
    bufferBytes: socket.getRecvBufferSize(),
  }))
  const ports = new Set(listening.map(({ port }) => port))
  const startedUnixMs = now()
  let drops: number | null = 0
  const lookAtDrops = async (): Promise<void> => {
    drops = await kernelDrops(ports)
  }

  const status = (stoppedUnixMs: number | null): CollectorStatus => {
    const { received, waiting, unwritten, fault } = spool.counts()
    return {
      format: before.format,
      updatedUnixMs: now(),
      startedUnixMs,
      stoppedUnixMs,
      listen: listening.map(
        ({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${port}`,
      ),
      received,
      waiting,
      unwritten: {
        datagrams: before.unwritten.datagrams + unwritten.datagrams,
        records: before.unwritten.records + unwritten.records,
        datagramsOfUnknownRecords:
          before.unwritten.datagramsOfUnknownRecords + unwritten.datagramsOfUnknownRecords,
      },
      kernelDrops: before.kernelDrops + (drops ?? 0),
      mayHaveMoreDrops: before.mayHaveMoreDrops || drops === null,
      alerts: before.alerts + queue.alerts(),
      faults: [fault, ...queue.faults()].filter(text => text !== null),
    }
  }

  let stopping: Promise<CollectorStatus> | null = null
  let faults: readonly string[] = []
  let writing: Promise<void> = Promise.resolve()
  const tell = async (): Promise<void> => {
    if (stopping === null) await lookAtDrops()
    const current = status(null)
    for (const fault of current.faults) if (!faults.includes(fault)) onEvent(fault)
    if (faults.length > 0 && current.faults.length === 0) onEvent('all is in order again')
    faults = current.faults
    // A full disk takes no status either; the next second is another try.
    await writeStatus(folder, current).catch(() => {})
  }
  const timer = setInterval(() => {
    writing = writing.then(tell)
  }, statusEveryMs)
  stack.defer(() => clearInterval(timer))
  await tell()

  const owned = stack.move()
  const stop = (): Promise<CollectorStatus> => {
    stopping ??= (async () => {
      // What the kernel threw away is gone with the sockets: nobody may look after this.
      await writing
      await lookAtDrops()
      await closeSockets()
      await spool.stop()
      await queue.drained()
      clearInterval(timer)
      await writing
      const last = status(now())
      await writeStatus(folder, last).catch(error =>
        onEvent(`the last status is not on disk: ${messageOf(error)}`),
      )
      await owned.disposeAsync()
      return last
    })()
    return stopping
  }
  return {
    listening,
    counts: () => spool.counts(),
    decoded: () => queue.commit(),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** A disk that is full keeps nobody from receiving and counting: then there is no lock, which is `null`. */
async function takeLock(
  folder: string,
  onEvent: CollectorOptions['onEvent'],
): Promise<AsyncDisposable | null> {
  try {
    return await takeProcessLock(lockPath(folder), `another collector writes to ${folder}`)
  } catch (error) {
    if (!isDiskFull(error)) throw error
    onEvent('the disk is full: started without a lock on the folder')
    return null
  }
}
