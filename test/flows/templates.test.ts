import { describe, expect, it } from 'vitest'
import { createExportDecoder } from '../../src/flows/decode/export-decoder.ts'
import { Notes } from '../../src/flows/decode/notes.ts'
import { address, ipfix, netflowV9, set, template, u } from '../support/export-messages.ts'
import { flowLine } from '../support/read-flows.ts'

const basic = [
  [8, 4],
  [12, 4],
  [1, 4],
  [2, 4],
] as const

const row = (bytes: number, packets = 1) =>
  Buffer.concat([address('10.0.0.1'), address('198.51.100.9'), u(4, bytes), u(4, packets)])

function session() {
  const notes = new Notes()
  const decoder = createExportDecoder(notes)
  return {
    send: (message: Buffer, exporter = 'a') => decoder.decode(message, exporter),
    end() {
      decoder.end()
      return notes.summary()
    },
  }
}

const bytesOf = (records: readonly { ipBytes: number }[]) => records.map(({ ipBytes }) => ipBytes)

describe('templates', () => {
  it('belong to one exporter and one domain', () => {
    const { send, end } = session()
    send(ipfix(0, 1, set(2, template(256, basic))))
    expect(bytesOf(send(ipfix(0, 1, set(256, row(100)))))).toEqual([100])
    expect(send(ipfix(0, 2, set(256, row(100))))).toEqual([])
    expect(send(ipfix(0, 1, set(256, row(100))), 'b')).toEqual([])
    expect(end().unread).toEqual([{ reason: 'data set whose template never came', count: 2, bytes: 32 }])
  })

  it('hold data that come first, within bounds', () => {
    const { send, end } = session()
    for (let i = 0; i < 300; i++) send(ipfix(i, 1, set(256, row(i + 1))))
    const late = send(ipfix(300, 1, set(2, template(256, basic))))
    expect(bytesOf(late)).toEqual(Array.from({ length: 256 }, (_, i) => i + 1))
    expect(end().unread).toEqual([
      { reason: 'data set without a template, and too much is waiting already', count: 44, bytes: 44 * 16 },
    ])
  })

  it('can be replaced by another shape, and withdrawn', () => {
    const { send, end } = session()
    send(ipfix(0, 1, set(2, template(256, basic))))
    send(
      ipfix(
        0,
        1,
        set(
          2,
          template(256, [
            [12, 4],
            [8, 4],
            [1, 8],
          ]),
        ),
      ),
    )
    const swapped = Buffer.concat([address('198.51.100.9'), address('10.0.0.1'), u(8, 5_000_000_000)])
    expect(send(ipfix(0, 1, set(256, swapped))).map(flowLine)).toEqual([
      '10.0.0.1:0>198.51.100.9:0/0 0/5000000000',
    ])
    send(ipfix(1, 1, set(2, template(256, []))))
    expect(send(ipfix(1, 1, set(256, swapped)))).toEqual([])
    expect(end().unread[0]!.reason).toBe('data set whose template never came')
  })

  it('may use variable lengths, reduced sizes and fields of an enterprise', () => {
    const { send, end } = session()
    const fields = [
      [82, 65_535],
      [8, 4],
      [12, 4],
      [95, 65_535, 9999],
      [1, 3],
      [2, 1],
      [7, 1],
      [11, 2],
    ]
    send(ipfix(0, 1, set(2, template(300, fields))))
    const long = Buffer.concat([u(1, 255), u(2, 300), Buffer.alloc(300, 7)])
    const record = Buffer.concat([
      Buffer.concat([u(1, 3), Buffer.from('eth')]),
      address('10.0.0.1'),
      address('198.51.100.9'),
      long,
      u(3, 70_000),
      u(1, 50),
      u(1, 80),
      u(2, 443),
    ])
    const records = send(ipfix(0, 1, set(300, record, record)))
    expect(records.map(flowLine)).toEqual(Array(2).fill('10.0.0.1:80>198.51.100.9:443/0 50/70000'))
    expect(end().unread).toEqual([])
  })

  it('count both directions where one record has both', () => {
    const { send } = session()
    const reverse = [...basic, [1, 4, 29_305], [2, 4, 29_305], [7, 2], [11, 2]]
    send(ipfix(0, 1, set(2, template(256, reverse))))
    const record = Buffer.concat([row(1000, 10), u(4, 90_000), u(4, 70), u(2, 50_000), u(2, 443)])
    expect(send(ipfix(0, 1, set(256, record))).map(flowLine)).toEqual([
      '10.0.0.1:50000>198.51.100.9:443/0 10/1000',
      '198.51.100.9:443>10.0.0.1:50000/0 70/90000',
    ])
  })

  it('that make no sense are refused, and nothing hangs on them', () => {
    const { send, end } = session()
    send(
      ipfix(
        0,
        1,
        set(
          2,
          template(256, [
            [8, 0],
            [12, 0],
          ]),
        ),
      ),
    )
    send(netflowV9(0, 1, set(0, Buffer.concat([u(2, 257), u(2, 9000), u(4, 1)]))))
    send(netflowV9(1, 1, set(77, u(4, 1))))
    expect(send(ipfix(0, 1, set(256, row(1))))).toEqual([])
    expect(
      end()
        .unread.map(({ reason }) => reason)
        .toSorted(),
    ).toEqual([
      'NetFlow v9: set with an id that is reserved',
      'data set whose template never came',
      'template that makes no sense',
    ])
  })
})

