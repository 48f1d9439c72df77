import { describe, expect, it } from 'vitest'
import { createExportDecoder } from '../../src/flows/decode/export-decoder.ts'
import { Notes } from '../../src/flows/decode/notes.ts'
import { address, ipfix, netflowV9, set, template, u } from '../support/export-messages.ts'
import { ethernet, ipv4, udpOf } from '../support/packets.ts'
import { flowLine, readFlows } from '../support/read-flows.ts'

const ends = [
  [8, 4],
  [12, 4],
] as const
const pair = Buffer.concat([address('10.0.0.1'), address('198.51.100.9')])
const line = '10.0.0.1:0>198.51.100.9:0/0'

function session() {
  const notes = new Notes()
  const decoder = createExportDecoder(notes)
  return {
    send: (message: Buffer) => decoder.decode(message, 'a'),
    end: () => ({ records: decoder.end(), ...notes.summary() }),
  }
}

describe('running totals', () => {
  const fields = [...ends, [152, 8], [153, 8], [85, 8], [86, 8]]
  const total = (start: number, end: number, bytes: number, packets: number) =>
    Buffer.concat([pair, u(8, start), u(8, end), u(8, bytes), u(8, packets)])

  it('count what is new in each record, once', () => {
    const { send, end } = session()
    send(ipfix(0, 1, set(2, template(256, fields))))
    const rows = [
      total(1000, 2000, 500, 5),
      total(1000, 3000, 900, 8),
      total(1000, 3000, 900, 8), // nothing new
      total(1000, 2500, 700, 6), // late
      total(9000, 9500, 40, 1), // the next connection of the same ports
      total(1000, 4000, 1000, 9),
    ]
    const records = rows.flatMap(row => send(ipfix(0, 1, set(256, row))))
    expect(records.map(flowLine)).toEqual([`${line} 5/500`, `${line} 3/400`, `${line} 1/40`, `${line} 1/100`])
    expect(records.map(({ startUnixMs, endUnixMs }) => [startUnixMs, endUnixMs])).toEqual([
      [1000, 2000],
      [2000, 3000],
      [9000, 9500],
      [3000, 4000],
    ])
    expect(end().setAside.map(({ reason }) => reason)).toContain(
      'running total older than one that came before',
    )
  })

  it('yield to counters of what is new, and start again when they were set to zero', () => {
    const { send } = session()
    send(ipfix(0, 1, set(2, template(256, [...ends, [1, 4], [85, 8]]), template(257, [...ends, [85, 8]]))))
    const both = Buffer.concat([pair, u(4, 70), u(8, 5000)])
    expect(send(ipfix(0, 1, set(256, both, both))).map(flowLine)).toEqual([`${line} 0/70`, `${line} 0/70`])
    const only = (bytes: number) => set(257, pair, u(8, bytes))
    const records = [300, 800, 90].flatMap(bytes => send(ipfix(0, 1, only(bytes))))
    expect(records.map(({ ipBytes }) => ipBytes)).toEqual([300, 500, 90])
  })

  it('start again after the end of a flow, where records do not say when theirs began', () => {
    const { send } = session()
    send(ipfix(0, 1, set(2, template(256, [...ends, [153, 8], [136, 1], [85, 8]]))))
    const row = (end: number, reason: number, bytes: number) =>
      set(256, pair, u(8, end), u(1, reason), u(8, bytes))
    const rows = [row(1000, 2, 100), row(2000, 3, 150), row(3000, 2, 400), row(9_000_000, 2, 500)]
    const records = rows.flatMap(one => send(ipfix(0, 1, one)))
    expect(records.map(({ ipBytes }) => ipBytes)).toEqual([100, 50, 400, 500])
  })

  it('of both directions are followed apart', () => {
    const { send } = session()
    send(ipfix(0, 1, set(2, template(256, [...ends, [85, 8], [85, 8, 29_305]]))))
    const records = [
      [100, 2000],
      [150, 2600],
    ].flatMap(([there, back]) => send(ipfix(0, 1, set(256, pair, u(8, there!), u(8, back!)))))
    expect(records.map(({ srcAddr, ipBytes }) => `${srcAddr} ${ipBytes}`)).toEqual([
      '10.0.0.1 100',
      '198.51.100.9 2000',
      '10.0.0.1 50',
      '198.51.100.9 600',
    ])
  })
})

