/** A collector on loopback with a set clock, what exporters send to it, and what it has on disk. */
import { createSocket } from 'node:dgram'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Collector, type CollectorOptions, startCollector } from '../../src/flows/collect/collector.ts'
import { readCommit } from '../../src/flows/collect/commit.ts'
import { hoursOf, type Kind, rangeFiles } from '../../src/flows/collect/folder.ts'
import { realDisk } from '../../src/flows/collect/spool-disk.ts'
import { Duck } from '../../src/flows/engine/duck.ts'
import { parquetFiles } from '../../src/flows/engine/parquet-files.ts'
import { address, ipfix, netflowV9, set, template, u } from './export-messages.ts'

/** What messages of `export-messages.ts` are dated. */
export const exportedUnixMs = 1_768_471_200_000
export const hourMs = 3_600_000

export type TestFolder = AsyncDisposable & { readonly path: string }

export function collectorFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-collect-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export type Changes = Partial<Omit<CollectorOptions, 'limits' | 'maintenance'>> & {
  readonly limits?: Partial<CollectorOptions['limits']>
  readonly maintenance?: Partial<CollectorOptions['maintenance']>
}

export function collectInto(folder: string, changes: Changes = {}): Promise<Collector> {
  const { limits, maintenance, ...others } = changes
  return startCollector({
    folder,
    listen: [{ host: '127.0.0.1', port: 0 }],
    limits: {
      segmentBytes: 1024 * 1024,
      segmentMs: 60_000,
      memoryBytes: 8 * 1024 * 1024,
      keepFreeBytes: 0,
      retryMs: 50,
      ...limits,
    },
    maintenance: {
      keepRawMs: 30 * 24 * hourMs,
      keepRollUpMs: 300 * 24 * hourMs,
      closeAfterMs: 0,
      rollUp: { places: null, databases: 'none' },
      alerts: null,
      ...maintenance,
    },
    maintainEveryMs: hourMs,
    engine: { memoryMiB: 256, threads: 1 },
    disk: realDisk,
    now: () => exportedUnixMs,
    monotonicMs: () => performance.now(),
    onEvent: () => {},
    ...others,
  })
}

/** Each as a datagram of its own, in this order. `from` makes another exporter of the sender. */
export async function send(port: number, datagrams: readonly Buffer[], from = '127.0.0.1'): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>(done => socket.bind(0, from, done))
  for (const [index, datagram] of datagrams.entries()) {
    await new Promise<void>((resolve, reject) =>
      socket.send(datagram, port, '127.0.0.1', error => (error ? reject(error) : resolve())),
    )
    // A receiver of one process with the sender gets its turn.
    if (index % 32 === 31) await sleep(1)
  }
  await new Promise<void>(done => socket.close(done))
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10)
}

/** Sends, and waits until all of it has arrived. */
export async function deliver(
  collector: Collector,
  datagrams: readonly Buffer[],
  { socket = 0, from = '127.0.0.1' } = {},
): Promise<void> {
  const { received } = collector.counts()
  await send(collector.listening[socket]!.port, datagrams, from)
  await until(() => collector.counts().received >= received + datagrams.length)
}

const fields = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 4],
  [2, 4],
] as const

export const templateSet = set(2, template(256, fields))
export const templateSetV9 = set(0, template(256, fields))

/** A record of 10.0.0.1; the number is told by its ports and bytes. */
export const record = (number: number, to = '198.51.100.9'): Buffer =>
  Buffer.concat([
    ...[address('10.0.0.1'), address(to), u(2, number & 0xffff), u(2, 443), u(1, 6)],
    ...[u(4, 1000 + number), u(4, 2)],
  ])

export const ipfixData = (sequence: number, ...numbers: readonly number[]): Buffer =>
  ipfix(sequence, 1, set(256, ...numbers.map(number => record(number))))
export const v9Data = (sequence: number, ...numbers: readonly number[]): Buffer =>
  netflowV9(sequence, 1, set(256, ...numbers.map(number => record(number))))

/** `address:port>address:port/protocol packets/bytes` of every record that is stored, sorted. */
export async function storedLines(folder: string): Promise<readonly string[]> {
  const rows = await query(
    folder,
    'raw',
    `SELECT concat(src_addr, ':', src_port, '>', dst_addr, ':', dst_port, '/', protocol, ' ', packets, '/', bytes) AS line`,
  )
  return rows.map(({ line }) => String(line)).sort()
}

export const lineOf = (number: number, to = '198.51.100.9'): string =>
  `10.0.0.1:${number & 0xffff}>${to}:443/6 2/${1000 + number}`

/** `select` over all files of a kind that are committed. */
export async function query(folder: string, kind: Kind, select: string, rest = '') {
  const { through } = await readCommit(folder)
  const paths: string[] = []
  for (const hour of await hoursOf(folder, kind))
    for (const file of await rangeFiles(folder, kind, hour))
      if (file.through <= through) paths.push(file.path)
  if (paths.length === 0) return []
  await using duck = await Duck.open({ memoryMiB: 256, threads: 1 })
  return await duck.rows(`${select} FROM ${parquetFiles(paths)} ${rest}`)
}
