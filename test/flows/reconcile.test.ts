import { describe, expect, it } from 'vitest'
import type { Book } from '../../src/flows/reconcile/books.ts'
import { parseCanaries } from '../../src/flows/reconcile/canary.ts'
import { terminalReport } from '../../src/flows/report/terminal.ts'
import {
  approvedTransfer,
  auditScenario,
  awsLog,
  createBook,
  ends,
  type LogRow,
  startUnixMs,
} from '../support/flow-scenario.ts'

const { indianServer, germanServer } = ends
const megabyte = 1_000_000

async function serverOf(flows: readonly (readonly LogRow[])[], books: readonly Book[] = []) {
  const { report } = await auditScenario({ flows: flows.map(awsLog), books })
  const server = report.servers[0]!
  expect(server.instructed + server.claimed + server.unexplained + server.disputed).toBe(server.bytesAbroad)
  return { server, report, kinds: server.findings.map(({ kind }) => kind) }
}

/** A transfer of `bytes` from India to Germany that both ends entered under instruction `i`. */
function transferBooks(bytes: number, port = 40_001) {
  const india = createBook('in-mumbai')
  const germany = createBook('de-frankfurt')
  approvedTransfer('i', india, 'in-mumbai', germany, 'de-frankfurt', bytes)
  const here = [indianServer, port] as const
  const there = [germanServer, 443] as const
  const facts = { role: 'transfer', instruction: 'i' } as const
  india.connection({ ...facts, local: here, remote: there, bytesOut: bytes, bytesIn: 2000 })
  germany.connection({ ...facts, local: there, remote: here, bytesOut: 2000, bytesIn: bytes })
  return { india, germany, books: () => [india.book(), germany.book()] }
}

const transferFlow = (bytes: number): LogRow => ({
  from: [indianServer, 40_001],
  to: [germanServer, 443],
  payload: bytes,
})

describe('what explains bytes abroad', () => {
  it('explains nothing without books', async () => {
    const { server, kinds } = await serverOf([[transferFlow(megabyte)]])
    expect(server.unexplained).toBe(server.bytesAbroad)
    expect(kinds).toContain('unexplained-abroad')
  })

  it('grades instructed what both ends entered under an approved instruction', async () => {
    const { server, kinds, report } = await serverOf(
      [[transferFlow(megabyte)]],
      transferBooks(megabyte).books(),
    )
    expect(server.instructed).toBe(server.bytesAbroad)
    expect(server.overhead).toBe(server.bytesAbroad - megabyte)
    expect(kinds).toEqual([])
    expect(report.verdict.state).toBe('accounted-for')
  })

  it('grades the answers of the receiving end instructed too, and not more than answers', async () => {
    const made = transferBooks(megabyte)
    const answer = (payload: number): LogRow => ({
      from: [germanServer, 443],
      to: [indianServer, 40_001],
      payload,
    })
    const inventory = `cidr,server,country\n${germanServer},de-1,DE\n`
    const small = await auditScenario({ flows: [awsLog([answer(2000)])], books: made.books(), inventory })
    expect(small.report.servers[0]).toMatchObject({ server: 'de-1', country: 'DE', unexplained: 0 })
    expect(small.report.servers[0]!.instructed).toBe(small.report.servers[0]!.bytesAbroad)

    // An order to send from India to Germany is no order to send the other way.
    const back = transferBooks(megabyte)
    const there = [germanServer, 443] as const
    const here = [indianServer, 40_001] as const
    const facts = { role: 'transfer', instruction: 'i', id: 'back', atSeconds: 100 } as const
    // Whatever the region there enters as departed.
    const objects = [['origin-9', 50 * megabyte, 'f'.repeat(64)]]
    const batch = { instruction: 'i', batch: 7, objects, bytes: 50 * megabyte }
    back.germany.enter('transfer.departed', { ...batch, peer: 'in-mumbai' })
    back.india.enter('transfer.arrived', { ...batch, peer: 'de-frankfurt' })
    back.germany.connection({ ...facts, local: there, remote: here, bytesOut: 50 * megabyte })
    back.india.connection({ ...facts, local: here, remote: there, bytesOut: 0, bytesIn: 50 * megabyte })
    const flows = [awsLog([{ ...answer(50 * megabyte), atSeconds: 100 }])]
    const large = await auditScenario({ flows, books: back.books(), inventory })
    expect(large.report.servers[0]!.unexplained).toBeGreaterThan(48 * megabyte)
    expect(large.report.servers[0]!.findings.map(({ kind }) => kind)).toContain('beyond-entered-objects')
  })

  it('grades claimed what a client abroad read, on the region’s word', async () => {
    const india = createBook('in-mumbai')
    india.connection({
      id: 'c',
      local: [indianServer, 9000],
      remote: [germanServer, 55_000],
      bytesOut: megabyte,
    })
    india.read('c', megabyte)
    const row: LogRow = { from: [indianServer, 9000], to: [germanServer, 55_000], payload: megabyte }
    const { server } = await serverOf([[row]], [india.book()])
    expect(server).toMatchObject({ instructed: 0, unexplained: 0 })
    expect(server.claimed).toBe(server.bytesAbroad)
  })
})

