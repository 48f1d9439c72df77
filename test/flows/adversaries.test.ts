/** Ways to hide bytes beside orders that are lawful, and what an audit shows of each. More in `reconcile.test.ts`. */
import { describe, expect, it } from 'vitest'
import type { Book } from '../../src/flows/reconcile/books.ts'
import {
  approvedTransfer,
  auditScenario,
  awsLog,
  createBook,
  ends,
  type LogRow,
} from '../support/flow-scenario.ts'

const { indianServer, germanServer } = ends
const megabyte = 1_000_000
const here = [indianServer, 40_001] as const
const there = [germanServer, 443] as const

async function audit(rows: readonly LogRow[], books: readonly Book[] = [], inventory?: string) {
  const { report } = await auditScenario({ flows: [awsLog(rows)], books, ...(inventory && { inventory }) })
  return report
}

/** A transfer of `bytes` that both ends entered. `connections` may say more than left. */
function lawful(bytes: number, connections: { readonly bytesOut: number; readonly atSeconds?: number }) {
  const india = createBook('in-mumbai')
  const germany = createBook('de-frankfurt')
  approvedTransfer('i', india, 'in-mumbai', germany, 'de-frankfurt', bytes)
  const facts = { role: 'transfer', instruction: 'i', atSeconds: connections.atSeconds ?? 0 } as const
  india.connection({ ...facts, local: here, remote: there, bytesOut: connections.bytesOut, bytesIn: 2000 })
  germany.connection({ ...facts, local: there, remote: here, bytesOut: 2000, bytesIn: connections.bytesOut })
  return [india.book(), germany.book()]
}

describe('bytes that hide beside a lawful transfer', () => {
  it('as retransmission: no more than the cap passes, whatever the packets look like', async () => {
    // Twice as many packets as the payload needs, as if each had been sent again.
    const packets = 2 * Math.ceil(megabyte / 1448)
    const row = { from: here, to: there, payload: megabyte, packets, ipBytes: 2 * megabyte + packets * 52 }
    const [server] = (await audit([row], lawful(megabyte, { bytesOut: megabyte }))).servers
    expect(server!.unexplained).toBeGreaterThan(0.94 * megabyte)
    expect(server!.overhead).toBeLessThanOrEqual(packets * 52 + 0.05 * megabyte)
  })

  it('as headers: empty packets carry no more than the options of TCP', async () => {
    const extra = 100_000
    const packets = Math.ceil(megabyte / 1448) + extra
    // Each of the further packets carries 32 bytes beyond 40 of headers, 12 of them more than options would be.
    const row = { from: here, to: there, payload: megabyte, packets, ipBytes: megabyte + packets * 72 }
    const [server] = (await audit([row], lawful(megabyte, { bytesOut: megabyte }))).servers
    expect(server!.unexplained).toBeGreaterThan(extra * 20 - 0.05 * megabyte)
  })

  it('in thousands of short connections from ports beside the lawful one', async () => {
    const hidden = Array.from(
      { length: 5000 },
      (_, i): LogRow => ({
        from: [indianServer, 41_000 + i],
        to: there,
        payload: 1000,
        atSeconds: i % 10,
        lastsSeconds: 1,
      }),
    )
    const row = { from: here, to: there, payload: megabyte }
    const [server] = (await audit([row, ...hidden], lawful(megabyte, { bytesOut: megabyte }))).servers
    expect(server!.unexplained).toBe(5000 * 1052)
  })

  it('in a word of both ends: connections are worth the objects that departed and arrived', async () => {
    // Two regions of one hand enter whatever the wire shows.
    const row = { from: here, to: there, payload: 50 * megabyte }
    const [server] = (await audit([row], lawful(megabyte, { bytesOut: 50 * megabyte }))).servers
    expect(server!.unexplained).toBeGreaterThan(47 * megabyte)
    expect(server!.findings.map(({ kind }) => kind)).toContain('beyond-entered-objects')
  })

  it('by a clock: entries for another time, of a socket that was used again', async () => {
    const row: LogRow = { from: here, to: there, payload: megabyte }
    const again: LogRow = { ...row, atSeconds: 3600 }
    // The entries stand at the later use, an hour off: no clock is allowed that.
    const later = lawful(megabyte, { bytesOut: megabyte, atSeconds: 7200 })
    const [server] = (await audit([row, again], later)).servers
    expect(server).toMatchObject({ instructed: 0, claimed: 0, unexplained: server!.bytesAbroad })
  })

  it('by one clock for all: what would fit the hidden bytes does not fit the lawful ones', async () => {
    const books = lawful(megabyte, { bytesOut: megabyte })
    const lawfulRow: LogRow = { from: here, to: there, payload: megabyte }
    const hidden: LogRow = { ...lawfulRow, atSeconds: 240, payload: megabyte }
    const [server] = (await audit([lawfulRow, hidden], books)).servers
    expect(server!.instructed).toBe(server!.bytesAbroad / 2)
    expect(server!.unexplained).toBe(server!.bytesAbroad / 2)
  })
})

