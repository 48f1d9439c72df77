import { createSocket } from 'node:dgram'
import { writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readCommit, writeCommit } from '../../../src/flows/collect/commit.ts'
import { describeStatus, statusOf } from '../../../src/flows/collect/status-report.ts'
import {
  collectInto,
  collectorFolder,
  deliver,
  exportedUnixMs,
  ipfixData,
  lineOf,
  query,
  storedLines,
  templateSet,
  templateSetV9,
  until,
  v9Data,
} from '../../support/collector.ts'
import { ipfix, netflowV9, u } from '../../support/export-messages.ts'
import { createChance } from '../../support/random.ts'
import { flowSample, sflow } from '../../support/sflow-messages.ts'

const folders = new AsyncDisposableStack()
afterAll(() => folders.disposeAsync())
const folder = () => folders.use(collectorFolder()).path

const hasIpv6 = (networkInterfaces().lo ?? []).some(({ family }) => family === 'IPv6')

const listen = [
  { host: '127.0.0.1', port: 0 },
  { host: '127.0.0.1', port: 0 },
]

function netflowV5(sequence: number, count: number): Buffer {
  const head = [
    u(2, 5),
    u(2, count),
    u(4, 100_000),
    u(4, exportedUnixMs / 1000),
    u(4, 0),
    u(4, sequence),
    u(4, 0),
  ]
  const one = Buffer.concat([
    ...[Buffer.from([10, 0, 0, 1]), Buffer.from([198, 51, 100, 9]), u(4, 0), u(4, 0), u(4, 2), u(4, 1007)],
    ...[u(4, 90_000), u(4, 95_000), u(2, 7), u(2, 443), u(1, 0), u(1, 24), u(1, 6), u(1, 0), u(8, 0)],
  ])
  return Buffer.concat([...head, ...Array<Buffer>(count).fill(one)])
}