describe('adversaries', () => {
  it('a ride-along to the same address in the same minutes stays unexplained, as a "could be" at most', async () => {
    const hidden: LogRow = { from: [indianServer, 40_777], to: [germanServer, 443], payload: 5 * megabyte }
    const { server } = await serverOf([[transferFlow(megabyte), hidden]], transferBooks(megabyte).books())
    expect(server.unexplained).toBeGreaterThanOrEqual(5 * megabyte)
    expect(server.instructed).toBeGreaterThanOrEqual(megabyte)
    expect(server.instructed).toBeLessThan(1.1 * megabyte)
    // The entered bytes were used up by their own connection, so they cannot be the hidden ones too.
    expect(server.couldBe.high).toBeLessThan(0.01 * megabyte)
  })

  it('an entry of another connection is a "could be" and explains nothing', async () => {
    const elsewhere: LogRow = { from: [indianServer, 40_777], to: [germanServer, 443], payload: megabyte }
    const { server, report } = await serverOf([[elsewhere]], transferBooks(megabyte).books())
    expect(server).toMatchObject({ instructed: 0, claimed: 0, unexplained: server.bytesAbroad })
    expect(server.couldBe.high).toBe(megabyte)
    expect(server.unexplainedInterval).toEqual({
      low: server.bytesAbroad - megabyte,
      high: server.bytesAbroad,
    })
    expect(report.coverage.enteredNotSeen).toContainEqual({
      region: 'in-mumbai',
      bytes: megabyte,
      connections: 1,
    })
  })

  it('bytes that ride in the instructed connection itself are left over', async () => {
    const { server } = await serverOf([[transferFlow(3 * megabyte)]], transferBooks(megabyte).books())
    expect(server.unexplained).toBeGreaterThan(1.8 * megabyte)
    expect(server.instructed).toBeGreaterThan(megabyte)
  })

  it('a keep-alive connection explains only what was entered, and only while it was entered', async () => {
    const india = createBook('in-mumbai')
    india.connection({
      id: 'c',
      local: [indianServer, 9000],
      remote: [germanServer, 55_000],
      bytesOut: megabyte,
    })
    india.read('c', megabyte)
    const row: LogRow = { from: [indianServer, 9000], to: [germanServer, 55_000], payload: megabyte }
    // The same ports an hour later: nobody entered that.
    const { server } = await serverOf([[row, { ...row, atSeconds: 3600 }]], [india.book()])
    expect(server.claimed).toBeGreaterThanOrEqual(megabyte)
    expect(server.unexplained).toBe(server.bytesAbroad / 2)
  })

  it('sums the hourly records of one connection that lasted', async () => {
    const india = createBook('in-mumbai')
    const ofHour = (hour: number) => ({
      id: 'c',
      local: [indianServer, 9000] as const,
      remote: [germanServer, 55_000] as const,
      bytesOut: megabyte,
      atSeconds: hour * 3600,
      lastsSeconds: 3600,
      more: hour < 2,
    })
    for (const hour of [0, 1, 2]) india.connection(ofHour(hour))
    india.read('c', 3 * megabyte)
    const row: LogRow = {
      from: [indianServer, 9000],
      to: [germanServer, 55_000],
      payload: 3 * megabyte,
      lastsSeconds: 3 * 3600,
    }
    const { server } = await serverOf([[row]], [india.book()])
    expect(server.claimed).toBe(server.bytesAbroad)
  })

  it('a record that an exporter made of several connections of the same ports is explained by all of them', async () => {
    const india = createBook('in-mumbai')
    for (const [id, atSeconds, bytesOut] of [
      ['c', 0, megabyte],
      ['d', 70, 3 * megabyte],
    ] as const) {
      const ends = { local: [indianServer, 9000], remote: [germanServer, 55_000] } as const
      india.connection({ id, ...ends, bytesOut, atSeconds })
      india.read(id, bytesOut)
    }
    const row = (payload: number, atSeconds: number, lastsSeconds: number): LogRow => ({
      ...{ from: [indianServer, 9000], to: [germanServer, 55_000], payload, atSeconds, lastsSeconds },
    })
    const window = await serverOf([[row(4 * megabyte, 0, 600)]], [india.book()])
    expect(window.server.claimed).toBe(window.server.bytesAbroad)
    // Nor does the slack around the first take what is of the second.
    const each = await serverOf([[row(megabyte, 0, 10), row(3 * megabyte, 65, 15)]], [india.book()])
    expect(each.server.claimed).toBe(each.server.bytesAbroad)
    const more = await serverOf([[row(8 * megabyte, 0, 600)]], [india.book()])
    expect(more.server.unexplained).toBeGreaterThan(3.7 * megabyte)
  })

  it('bytes entered twice explain one observed byte once', async () => {
    const india = createBook('in-mumbai')
    for (const id of ['c', 'd']) {
      india.connection({
        id,
        local: [indianServer, 9000],
        remote: [germanServer, 55_000],
        bytesOut: megabyte,
      })
      india.read(id, megabyte)
    }
    const row: LogRow = { from: [indianServer, 9000], to: [germanServer, 55_000], payload: 2 * megabyte }
    const { server, kinds } = await serverOf([[row]], [india.book()])
    expect(server.claimed).toBeLessThan(1.2 * megabyte)
    expect(server.unexplained).toBeGreaterThan(0.8 * megabyte)
    expect(kinds).toContain('entered-twice')
  })

  it('the same statement given twice counts once', async () => {
    const books = transferBooks(megabyte).books()
    const { server } = await serverOf([[transferFlow(2 * megabyte)]], [...books, ...books])
    expect(server.unexplained).toBeGreaterThan(0.8 * megabyte)
  })

  it('one side’s word about an instruction is a claim', async () => {
    const { server, kinds } = await serverOf(
      [[transferFlow(megabyte)]],
      [transferBooks(megabyte).india.book()],
    )
    expect(server).toMatchObject({ instructed: 0, unexplained: 0 })
    expect(server.claimed).toBe(server.bytesAbroad)
    expect(kinds).toContain('one-sided')
  })

  it('ends that disagree are instructed only up to the smaller word', async () => {
    const made = transferBooks(megabyte)
    const germany = createBook('de-frankfurt')
    for (const entry of made.germany.book().entries) {
      const { bytesIn, ...body } = entry.body as { bytesIn?: number }
      germany.enter(entry.type, bytesIn === undefined ? body : { ...body, bytesIn: bytesIn / 2 })
    }
    const { server, kinds } = await serverOf([[transferFlow(megabyte)]], [made.india.book(), germany.book()])
    expect(server.instructed).toBeLessThan(0.6 * megabyte)
    expect(server.claimed).toBeGreaterThan(0.4 * megabyte)
    expect(kinds).toContain('ends-disagree')
  })

  it('an instruction that no quorum signed instructs nothing', async () => {
    const { report } = await auditScenario({
      flows: [awsLog([transferFlow(megabyte)])],
      books: transferBooks(megabyte).books(),
      orders: () => null,
    })
    expect(report.servers[0]).toMatchObject({ instructed: 0 })
    expect(report.servers[0]!.findings.map(({ kind }) => kind)).toContain('not-approved')
  })

  it('an instruction that was revoked before the connection instructs nothing', async () => {
    const made = transferBooks(megabyte)
    made.india.enter('instruction.revoked', { instruction: 'i', approver: 'a', envelope: {} }, -30)
    const { server } = await serverOf([[transferFlow(megabyte)]], made.books())
    expect(server.instructed).toBe(0)
  })

  it('an arrival that departed otherwise makes no instructed byte', async () => {
    const made = transferBooks(megabyte)
    made.germany.enter('transfer.arrived', {
      instruction: 'i',
      batch: 1,
      peer: 'in-mumbai',
      objects: [['origin-2', 9, 'f'.repeat(64)]],
      bytes: 9,
    })
    const { server } = await serverOf([[transferFlow(megabyte)]], made.books())
    expect(server.instructed).toBe(0)
  })

  it('a client’s connection cannot be entered for more than its reads', async () => {
    const india = createBook('in-mumbai')
    const bytesOut = 50 * megabyte
    india.connection({ id: 'c', local: [indianServer, 9000], remote: [germanServer, 55_000], bytesOut })
    india.read('c', megabyte)
    const row: LogRow = { from: [indianServer, 9000], to: [germanServer, 55_000], payload: bytesOut }
    const { server, kinds } = await serverOf([[row]], [india.book()])
    expect(server.claimed).toBeLessThan(6 * megabyte)
    expect(server.unexplained).toBeGreaterThan(44 * megabyte)
    expect(kinds).toContain('beyond-entered-objects')
  })

  it('overhead beyond its cap is unexplained', async () => {
    const padded = { ...transferFlow(megabyte), ipBytes: 1.5 * megabyte }
    const { server } = await serverOf([[padded]], transferBooks(megabyte).books())
    expect(server.unexplained).toBeGreaterThan(0.4 * megabyte)
    expect(server.overhead).toBeLessThan(0.1 * megabyte)
  })

  it('acknowledgements of an upload from abroad are its overhead', async () => {
    const india = createBook('in-mumbai')
    const local = [indianServer, 9000] as const
    india.connection({ local, remote: [germanServer, 55_000], bytesOut: 300, bytesIn: 90 * megabyte })
    const row: LogRow = { from: local, to: [germanServer, 55_000], payload: 300, packets: 31_000 }
    const { server } = await serverOf([[row]], [india.book()])
    expect(server).toMatchObject({ unexplained: 0 })
    expect(server.overhead).toBe(31_000 * 52)
  })
})

