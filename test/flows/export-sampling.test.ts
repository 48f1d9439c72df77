import { describe, expect, it } from 'vitest'
import { restoreInto, snapshotOf } from '../../src/flows/collect/decoder-snapshot.ts'
import { createExportDecoder } from '../../src/flows/decode/export-decoder.ts'
import { Notes } from '../../src/flows/decode/notes.ts'
import { address, ipfix, netflowV9, set, template, u } from '../support/export-messages.ts'

const basic = [
  [8, 4],
  [12, 4],
  [1, 4],
] as const
const pair = Buffer.concat([address('10.0.0.1'), address('198.51.100.9')])
const namesNone = 'records counted as not sampled, for they name none of the several rates that were stated'

function session() {
  const notes = new Notes()
  const decoder = createExportDecoder(notes)
  return {
    decoder,
    rates: (message: Buffer) => decoder.decode(message, 'a').map(({ sampling }) => sampling.rate),
    end() {
      decoder.end()
      return notes.summary()
    },
  }
}

/** Options of scope system that state the rate of samplers. */
const samplers = (...rates: readonly (readonly [sampler: number, rate: number])[]) => [
  set(1, u(2, 260), u(2, 4), u(2, 8), u(2, 1), u(2, 4), u(2, 48), u(2, 1), u(2, 50), u(2, 4)),
  set(260, ...rates.map(([sampler, rate]) => Buffer.concat([u(4, 0), u(1, sampler), u(4, rate)]))),
]

/** Options of scope interface. */
const interfaces = (...rates: readonly (readonly [index: number, rate: number])[]) => [
  set(1, u(2, 261), u(2, 4), u(2, 4), u(2, 2), u(2, 4), u(2, 34), u(2, 4)),
  set(261, ...rates.map(([index, rate]) => Buffer.concat([u(4, index), u(4, rate)]))),
]

const plain = [set(0, template(256, basic)), set(256, pair, u(4, 5))]
const through = (...ways: readonly (readonly [input: number, output: number, direction: number])[]) => [
  set(0, template(257, [...basic, [10, 4], [14, 4], [61, 1]])),
  set(257, ...ways.map(([from, to, way]) => Buffer.concat([pair, u(4, 5), u(4, from), u(4, to), u(1, way)]))),
]

describe('records that name no sampler', () => {
  it('are of the only one there is', () => {
    const { rates, end } = session()
    expect(rates(netflowV9(0, 1, ...samplers([1, 1000]), ...plain))).toEqual([1000])
    expect(end().lost).toEqual([])
  })

  it('are of the rate that all samplers share', () => {
    const { rates } = session()
    expect(rates(netflowV9(0, 1, ...samplers([1, 1000], [2, 1000]), ...plain))).toEqual([1000])
  })

  it('are noted where samplers differ, and again of one rate when they no longer do', () => {
    const { rates, end } = session()
    expect(rates(netflowV9(0, 1, ...samplers([1, 1000], [2, 10]), ...plain))).toEqual([1])
    expect(rates(netflowV9(1, 1, ...samplers([2, 1000]), ...plain))).toEqual([1000])
    expect(end().lost).toEqual([{ reason: namesNone, count: 1, bytes: 0 }])
  })

  it('and came before the only rate are noted', () => {
    const { rates, end } = session()
    expect(rates(netflowV9(0, 1, ...plain))).toEqual([1])
    rates(netflowV9(1, 1, ...samplers([1, 1000])))
    expect(end().lost).toEqual([
      {
        reason: 'records counted as not sampled, for their sampling rate came after them',
        count: 1,
        bytes: 0,
      },
    ])
  })
})

describe('a sampler of number 0', () => {
  const named = [set(0, template(256, [...basic, [48, 1]])), set(256, pair, u(4, 5), u(1, 0))]

  it('has the rate that was stated for it', () => {
    const { rates } = session()
    expect(rates(netflowV9(0, 1, ...samplers([0, 1000]), ...named))).toEqual([1000])
  })

  it('is none where nobody stated one', () => {
    const { rates, end } = session()
    expect(rates(netflowV9(0, 1, ...samplers([3, 1000]), ...named))).toEqual([1])
    expect(end().lost).toEqual([])
  })

  it('is noted where its rate comes late', () => {
    const { rates, end } = session()
    rates(netflowV9(0, 1, ...named))
    rates(netflowV9(1, 1, ...samplers([0, 1000])))
    expect(end().lost.map(({ count }) => count)).toEqual([1])
  })
})

describe('rates by interface', () => {
  it('of NetFlow v9’s scope go by where the flow was seen', () => {
    const { rates, end } = session()
    const flows = through([1, 2, 0], [2, 1, 0], [1, 2, 1], [9, 2, 0])
    expect(rates(netflowV9(0, 1, ...interfaces([1, 1000], [2, 10]), ...flows))).toEqual([1000, 10, 10, 10])
    expect(end().lost).toEqual([])
  })

  it('of IPFIX are of one way through', () => {
    const { rates } = session()
    const options = (id: number, element: number, index: number, rate: number) => [
      set(3, u(2, id), u(2, 2), u(2, 1), u(2, element), u(2, 4), u(2, 34), u(2, 4)),
      set(id, u(4, index), u(4, rate)),
    ]
    rates(ipfix(0, 1, ...options(300, 10, 1, 1000), ...options(301, 14, 1, 10)))
    const fields = set(2, template(256, [...basic, [10, 4], [14, 4]]))
    const row = (from: number, to: number) => Buffer.concat([pair, u(4, 5), u(4, from), u(4, to)])
    expect(rates(ipfix(0, 1, fields, set(256, row(1, 7), row(7, 1))))).toEqual([1000, 10])
  })

  it('are noted where records name no interface, or another', () => {
    const { rates, end } = session()
    expect(rates(netflowV9(0, 1, ...interfaces([1, 1000], [2, 10]), ...plain))).toEqual([1])
    expect(rates(netflowV9(1, 1, ...through([7, 8, 0])))).toEqual([1])
    expect(end().lost).toEqual([{ reason: namesNone, count: 2, bytes: 0 }])
  })

  it('of interface 0 are the domain’s, for 0 is no interface', () => {
    const { rates } = session()
    expect(rates(netflowV9(0, 1, ...interfaces([0, 50]), ...through([7, 8, 0], [0, 0, 0])))).toEqual([50, 50])
  })

  it('outlive a restart', () => {
    const before = session()
    before.rates(netflowV9(0, 1, ...interfaces([1, 1000], [2, 10]), ...samplers([0, 7])))
    const after = session()
    const snapshot = JSON.parse(JSON.stringify(snapshotOf(before.decoder)))
    restoreInto(after.decoder, new Notes(), snapshot)
    expect(after.rates(netflowV9(1, 1, ...through([1, 2, 0], [1, 2, 1])))).toEqual([1000, 10])
  })
})
