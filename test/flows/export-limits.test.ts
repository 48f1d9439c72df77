import { describe, expect, it } from 'vitest'
import { createExportDecoder } from '../../src/flows/decode/export-decoder.ts'
import { Notes } from '../../src/flows/decode/notes.ts'
import { RunningTotals } from '../../src/flows/decode/running-totals.ts'
import { address, ipfix, netflowV9, set, template, u } from '../support/export-messages.ts'

const basic = [
  [8, 4],
  [12, 4],
  [1, 4],
] as const
const pair = Buffer.concat([address('10.0.0.1'), address('198.51.100.9')])

function session() {
  const notes = new Notes()
  const decoder = createExportDecoder(notes)
  return {
    send: (message: Buffer, exporter: string) => decoder.decode(message, exporter),
    notes: () => notes.summary(),
  }
}

describe('one exporter that sends without end', () => {
  const victim = [
    set(1, u(2, 260), u(2, 4), u(2, 4), u(2, 1), u(2, 4), u(2, 34), u(2, 4)),
    set(260, u(4, 0), u(4, 1000)),
    set(0, template(256, basic)),
    set(256, pair, u(4, 5)),
  ]
  const isUnharmed = (send: (message: Buffer, exporter: string) => readonly { ipBytes: number }[]) =>
    expect(send(netflowV9(0, 1, ...victim), 'victim').map(({ ipBytes }) => ipBytes)).toEqual([5000])

  it('of samplers nobody knows takes no room of rates, its own neither', () => {
    const { send, notes } = session()
    send(ipfix(0, 1, set(2, template(300, [...basic, [302, 4]]))), 'flood')
    for (let first = 1; first <= 120_000; first += 4000) {
      const rows = Array.from({ length: 4000 }, (_, i) => Buffer.concat([pair, u(4, 5), u(4, first + i)]))
      send(ipfix(0, 1, set(300, ...rows)), 'flood')
    }
    isUnharmed(send)
    expect(send(netflowV9(0, 1, ...victim), 'flood')[0]!.sampling.rate).toBe(1000)
    // What is not followed is not silent either.
    expect(notes().lost[0]).toMatchObject({
      reason: expect.stringContaining('nobody stated the rate'),
      count: 119_000,
    })
  })

  it('of rates has them refused, and noted', () => {
    const { send, notes } = session()
    const scope = [u(2, 301), u(2, 2), u(2, 1), u(2, 302), u(2, 4), u(2, 34), u(2, 4)]
    send(ipfix(0, 1, set(3, ...scope)), 'flood')
    for (let first = 1; first <= 110_000; first += 5000) {
      const rows = Array.from({ length: 5000 }, (_, i) => Buffer.concat([u(4, first + i), u(4, 9)]))
      send(ipfix(0, 1, set(301, ...rows)), 'flood')
    }
    isUnharmed(send)
    expect(notes().unread).toEqual([{ reason: 'sampling rate: too many to keep', count: 106_000, bytes: 0 }])
  })

  it('of templates has them refused, and noted', () => {
    const { send, notes } = session()
    for (let domain = 0; domain < 16; domain++) {
      const many = Array.from({ length: 8000 }, (_, i) => template(256 + i, [[1, 4]]))
      send(ipfix(0, domain, set(2, ...many)), 'flood')
    }
    isUnharmed(send)
    expect(notes().unread[0]!.reason).toBe('template: too many to keep')
  })

  it('of data without templates leaves room for that of others', () => {
    const { send } = session()
    for (let i = 0; i < 100; i++) send(ipfix(0, i, set(300, Buffer.alloc(60_000))), 'flood')
    for (let i = 0; i < 1000; i++) send(ipfix(0, i, set(301)), 'flood')
    send(ipfix(0, 1, set(256, pair, u(4, 5))), 'victim')
    expect(send(ipfix(1, 1, set(2, template(256, basic))), 'victim')).toHaveLength(1)
  })
})