describe('an address that moves', () => {
  it('counts where it was when the bytes went there', async () => {
    const moved = new Date(startUnixMs + 60_000).toISOString()
    const inventory = `cidr,server,country,valid_from,valid_to
${indianServer},app-1,IN,,
${ends.elsewhere},far-1,DE,,${moved}
${ends.elsewhere},far-2,KR,${moved},
`
    const row: LogRow = { from: [indianServer, 40_001], to: [ends.elsewhere, 443], payload: 1000 }
    const flows = [awsLog([row, { ...row, payload: megabyte, atSeconds: 120 }])]
    const { report } = await auditScenario({ flows, inventory })
    const sums = report.servers[0]!.destinations.map(({ country, bytes }) => [country, bytes])
    expect(new Map(sums as [string, number][])).toEqual(
      new Map([
        ['DE', 1052],
        ['KR', megabyte + Math.ceil(megabyte / 1448) * 52],
      ]),
    )
  })
})

describe('exporters and clocks', () => {
  it('counts once what two exporters saw', async () => {
    const row = transferFlow(megabyte)
    const { server, report } = await serverOf(
      [[{ ...row, eni: 'eni-1' }], [{ ...row, eni: 'eni-2', atSeconds: 2 }]],
      transferBooks(megabyte).books(),
    )
    expect(server.unexplained).toBe(0)
    expect(report.coverage.duplicateBytes).toBe(server.bytesAbroad)
  })

  it('counts both halves when a route changes from one exporter to another', async () => {
    const row = { ...transferFlow(megabyte), lastsSeconds: 600 }
    const { server, report } = await serverOf([
      [{ ...row, eni: 'eni-1' }],
      [{ ...row, eni: 'eni-2', atSeconds: 700 }],
    ])
    expect(report.coverage.duplicateBytes).toBe(0)
    expect(server.bytesAbroad).toBe(2 * (megabyte + Math.ceil(megabyte / 1448) * 52))
  })

  it('counts once a record that was delivered twice', async () => {
    const row = transferFlow(megabyte)
    const { server, report } = await serverOf([[row, row]], transferBooks(megabyte).books())
    expect(server.unexplained).toBe(0)
    expect(report.coverage.repeatedRecords).toBe(1)
    expect(terminalReport(report, false)).toContain(
      '  1 record came twice, to the last number, and count once\n',
    )
  })

  it('sums a connection that the exporter split', async () => {
    const parts = [0, 1, 2, 3].map(i => ({
      ...transferFlow(megabyte / 4),
      atSeconds: i * 3,
      lastsSeconds: 3,
    }))
    const { server } = await serverOf([parts], transferBooks(megabyte).books())
    expect(server.instructed).toBe(server.bytesAbroad)
  })

  it('estimates how far a region’s clock is off, within its bound', async () => {
    const shifted = { ...transferFlow(megabyte), atSeconds: 120 }
    const { server, report } = await serverOf([[shifted]], transferBooks(megabyte).books())
    expect(server.instructed).toBe(server.bytesAbroad)
    const offset = report.coverage.clockOffsets.find(({ region }) => region === 'in-mumbai')!
    expect(offset.offsetMs).toBeGreaterThanOrEqual(110_000)
    expect(offset.offsetMs).toBeLessThanOrEqual(130_000)

    const tooFar = { ...transferFlow(megabyte), atSeconds: 1200 }
    expect((await serverOf([[tooFar]], transferBooks(megabyte).books())).server.instructed).toBe(0)
  })

  it('does not let one odd entry move the clock for the others', async () => {
    const india = createBook('in-mumbai')
    const rows: LogRow[] = []
    for (let i = 0; i < 5; i++) {
      const remote = [germanServer, 55_000 + i] as const
      const atSeconds = i === 0 ? 200 : 0
      india.connection({ local: [indianServer, 9000], remote, bytesOut: 1000, atSeconds, lastsSeconds: 1 })
      rows.push({ from: [indianServer, 9000], to: remote, payload: 1000, lastsSeconds: 1 })
    }
    const { server } = await serverOf([rows], [india.book()])
    expect(server.unexplained).toBe(1052)
  })
})

