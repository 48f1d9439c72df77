import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { flowsCommand } from '../../../src/cli/flows.ts'
import type { Collector } from '../../../src/flows/collect/collector.ts'
import { hoursOf, type Kind, rangeFiles } from '../../../src/flows/collect/folder.ts'
import {
  type Changes,
  collectInto,
  collectorFolder,
  deliver,
  exportedUnixMs,
  hourMs,
  lineOf,
  query,
  record,
  storedLines,
  templateSet,
  until,
} from '../../support/collector.ts'
import { ipfix, set } from '../../support/export-messages.ts'

const folders = new AsyncDisposableStack()
afterAll(() => folders.disposeAsync())
const folder = () => folders.use(collectorFolder()).path

const hour = exportedUnixMs / hourMs
const places = {
  name: 'places.csv',
  text: 'cidr,country,asn\n198.51.100.0/24,DE,64500\n203.0.113.0/24,US,64501\n',
}

/** A clock to turn, and a collector that looks after its files all the time. */
function atWork(path: string, changes: Changes = {}) {
  let nowUnixMs = exportedUnixMs
  let sequence = 0
  let collector: Collector
  return {
    async start() {
      collector = await collectInto(path, {
        now: () => nowUnixMs,
        maintainEveryMs: 30,
        ...changes,
        limits: { segmentMs: 50, ...changes.limits },
        maintenance: { rollUp: { places, databases: 'none' }, ...changes.maintenance },
      })
    },
    async exports(atUnixMs: number, numbers: readonly number[], to?: string) {
      const message = ipfix(
        sequence,
        1,
        ...(sequence === 0 ? [templateSet] : []),
        set(256, ...numbers.map(number => record(number, to))),
      )
      sequence += numbers.length
      message.writeUInt32BE(atUnixMs / 1000, 4)
      const before = collector.decoded()?.records ?? 0
      await deliver(collector, [message])
      await until(() => (collector.decoded()?.records ?? 0) === before + numbers.length)
    },
    turnTo: (unixMs: number) => {
      nowUnixMs = unixMs
    },
    stop: () => collector.stop(),
  }
}

const filesOf = async (path: string, kind: Kind) => {
  const names: string[] = []
  for (const at of await hoursOf(path, kind))
    for (const { from, through } of await rangeFiles(path, kind, at))
      names.push(`${at! - hour}:${from}-${through}`)
  return names
}