describe('a collector', () => {
  it('stores what arrives at any of its sockets, by hour, and says so', async () => {
    const path = folder()
    const collector = await collectInto(path, { listen })
    await deliver(collector, [netflowV9(0, 1, templateSetV9), v9Data(1, 1, 2, 3)], { from: '127.0.0.2' })
    await deliver(collector, [ipfix(0, 1, templateSet), ipfixData(0, 4, 5)], { socket: 1, from: '127.0.0.3' })
    await deliver(collector, [netflowV5(0, 2)], { from: '127.0.0.4' })
    const last = await collector.stop()
    expect(last).toMatchObject({ received: 5, waiting: 0, unwritten: { datagrams: 0 }, faults: [] })

    const numbers = [1, 2, 3, 4, 5, 7, 7]
    expect(await storedLines(path)).toEqual(numbers.map(number => lineOf(number)).sort())
    const status = await statusOf(path, exportedUnixMs)
    expect(status).toMatchObject({
      state: 'stopped',
      stored: { datagrams: 5, decoded: 5, inSpool: 0, records: 7, raw: ['2026-01-15T09', '2026-01-15T10'] },
      lost: { byProtocol: [], kernelDrops: 0 },
    })
    expect(status.exporters.map(({ exporter, records, lost }) => [exporter, records, lost])).toEqual([
      ['127.0.0.2', 3, []],
      ['127.0.0.3', 2, []],
      ['127.0.0.4', 2, []],
    ])
    expect(await query(path, 'raw', 'SELECT DISTINCT exporter', 'ORDER BY 1')).toEqual([
      { exporter: '127.0.0.2' },
      { exporter: '127.0.0.3' },
      { exporter: '127.0.0.4' },
    ])
  })

  it('states loss in the unit that each protocol counts', async () => {
    const path = folder()
    const collector = await collectInto(path)
    await deliver(collector, [netflowV9(10, 1, templateSetV9), v9Data(14, 1), v9Data(15, 2)], {
      from: '127.0.0.2',
    })
    await deliver(collector, [ipfix(100, 1, templateSet), ipfixData(100, 3, 4), ipfixData(109, 5)], {
      from: '127.0.0.3',
    })
    await deliver(
      collector,
      [1, 2, 6].map(number =>
        sflow(number, [flowSample({ sequence: number, rate: 1 })], { agent: '127.0.0.4' }),
      ),
      { from: '127.0.0.4' },
    )
    await deliver(collector, [netflowV5(50, 2), netflowV5(59, 1)], { from: '127.0.0.5' })
    // Nothing in what this one sends is numbered.
    await deliver(collector, [Buffer.from('no export at all')], { from: '127.0.0.6' })
    await collector.stop()
    const { lost, exporters } = await statusOf(path, exportedUnixMs)
    expect(lost.byProtocol).toEqual(
      expect.arrayContaining([
        { protocol: 'NetFlow v9', unit: 'packets', lost: 3 },
        { protocol: 'IPFIX', unit: 'records', lost: 7 },
        { protocol: 'sFlow', unit: 'datagrams', lost: 3 },
        { protocol: 'NetFlow v5', unit: 'records', lost: 7 },
      ]),
    )
    const of = (address: string) => exporters.find(({ exporter }) => exporter === address)!.lost
    expect(of('127.0.0.2')).toEqual([{ protocol: 'NetFlow v9', part: 'source 1', unit: 'packets', lost: 3 }])
    expect(of('127.0.0.6')).toBeNull()
  })

  it('states what an sFlow agent dropped, and losses that nobody numbered', async () => {
    const path = folder()
    const collector = await collectInto(path)
    const samples = [1, 2].map(number => flowSample({ sequence: number, rate: 1, drops: number * 5000 }))
    await deliver(
      collector,
      samples.map((sample, index) => sflow(index, [sample], { agent: '127.0.0.4' })),
      { from: '127.0.0.4' },
    )
    await collector.stop()
    const status = await statusOf(path, exportedUnixMs)
    expect(status.lost).toMatchObject({
      byProtocol: [{ protocol: 'sFlow', unit: 'samples', lost: 5000 }],
      otherwise: [],
    })
    expect(describeStatus(status)).toContain('lost: 5 000 samples of sFlow dropped by the agent')

    const commit = await readCommit(path)
    const unsampled = { reason: 'records whose rate came late', count: 9, bytes: 0 }
    await writeCommit(path, { ...commit, notes: { ...commit.notes, lost: [unsampled] } })
    const other = await statusOf(path, exportedUnixMs)
    expect(other.lost).toMatchObject({ byProtocol: [], otherwise: [unsampled] })
    expect(describeStatus(other)).toContain('  records whose rate came late (9)\n')
  })

  it('reads on after whatever else is sent to it', async () => {
    const path = folder()
    const collector = await collectInto(path)
    const chance = createChance(7)
    const noise = Array.from({ length: 400 }, (_, index) => {
      const bytes = chance.bytes(index === 0 ? 0 : chance.below(1400))
      if (bytes.length >= 4 && index % 2 === 0) bytes.writeUInt16BE([1, 5, 7, 9, 10, 0][index % 6]!, 0)
      return bytes
    })
    const largest = Buffer.alloc(65_507, 0xff)
    await deliver(collector, [ipfix(0, 1, templateSet), ...noise, largest, ipfixData(0, 1, 2)])
    await collector.stop()
    expect(await storedLines(path)).toEqual(expect.arrayContaining([lineOf(1), lineOf(2)]))
    const { stored, unread } = await statusOf(path, exportedUnixMs)
    expect(stored).toMatchObject({ datagrams: 403, decoded: 403, setAside: 0 })
    expect(unread.length).toBeGreaterThan(0)
  })

  it('keeps what begins far from when it arrived away from the hours', async () => {
    const path = folder()
    const collector = await collectInto(path, { now: () => exportedUnixMs + 40 * 24 * 3_600_000 })
    await deliver(collector, [ipfix(0, 1, templateSet), ipfixData(0, 1)])
    await collector.stop()
    expect(await storedLines(path)).toEqual([lineOf(1)])
    expect((await statusOf(path, exportedUnixMs)).stored.raw).toEqual([])
  })

  it.skipIf(!hasIpv6)('receives over IPv6, and from IPv4 at the same socket', async () => {
    const path = folder()
    const collector = await collectInto(path, { listen: [{ host: '::', port: 0 }] })
    const socket = createSocket('udp6')
    const { port } = collector.listening[0]!
    for (const datagram of [ipfix(0, 1, templateSet), ipfixData(0, 1)])
      await new Promise<void>(done => socket.send(datagram, port, '::1', () => done()))
    socket.close()
    await until(() => collector.counts().received === 2)
    await deliver(collector, [ipfix(0, 1, templateSet), ipfixData(0, 2)])
    await collector.stop()
    const { exporters, lost } = await statusOf(path, exportedUnixMs)
    expect(exporters.map(({ exporter, records }) => [exporter, records])).toEqual([
      ['::1', 1],
      ['127.0.0.1', 1],
    ])
    expect(lost.kernelDrops).toBe(0)
  })

  it('has its folder to itself', async () => {
    const path = folder()
    const collector = await collectInto(path)
    await collector.stop()
    // The lock of another process that is alive: the one that runs the tests.
    await writeFile(join(path, 'collector.lock'), String(process.ppid))
    await expect(collectInto(path)).rejects.toMatchObject({ code: 'conflict' })
  })
})