describe('reads made on purpose', () => {
  const canaries = (text: string) => parseCanaries('canary.csv', `time,server,client,bytes\n${text}`)
  const at = new Date(startUnixMs + 5000).toISOString()
  const row: LogRow = { from: [indianServer, 9000], to: [germanServer, 55_000], payload: megabyte }

  it('show what the records lack', async () => {
    const made = canaries(
      [
        `${at},${indianServer},${germanServer},${megabyte}`,
        // Seen at another time, by another client, and a second one that the same bytes would have to be.
        `${new Date(startUnixMs + 3_600_000).toISOString()},${indianServer},${germanServer},1000`,
        `${at},${indianServer},198.51.100.9,1000`,
        `${at},${indianServer},${germanServer},${megabyte}`,
      ].join('\n'),
    )
    const { report } = await auditScenario({ flows: [awsLog([row])], canaries: made })
    expect(report.coverage).toMatchObject({ complete: false, canaries: { made: 4, seen: 1 } })
    expect(report.coverage.canaries!.missed.map(({ seenBytes }) => seenBytes > 0)).toEqual([
      false,
      false,
      true,
    ])
    expect(terminalReport(report, false)).toContain('reads made on purpose: 1 of 4 are in these records')
  })

  it('are refused with the line that is wrong', () => {
    expect(() => canaries('soon,1.2.3.4,5.6.7.8,1')).toThrow(/canary.csv:2: "soon" is not a time/)
    expect(() => canaries(`${at},here,5.6.7.8,1`)).toThrow(/:2: "here" is not an address/)
    expect(() => canaries(`${at},1.2.3.4,5.6.7.8,-1`)).toThrow(/:2: "-1" is not a number of bytes/)
  })
})