describe('what vendors do', () => {
  it('egress flows count in the elements of what went out', () => {
    const { send } = session()
    send(netflowV9(0, 1, set(0, template(256, [...ends, [1, 4], [2, 4], [23, 4], [24, 4], [48, 0]]))))
    const row = Buffer.concat([pair, u(4, 0), u(4, 0), u(4, 32), u(4, 1)])
    expect(send(netflowV9(1, 1, set(256, row))).map(flowLine)).toEqual([`${line} 1/32`])
  })

  it('options may have a scope of no length, or none', () => {
    const { send, end } = session()
    const noScope = Buffer.concat([u(2, 260), u(2, 0), u(2, 8), u(2, 34), u(2, 4), u(2, 35), u(2, 1)])
    const emptyScope = Buffer.concat([u(2, 261), u(2, 4), u(2, 4), u(2, 1), u(2, 0), u(2, 34), u(2, 4)])
    send(netflowV9(0, 1, set(1, noScope), set(260, u(4, 10), u(1, 2))))
    send(netflowV9(1, 2, set(1, emptyScope), set(261, u(4, 20))))
    send(netflowV9(2, 1, set(0, template(256, [...ends, [1, 4]]))))
    send(netflowV9(3, 2, set(0, template(256, [...ends, [1, 4]]))))
    expect(send(netflowV9(4, 1, set(256, pair, u(4, 5))))[0]!.ipBytes).toBe(50)
    expect(send(netflowV9(5, 2, set(256, pair, u(4, 5))))[0]!.ipBytes).toBe(100)
    expect(end().unread).toEqual([])
  })

  it('messages numbered by what was sent with them, and not before them, are no loss', () => {
    const { send, end } = session()
    const fields = template(256, [...ends, [1, 4]])
    const rows = (count: number) => set(256, ...Array(count).fill(Buffer.concat([pair, u(4, 9)])))
    send(ipfix(2, 1, set(2, fields), rows(2)))
    send(ipfix(7, 1, rows(5)))
    send(ipfix(8, 1, rows(1)))
    send(ipfix(20, 1, rows(4)))
    expect(end().lost.map(({ count }) => count)).toEqual([8])
    const gap = session()
    for (const message of [ipfix(2, 1, set(2, fields), rows(2)), ipfix(7, 1, rows(5)), ipfix(8, 1, rows(1))])
      gap.send(message)
    // Eight lost of a stream that counts itself; read the usual way, this would be none.
    gap.send(ipfix(28, 1, rows(20)))
    gap.send(ipfix(48, 1, rows(12)))
    expect(gap.end().lost.map(({ count }) => count)).toEqual([8])
  })

  it('a firewall’s record counts both ways; its events without bytes are no traffic', () => {
    const { send, end } = session()
    const fields = [...ends, [7, 2], [11, 2], [4, 1], [233, 1], [323, 8], [231, 4], [232, 4], [152, 8]]
    send(netflowV9(0, 1, set(0, template(256, fields), template(257, [...ends, [233, 1], [323, 8]]))))
    const row = [
      pair,
      u(2, 56_651),
      u(2, 80),
      u(1, 6),
      u(1, 2),
      u(8, 1_469_109_036_495),
      u(4, 69),
      u(4, 14_178),
    ]
    const records = send(
      netflowV9(1, 1, set(256, ...row, u(8, 1_469_109_036_395)), set(257, pair, u(1, 1), u(8, 9))),
    )
    expect(records.map(flowLine)).toEqual([
      '10.0.0.1:56651>198.51.100.9:80/6 0/69',
      '198.51.100.9:80>10.0.0.1:56651/6 0/14178',
    ])
    expect(records[0]).toMatchObject({ startUnixMs: 1_469_109_036_395, endUnixMs: 1_469_109_036_495 })
    expect(end().setAside.map(({ reason }) => reason)).toEqual([
      'record without a byte counter (an event, not traffic)',
    ])
  })

  it('a record with fields of both families is of the one that is not zeros', () => {
    const { send } = session()
    send(ipfix(0, 1, set(2, template(256, [...ends, [27, 16], [28, 16], [1, 4]]))))
    const host = (last: number) => Buffer.concat([u(8, 0x2001_0db8_0000_0000n), u(8, last)])
    const v6 = Buffer.concat([u(8, 0), host(1), host(2), u(4, 7)])
    const v4 = Buffer.concat([pair, Buffer.alloc(32), u(4, 8)])
    expect(send(ipfix(0, 1, set(256, v6, v4))).map(flowLine)).toEqual([
      '2001:db8::1:0>2001:db8::2:0/0 0/7',
      `${line} 0/8`,
    ])
  })

  it('lists within records (RFC 6313) are stepped over by their length', () => {
    const { send, end } = session()
    const fields = [[291, 65_535], ...ends, [292, 65_535], [293, 65_535], [1, 4]]
    send(ipfix(0, 1, set(2, template(256, fields))))
    const list = (bytes: number) => Buffer.concat([u(1, 255), u(2, bytes), Buffer.alloc(bytes, 9)])
    const row = Buffer.concat([list(300), pair, Buffer.concat([u(1, 5), Buffer.alloc(5)]), list(0), u(4, 77)])
    expect(send(ipfix(0, 1, set(256, row, row))).map(flowLine)).toEqual([`${line} 0/77`, `${line} 0/77`])
    expect(end().unread).toEqual([])
  })

  it('a length of 65535 is variable in IPFIX and nonsense in version 9', () => {
    const { send, end } = session()
    send(netflowV9(0, 1, set(0, template(256, [...ends, [82, 65_535]]))))
    expect(end().unread.map(({ reason }) => reason)).toEqual(['template that makes no sense'])
  })

  it('sampled pieces of packets are summed as captured packets are', () => {
    const { send, end } = session()
    const options = [u(2, 260), u(2, 3), u(2, 1), u(2, 302), u(2, 4), u(2, 305), u(2, 4), u(2, 306), u(2, 4)]
    send(ipfix(0, 1, set(3, ...options), set(260, u(4, 7), u(4, 1), u(4, 99))))
    const fields = [
      [302, 4],
      [312, 2],
      [315, 65_535],
      [324, 8],
    ]
    send(ipfix(1, 1, set(2, template(256, fields))))
    const frame = ethernet(0x0800, ipv4({ payload: udpOf(Buffer.alloc(40)), length: 1400 }))
    const row = Buffer.concat([u(4, 7), u(2, 1414), u(1, frame.length), frame, u(8, 1_768_471_200_000_000)])
    send(ipfix(1, 1, set(256, row, row, row)))
    expect(end().records.map(flowLine)).toEqual([`10.0.0.1:1000>10.0.0.2:53/17 300/${300 * 1400}`])
  })
})