describe('sampling', () => {
  it('multiplies bytes and packets, keeps the raw count, and says where the rate came from', () => {
    const { send } = session()
    // Options: scope 1 (system, 4 bytes), then sampling interval. Lengths of both kinds of field are in bytes.
    const optionsTemplate = Buffer.concat([u(2, 260), u(2, 4), u(2, 4), u(2, 1), u(2, 4), u(2, 34), u(2, 4)])
    send(netflowV9(0, 7, set(1, optionsTemplate), set(260, u(4, 0), u(4, 512))))
    send(netflowV9(1, 7, set(0, template(256, basic))))
    const [record] = send(netflowV9(2, 7, set(256, row(100, 2))))
    expect(record).toMatchObject({
      ipBytes: 51_200,
      packets: 1024,
      original: { bytes: 100, packets: 2, basis: 'ip' },
      sampling: { rate: 512, from: 'options' },
    })
  })

  it('takes the record’s own sampler, and the packets-and-space form', () => {
    const { send } = session()
    // Scope selectorId, then samplingPacketInterval 1 and samplingPacketSpace 9: one in ten.
    const fields = [u(2, 302), u(2, 8), u(2, 305), u(2, 4), u(2, 306), u(2, 4)]
    send(ipfix(0, 7, set(3, u(2, 260), u(2, 3), u(2, 1), ...fields), set(260, u(8, 5), u(4, 1), u(4, 9))))
    send(ipfix(1, 7, set(2, template(256, [...basic, [302, 8]]), template(257, basic))))
    expect(bytesOf(send(ipfix(1, 7, set(256, row(100), u(8, 5)))))).toEqual([1000])
    // Records that name no sampler can only be of the one there is.
    expect(bytesOf(send(ipfix(2, 7, set(257, row(100)))))).toEqual([1000])
  })
})

describe('sequence numbers', () => {
  it('show what was lost, in the unit of each version', () => {
    const { send, end } = session()
    send(netflowV9(10, 1, set(0, template(256, basic))))
    send(netflowV9(13, 1, set(256, row(1))))
    send(ipfix(100, 1, set(2, template(256, basic)), set(256, row(1), row(2))))
    send(ipfix(102, 1, set(256, row(3))))
    send(ipfix(110, 1, set(256, row(4))))
    expect(end().lost).toEqual([
      { reason: 'IPFIX records of a domain 1', count: 7, bytes: 0 },
      { reason: 'NetFlow v9 messages of a source 1', count: 2, bytes: 0 },
    ])
  })

  it('a gap as long as the message after it is not taken for a habit', () => {
    const rows = (count: number) => set(256, ...Array.from({ length: count }, () => row(1)))
    const first = ipfix(0, 1, set(2, template(256, basic)), rows(10))
    const lostOf = (...messages: readonly Buffer[]) => {
      const { send, end } = session()
      for (const message of messages) send(message)
      return end().lost.map(({ count }) => count)
    }
    const settled = [first, ipfix(10, 1, rows(5)), ipfix(15, 1, rows(10))]
    expect(lostOf(...settled, ipfix(45, 1, rows(30)))).toEqual([20])
    // Nothing has told yet: what follows does, or the end.
    expect(lostOf(first, ipfix(30, 1, rows(30)), ipfix(60, 1, rows(5)))).toEqual([20])
    expect(lostOf(first, ipfix(30, 1, rows(30)))).toEqual([20])
  })

  it('wrap, and a late message is no loss', () => {
    const { send, end } = session()
    for (const sequence of [2 ** 32 - 1, 0, 2, 1, 3])
      send(netflowV9(sequence, 1, set(0, template(256, basic))))
    const { lost, setAside } = end()
    expect(lost).toEqual([{ reason: 'NetFlow v9 messages of a source 1', count: 1, bytes: 0 }])
    expect(setAside).toEqual([
      {
        reason: 'NetFlow v9 messages of a source 1: number seen before, or out of order',
        count: 1,
        bytes: 0,
      },
    ])
  })
})