describe('an hour that is over', () => {
  it('is rolled up by server and network, and its files become one', async () => {
    const path = folder()
    const work = atWork(path)
    await work.start()
    await work.exports(exportedUnixMs, [1, 2])
    await work.exports(exportedUnixMs, [3], '198.51.100.77')
    await work.exports(exportedUnixMs, [4], '203.0.113.5')
    await work.exports(exportedUnixMs, [5], '192.0.2.1')
    expect(await filesOf(path, 'rollup')).toEqual([])
    const before = await storedLines(path)
    work.turnTo(exportedUnixMs + hourMs)
    await until(async () => (await filesOf(path, 'rollup')).length === 1)
    await until(async () => (await filesOf(path, 'raw')).length === 1)
    await work.stop()
    expect(await filesOf(path, 'raw')).toEqual(['0:1-4'])
    expect(await storedLines(path)).toEqual(before)
    const columns = `SELECT src_addr, dst_network, dst_country, dst_asn, dst_port, CAST(bytes AS INTEGER) AS bytes,
      CAST(packets AS INTEGER) AS packets, CAST(flows AS INTEGER) AS flows`
    const common = { src_addr: '10.0.0.1', dst_port: '443' }
    expect(await query(path, 'rollup', columns, 'ORDER BY dst_network')).toEqual([
      {
        ...common,
        dst_network: '192.0.2.0/24',
        dst_country: null,
        dst_asn: null,
        bytes: 1005,
        packets: 2,
        flows: 1,
      },
      {
        ...common,
        dst_network: '198.51.100.0/24',
        dst_country: 'DE',
        dst_asn: 64500,
        bytes: 3006,
        packets: 6,
        flows: 3,
      },
      {
        ...common,
        dst_network: '203.0.113.0/24',
        dst_country: 'US',
        dst_asn: 64501,
        bytes: 1004,
        packets: 2,
        flows: 1,
      },
    ])
  })

  it('is the same in a folder whose name says something to the engine', async () => {
    const path = join(folder(), 'bytes=7', 'of[1]')
    const work = atWork(path)
    await work.start()
    await work.exports(exportedUnixMs, [1])
    await work.exports(exportedUnixMs, [2])
    work.turnTo(exportedUnixMs + hourMs)
    await until(async () => (await filesOf(path, 'raw')).join() === '0:1-2')
    await work.stop()
    expect(await storedLines(path)).toEqual([lineOf(1), lineOf(2)])
    expect(await query(path, 'rollup', 'SELECT CAST(sum(bytes) AS INTEGER) AS bytes')).toEqual([
      { bytes: 2003 },
    ])
    let asked = ''
    const argv = [path, '--by', 'src_addr', '--json']
    await flowsCommand(argv, {
      stdout: { write: text => (asked += text) },
      stderr: { write: () => {} },
      env: {},
      isTty: false,
    })
    expect(JSON.parse(asked)).toMatchObject({ rows: [{ keys: ['10.0.0.1'], bytes: 2003 }] })
  })

  it('takes in what comes late, once', async () => {
    const path = folder()
    const work = atWork(path)
    await work.start()
    await work.exports(exportedUnixMs, [1])
    work.turnTo(exportedUnixMs + hourMs)
    await until(async () => (await filesOf(path, 'rollup')).length === 1)
    await work.exports(exportedUnixMs, [2])
    work.turnTo(exportedUnixMs + 2.5 * hourMs)
    await until(async () => (await filesOf(path, 'rollup')).length === 2)
    await work.stop()
    expect(await query(path, 'rollup', 'SELECT CAST(sum(bytes) AS INTEGER) AS bytes')).toEqual([
      { bytes: 2003 },
    ])
    expect(await storedLines(path)).toEqual([lineOf(1), lineOf(2)])
  })

  it('is removed when it is old enough, its roll-up later, and not by a clock that exporters contradict', async () => {
    const path = folder()
    const day = 24 * hourMs
    const work = atWork(path, { maintenance: { keepRawMs: 10 * day, keepRollUpMs: 100 * day } })
    await work.start()
    await work.exports(exportedUnixMs, [1])
    work.turnTo(exportedUnixMs + hourMs)
    await until(async () => (await filesOf(path, 'rollup')).length === 1)
    const later = exportedUnixMs + 30 * day
    work.turnTo(later)
    // Nobody has sent anything of that day, so it may be the clock that is wrong.
    await new Promise(done => setTimeout(done, 300))
    expect(await filesOf(path, 'raw')).toEqual(['0:1-1'])
    await work.exports(later, [2])
    await until(async () => (await filesOf(path, 'raw')).length === 1)
    expect(await filesOf(path, 'raw')).toEqual([`${(30 * day) / hourMs}:2-2`])
    expect(await filesOf(path, 'rollup')).toEqual(['0:1-1'])
    const muchLater = exportedUnixMs + 200 * day
    work.turnTo(muchLater)
    await work.exports(muchLater, [3])
    await until(async () => !(await filesOf(path, 'rollup')).includes('0:1-1'))
    await work.stop()
  })
})

describe('alerts', () => {
  it('tell of networks abroad that a server had not sent to, and only of those', async () => {
    const path = folder()
    const file = join(path, 'alerts.jsonl')
    const inventory = { name: 'inventory.csv', text: 'cidr,server,country\n10.0.0.1,db1,IN\n' }
    const directory = { inventory, places, home: null, databases: 'none' } as const
    const work = atWork(path, { maintenance: { alerts: { file, leastBytes: 1000, directory } } })
    const rolledUp = (count: number) => until(async () => (await filesOf(path, 'rollup')).length === count)
    await work.start()
    await work.exports(exportedUnixMs, [1])
    work.turnTo(exportedUnixMs + hourMs)
    await rolledUp(1)
    // The same network again, another address in it; then another network.
    await work.exports(exportedUnixMs + hourMs, [2], '198.51.100.200')
    work.turnTo(exportedUnixMs + 2 * hourMs)
    await rolledUp(2)
    await work.exports(exportedUnixMs + 2 * hourMs, [3], '203.0.113.5')
    work.turnTo(exportedUnixMs + 3 * hourMs)
    await rolledUp(3)
    const { alerts } = await work.stop()
    const lines = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(alerts).toBe(2)
    expect(lines).toMatchObject([
      { server: 'db1', home: 'IN', hour: '2026-01-15T10:00:00.000Z', bytesToNewNetworks: 1001 },
      {
        server: 'db1',
        home: 'IN',
        hour: '2026-01-15T12:00:00.000Z',
        networks: [{ network: '203.0.113.0/24', country: 'US', asn: 64501 }],
      },
    ])
  })
})
