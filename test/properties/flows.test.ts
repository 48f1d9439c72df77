import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Address, canonicalAddress, formatAddress, parseAddress } from '../../src/flows/address.ts'
import { captureHeader, datagramFrame } from '../../src/flows/collect/capture-writer.ts'
import { createExportDecoder } from '../../src/flows/decode/export-decoder.ts'
import { Notes } from '../../src/flows/decode/notes.ts'
import { CidrTable, parseCidr } from '../../src/flows/locate/cidr.ts'
import { parseRanges4, parseRanges6 } from '../../src/flows/locate/range-table.ts'
import { ipfix, netflowV9, set, template, u } from '../support/export-messages.ts'
import { readFlows } from '../support/read-flows.ts'

const address: fc.Arbitrary<Address> = fc.oneof(
  fc.nat({ max: 2 ** 32 - 1 }).map(value => ({ family: 4 as const, value })),
  fc
    .tuple(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
    .map(([hi, lo]) => ({ family: 6 as const, hi, lo })),
)

const wide = (value: Address) => (value.family === 4 ? BigInt(value.value) : (value.hi << 64n) | value.lo)
const bitsOf = (value: Address) => (value.family === 4 ? 32 : 128)

describe('addresses', () => {
  it('read as they are written', () => {
    fc.assert(
      fc.property(address, value => {
        expect(parseAddress(formatAddress(value))).toEqual(value)
      }),
    )
  })

  it('have one spelling', () => {
    expect(canonicalAddress('2001:0DB8:0:0:0:0:0:1')).toBe('2001:db8::1')
    expect(canonicalAddress('::ffff:192.0.2.1')).toBe('192.0.2.1')
    expect(canonicalAddress('fe80::1%eth0')).toBe('fe80::1')
    expect(canonicalAddress('1.2.3')).toBeNull()
    expect(canonicalAddress('2001:db8:0:0:1:0:0:1')).toBe('2001:db8::1:0:0:1')
  })
})

describe('prefixes', () => {
  it('find what a walk over all of them finds, the most specific first', () => {
    const near = fc.tuple(address, fc.nat({ max: 128 }))
    fc.assert(
      fc.property(fc.array(near, { minLength: 1, maxLength: 30 }), address, fc.nat(), (rows, other, pick) => {
        const prefixes = rows.map(([value, bits]) => ({ value, bits: bits % (bitsOf(value) + 1) }))
        const table = new CidrTable<number>()
        for (const [i, { value, bits }] of prefixes.entries()) {
          table.add(parseCidr(`${formatAddress(value)}/${bits}`)!, i)
        }
        // Half the time an address that is sure to be in one of them.
        const wanted = pick % 2 === 0 ? other : prefixes[pick % prefixes.length]!.value
        const naive = prefixes
          .map(({ value, bits }, i) => ({ i, value, bits }))
          .filter(({ value, bits }) => {
            const shift = BigInt(bitsOf(value) - bits)
            return value.family === wanted.family && wide(value) >> shift === wide(wanted) >> shift
          })
          .sort((a, b) => b.bits - a.bits)
        const found = table.find(wanted)
        expect(found.map(i => prefixes[i]!.bits)).toEqual(naive.map(({ bits }) => bits))
        expect(found.toSorted()).toEqual(naive.map(({ i }) => i).toSorted())
      }),
    )
  })
})

describe('ranges', () => {
  it.each([4, 6] as const)('of IPv%i find what a walk over all of them finds', family => {
    const point = address.filter(value => value.family === family)
    fc.assert(
      fc.property(
        fc.array(point, { minLength: 2, maxLength: 40 }),
        point,
        fc.nat(),
        (points, other, pick) => {
          const sorted = points.toSorted((a, b) => (wide(a) < wide(b) ? -1 : 1))
          const ranges: [Address, Address][] = []
          for (let i = 0; i + 1 < sorted.length; i += 2) {
            if (i === 0 || wide(sorted[i]!) > wide(sorted[i - 1]!)) ranges.push([sorted[i]!, sorted[i + 1]!])
          }
          const print = (value: Address) => (value.family === 4 ? String(value.value) : formatAddress(value))
          const csv = Buffer.from(
            ranges.map(([from, to], i) => `${print(from)},${print(to)},${i}`).join('\n'),
          )
          const table = (family === 4 ? parseRanges4 : parseRanges6)(csv, Number)
          const wanted = pick % 2 === 0 ? other : points[pick % points.length]!
          const naive = ranges.findIndex(
            ([from, to]) => wide(from) <= wide(wanted) && wide(wanted) <= wide(to),
          )
          expect(table.find(wanted)).toBe(naive)
        },
      ),
    )
  })
})

const field = fc.tuple(
  fc.oneof(fc.constantFrom(1, 2, 4, 7, 8, 11, 12, 21, 22, 27, 28, 61, 152, 154, 161, 302, 305), fc.nat(600)),
  fc.oneof(fc.nat(20), fc.constant(65_535)),
)
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

/** Messages that look right down to the sets, so that the fuzz reaches what is behind the headers. */
const message = fc
  .tuple(
    fc.constantFrom(9, 10),
    fc.array(field, { maxLength: 12 }),
    bytes(300),
    fc.nat(3),
    fc.constantFrom(256, 257),
  )
  .map(([version, fields, data, sequence, id]) => {
    const templateSet = set(version === 9 ? 0 : 2, template(256, fields))
    const optionsSet = set(version === 9 ? 1 : 3, u(2, 257), u(2, version === 9 ? 4 : fields.length), data)
    const sets = [templateSet, optionsSet, set(id, data)]
    return version === 9 ? netflowV9(sequence, 1, ...sets) : ipfix(sequence, 1, ...sets)
  })

describe('hostile bytes', () => {
  it('as datagrams: every record that comes out is sane, and nothing throws', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(message, bytes(200)), { maxLength: 8 }), datagrams => {
        const notes = new Notes()
        const decoder = createExportDecoder(notes)
        for (const datagram of datagrams) {
          for (const record of decoder.decode(datagram, 'x')) {
            expect(record.ipBytes).toBeGreaterThanOrEqual(0)
            expect(Number.isSafeInteger(record.ipBytes) && Number.isSafeInteger(record.packets)).toBe(true)
            expect(Number.isFinite(record.startUnixMs) && Number.isFinite(record.endUnixMs)).toBe(true)
            expect(record.startUnixMs).toBeLessThanOrEqual(record.endUnixMs)
            expect(parseAddress(record.srcAddr)).not.toBeNull()
          }
        }
        decoder.end()
      }),
      { numRuns: 500 },
    )
  })

  const starts: Readonly<Record<string, Buffer>> = {
    'flow capture': captureHeader(),
    pcap: Buffer.concat([u(4, 0xa1b2c3d4), u(2, 2), u(2, 4), u(8, 0), u(4, 65_535), u(4, 1)]),
    pcapng: Buffer.concat([
      u(4, 0x0a0d0d0a),
      u(4, 28),
      u(4, 0x1a2b3c4d),
      u(4, 0x0001_0000),
      u(8, 0),
      u(4, 28),
    ]),
    'NetFlow v5': Buffer.concat([u(2, 5), u(2, 3), u(20, 0)]),
    'NetFlow v9': Buffer.concat([u(2, 9), u(2, 3), u(16, 0)]),
    IPFIX: Buffer.concat([u(2, 10), u(2, 400), u(12, 0)]),
    gzip: Buffer.from([0x1f, 0x8b, 8, 0]),
    zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
    AWS: Buffer.from('version srcaddr dstaddr bytes packets start end\n'),
  }

  it.each(Object.entries(starts))(
    'as a file that starts like %s: read to its end or refused',
    async (_, start) => {
      await fc.assert(
        fc.asyncProperty(bytes(600), fc.integer({ min: 1, max: 700 }), async (rest, chunk) => {
          const content = Buffer.concat([start, rest])
          try {
            const { input } = await readFlows(content, chunk)
            expect(input.bytes).toBe(content.length)
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad-input' })
          }
        }),
        { numRuns: 150 },
      )
    },
  )

  it('a capture that is cut anywhere gives its first datagrams and never one that was not sent', async () => {
    const v5 = (n: number) =>
      Buffer.concat([u(2, 5), u(2, 1), u(20, n), Buffer.from([10, 0, 0, n]), u(44, 0)])
    const frames = [1, 2, 3].map(n =>
      datagramFrame({ arrivedUnixMs: n, address: '192.0.2.1', port: 9, payload: v5(n) }),
    )
    const whole = Buffer.concat([captureHeader(), ...frames])
    const full = (await readFlows(whole)).records
    expect(full).toHaveLength(3)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: captureHeader().length, max: whole.length }), async length => {
        const { records, input } = await readFlows(whole.subarray(0, length))
        expect(records).toEqual(full.slice(0, records.length))
        expect(input.remarks.join()).toContain('may have been cut off')
      }),
      { numRuns: 60 },
    )
  })
})