describe('a sampling rate that comes late', () => {
  const options = (sampler: number, rate: number) => [
    set(1, u(2, 260), u(2, 4), u(2, 8), u(2, 1), u(2, 4), u(2, 48), u(2, 1), u(2, 50), u(2, 4)),
    set(260, u(4, 0), u(1, sampler), u(4, rate)),
  ]
  const missing = (sampler: number) => set(256, pair, u(4, 5), u(1, sampler))
  const fields = set(0, template(256, [...ends, [1, 4], [48, 1]]))

  it('is applied from then on, and what came before is shown as incomplete', () => {
    const { send, end } = session()
    send(netflowV9(0, 1, fields, missing(3), missing(3), missing(4), missing(0)))
    send(netflowV9(1, 1, ...options(3, 100)))
    expect(send(netflowV9(2, 1, missing(3)))[0]!.ipBytes).toBe(500)
    send(netflowV9(3, 1, ...options(3, 100)))
    expect(end().lost.map(({ count, reason }) => [count, reason])).toEqual([
      [2, 'records counted as not sampled, for their sampling rate came after them'],
      [1, 'records counted as not sampled, for nobody stated the rate of the sampler they name'],
    ])
  })

  it('of a whole domain is told from one that says that nothing is sampled', () => {
    const late = session()
    const row = set(257, pair, u(4, 5))
    const whole = (rate: number) => [
      set(1, u(2, 261), u(2, 4), u(2, 4), u(2, 1), u(2, 4), u(2, 34), u(2, 4)),
      set(261, u(4, 0), u(4, rate)),
    ]
    late.send(netflowV9(0, 1, set(0, template(257, [...ends, [1, 4]])), row))
    late.send(netflowV9(1, 1, ...whole(64)))
    expect(late.end().lost.map(({ count }) => count)).toEqual([1])
    const all = session()
    all.send(netflowV9(0, 1, set(0, template(257, [...ends, [1, 4]])), row))
    all.send(netflowV9(1, 1, ...whole(1)))
    expect(all.end().lost).toEqual([])
  })
})

describe('old versions', () => {
  const record = (bytes: number) =>
    Buffer.concat([
      pair,
      u(8, 0),
      u(4, 3),
      u(4, 120),
      u(4, 1000),
      u(4, 2000),
      u(2, 443),
      u(2, 50_000),
      u(2, 0),
      u(1, 6),
      Buffer.alloc(bytes - 39),
    ])

  it.each([
    [1, 16, 52],
    [5, 24, 48],
    [7, 24, 52],
  ])('NetFlow v%i', async (version, headerBytes, recordBytes) => {
    const header = Buffer.concat([
      u(2, version),
      u(2, 2),
      u(4, 3000),
      u(4, 1_000_000_000),
      Buffer.alloc(headerBytes - 12),
    ])
    const message = Buffer.concat([header, record(recordBytes), record(recordBytes)])
    const { records, input } = await readFlows(Buffer.concat([message, message]))
    expect(records.map(flowLine)).toEqual(Array(4).fill('10.0.0.1:443>198.51.100.9:50000/6 3/120'))
    expect(records[0]).toMatchObject({ startUnixMs: 999_999_998_000, endUnixMs: 999_999_999_000 })
    expect(input.formats).toEqual([`netflow-v${version}`])
    expect(input.unread).toEqual([])
  })

  it('that nobody reads are refused with their number', () => {
    const { send, end } = session()
    send(Buffer.concat([u(2, 8), Buffer.alloc(40)]))
    expect(end().unread.map(({ reason }) => reason)).toEqual(['datagram of no export version we read (8)'])
  })
})

describe('bounds', () => {
  it('sets of no bytes that wait for a template are not kept without end', () => {
    const { send, end } = session()
    for (let domain = 0; domain < 40_000; domain++) send(ipfix(0, domain, set(300)))
    const { unread } = end()
    const refused = unread.find(({ reason }) => reason.includes('too much is waiting'))
    expect(refused!.count).toBeGreaterThan(5000)
  })
})