describe('running totals', () => {
  const startUnixMs = 1_768_471_200_000
  const minute = (n: number) => startUnixMs + n * 60_000
  const fields = [
    [8, 4],
    [12, 4],
    [7, 2],
    [152, 8],
    [153, 8],
    [85, 8],
    [136, 1],
  ] as const
  const total = (port: number, start: number, end: number, bytes: number, reason = 2) =>
    Buffer.concat([pair, u(2, port), u(8, start), u(8, end), u(8, bytes), u(1, reason)])
  const row = (total: number, at: number) => ({ octets: total, packets: 1, endUnixMs: at })

  /** As many flows as are remembered. */
  function flood(totals: RunningTotals, exporter: string, at: number, hasEnded = false): void {
    for (let i = 0; i < 100_000; i++) {
      totals.growth(`10|${exporter}|1|${at} ${i}`, row(50, at), { startUnixMs: at - 1, hasEnded })
    }
  }
  const long = { startUnixMs, hasEnded: false }

  it('of one exporter are not forgotten for the flows of another', () => {
    const totals = new RunningTotals()
    totals.growth('10|a|1|x', row(100, minute(1)), long)
    flood(totals, 'b', minute(2))
    flood(totals, 'c', minute(3))
    expect(totals.growth('10|a|1|x', row(150, minute(4)), long)).toMatchObject({ octets: 50 })
  })

  it('of flows that ended take no room', () => {
    const totals = new RunningTotals()
    totals.growth('10|a|1|x', row(100, minute(1)), long)
    flood(totals, 'a', minute(2), true)
    expect(totals.growth('10|a|1|x', row(150, minute(4)), long)).toMatchObject({ octets: 50 })
  })

  it('that may have been counted before never count twice', () => {
    const totals = new RunningTotals()
    expect(totals.growth('10|a|1|x', row(100, minute(1)), long)).toMatchObject({ octets: 100 })
    flood(totals, 'a', minute(2))
    const restored = new RunningTotals()
    restored.restore(JSON.parse(JSON.stringify([...totals.entries()])))
    for (const one of [totals, restored]) {
      expect(one.growth('10|a|1|x', row(150, minute(4)), long)).toBe('forgotten')
      expect(one.growth('10|a|1|x', row(180, minute(5)), long)).toMatchObject({ octets: 30 })
      // What began since then is new for certain; so is all of an exporter of which nothing was forgotten.
      const fresh = { startUnixMs: minute(3), hasEnded: false }
      expect(one.growth('10|a|1|y', row(70, minute(4)), fresh)).toMatchObject({ octets: 70 })
      expect(one.growth('10|b|1|x', row(70, minute(4)), long)).toMatchObject({ octets: 70 })
    }
  })

  it('without a start are doubted for an hour', () => {
    const totals = new RunningTotals()
    const nameless = { startUnixMs: null, hasEnded: false }
    totals.growth('10|a|1|x', row(100, minute(1)), nameless)
    flood(totals, 'a', minute(2))
    expect(totals.growth('10|a|1|x', row(150, minute(4)), nameless)).toBe('forgotten')
    expect(totals.growth('10|a|1|z', row(150, minute(90)), nameless)).toMatchObject({ octets: 150 })
  })

  it('of exporters without end are forgotten exporter by exporter, and still not counted twice', () => {
    const totals = new RunningTotals()
    totals.growth('10|a|1|x', row(100, minute(1)), long)
    for (let i = 0; i < 2000; i++) totals.growth(`10|spoofed ${i}|1|x`, row(1, minute(9e6)), long)
    expect(totals.growth('10|a|1|x', row(150, minute(4)), long)).toBe('forgotten')
    expect(totals.growth('10|b|1|x', row(70, minute(4)), long)).toMatchObject({ octets: 70 })
  })

  it('that were forgotten are noted, and their bytes are not counted again', () => {
    const { send, notes } = session()
    const counted: number[] = []
    for (let n = 1; n <= 2; n++) {
      const records = send(
        ipfix(0, 1, set(2, template(256, fields)), set(256, total(1, startUnixMs, minute(5 * n), n * 1e9))),
        'a',
      )
      counted.push(...records.map(({ ipBytes }) => ipBytes))
      for (let k = 0; k < 100; k++) {
        const at = minute(5 * n)
        const rows = Array.from({ length: 1001 }, (_, i) => total(i, at - k, at, 40))
        send(ipfix(0, 2, set(2, template(256, fields)), set(256, ...rows)), 'a')
      }
    }
    expect(counted).toEqual([1e9])
    expect(notes().lost).toEqual([
      {
        reason: 'running totals forgotten for want of room: counted from this record of theirs on',
        count: expect.any(Number),
        bytes: 0,
      },
    ])
  })
})