describe('bytes that go round', () => {
  const relay = '52.66.0.99'
  const toRelay: LogRow = { from: [indianServer, 50_000], to: [relay, 443], payload: 300 * megabyte }
  const onward: LogRow = { from: [relay, 50_001], to: there, payload: 300 * megabyte }

  it('over a domestic host that the inventory lacks: it is named as a possible relay', async () => {
    const report = await audit([toRelay, onward])
    const [server] = report.servers
    expect(server).toMatchObject({ server: 'app-1', bytesAbroad: 0 })
    const finding = server!.findings.find(({ kind }) => kind === 'possible-relay')!
    expect(finding.title).toContain(relay)
    expect(finding.bytes).toBeGreaterThan(300 * megabyte)
    expect(report.coverage.outsideInventory).toMatchObject({ records: 1 })
  })

  it('over another server of the inventory: that one is accused', async () => {
    const inventory = `cidr,server,country\n${indianServer},app-1,IN\n${relay},relay-1,IN\n`
    const report = await audit([toRelay, onward], [], inventory)
    const unexplained = Object.fromEntries(report.servers.map(row => [row.server, row.unexplained]))
    expect(unexplained['relay-1']).toBeGreaterThan(300 * megabyte)
    expect(unexplained['app-1'] ?? 0).toBe(0)
  })

  it('over a private line: they are stated, and abroad as soon as somebody places the other end', async () => {
    const row: LogRow = { from: [indianServer, 50_000], to: ['10.77.0.9', 443], payload: 5 * megabyte }
    const unplaced = await audit([row])
    expect(unplaced.servers[0]).toMatchObject({ server: 'app-1', bytesAbroad: 0 })
    const { ipBytes, servers } = unplaced.coverage.toUnplacedPrivate
    expect(ipBytes).toBeGreaterThan(5 * megabyte)
    expect(servers).toEqual([{ server: 'app-1', ipBytes }])

    const inventory = `cidr,server,country\n${indianServer},app-1,IN\n10.77.0.0/16,frankfurt,DE\n`
    const placed = await audit([row], [], inventory)
    expect(placed.servers.find(({ server }) => server === 'app-1')!.unexplained).toBe(ipBytes)
    expect(placed.coverage.toUnplacedPrivate).toEqual({ ipBytes: 0, servers: [] })
  })

  it('under an address that is nobody’s: they stand as sent from outside the inventory', async () => {
    const spoofed: LogRow = { from: ['52.66.77.77', 50_000], to: there, payload: 5 * megabyte }
    const { coverage } = await audit([spoofed])
    expect(coverage.outsideInventory.records).toBe(1)
    expect(coverage.outsideInventory.ipBytes).toBeGreaterThan(5 * megabyte)
    expect(coverage.silentServers).toEqual(['app-1'])
  })
})
