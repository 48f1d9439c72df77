import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CountryCode } from '../../src/core/ids.ts'
import { homeOffsetMinutes } from '../../src/flows/detect/home-offset.ts'
import { defaultLimits, innocenceText, isInnocent } from '../../src/flows/detect/innocence.ts'
import { createPairColumns } from '../../src/flows/detect/pair-columns.ts'
import { createServerDetector, mostOfAKind } from '../../src/flows/detect/server-detector.ts'
import type { Columns } from '../../src/flows/detect/traffic.ts'
import { beats, bulk, drip, guiltyWays } from '../support/guilty-traffic.ts'
import { innocentProfiles } from '../support/innocent-traffic.ts'
import {
  createDice,
  createTraffic,
  dayMs,
  indiaMinutes,
  minuteMs,
  periodFrom,
  placeIn,
} from '../support/traffic.ts'

const weekMs = 7 * dayMs

describe('what every detection keeps to', () => {
  it('does not depend on when it is', () => {
    for (const [way, hide] of Object.entries(guiltyWays)) {
      const traffic = createTraffic(way.length)
      hide(traffic)
      const now = traffic.detect().detections
      const later = traffic.detect({ shiftMs: 10 * weekMs }).detections
      expect(later.map(({ key, score, evidence }) => ({ key, score, evidence }))).toEqual(
        now.map(({ key, score, evidence }) => ({ key, score, evidence })),
      )
    }
  })

  it('does not depend on the order of the records', () => {
    for (const [way, hide] of Object.entries(guiltyWays)) {
      const traffic = createTraffic(way.length)
      hide(traffic)
      const { detections } = traffic.detect({ shuffled: true })
      const sorted = traffic.detect().detections
      expect(detections.map(({ key, score }) => [key, score])).toEqual(
        sorted.map(({ key, score }) => [key, score]),
      )
    }
  })

  it('has a key that stays when the numbers change', () => {
    const keyOf = (seed: number, aDay: number) => {
      const traffic = createTraffic(seed)
      drip(traffic, '203.0.115.77', aDay)
      return traffic.detect().detections.find(({ kind }) => kind === 'slow-drip')!.key
    }
    expect(keyOf(1, 2e5)).toBe(keyOf(2, 4e5))
    expect(keyOf(1, 2e5)).toMatch(/^[0-9a-f]{20}$/)
  })

  it('gives numbers that are finite, and the reason, and techniques', () => {
    for (const [way, hide] of Object.entries(guiltyWays)) {
      const traffic = createTraffic(way.length + 1)
      hide(traffic)
      for (const detection of traffic.detect().detections) {
        for (const value of Object.values(detection.evidence)) expect(Number.isFinite(value)).toBe(true)
        expect(detection.score).toBeGreaterThanOrEqual(0)
        expect(detection.score).toBeLessThanOrEqual(100)
        expect(detection.reason).not.toMatch(/NaN|Infinity|undefined|null/)
        expect(detection.attack.length).toBeGreaterThan(0)
        expect(detection.fromUnixMs).toBeLessThanOrEqual(detection.untilUnixMs)
      }
    }
  })
})

describe('input that means harm', () => {
  const columnsOf = (rows: readonly (readonly number[])[]): Columns => ({
    length: rows.length,
    startUnixMs: Float64Array.from(rows, row => row[0]!),
    endUnixMs: Float64Array.from(rows, row => row[1]!),
    ipBytes: Float64Array.from(rows, row => row[2]!),
    packets: Float64Array.from(rows, row => row[3]!),
    unexplained: Float64Array.from(rows, row => row[4]!),
    protocol: Uint8Array.from(rows, row => row[5]!),
    srcPort: Uint16Array.from(rows, row => row[6]!),
    dstPort: Uint16Array.from(rows, row => row[7]!),
    connections: null,
  })
  const detector = (days = 30) =>
    createServerDetector({
      server: 's',
      home: 'IN' as CountryCode,
      periodFromUnixMs: periodFrom,
      periodUntilUnixMs: periodFrom + days * dayMs,
      utcOffsetMinutes: null,
      known: null,
    })

  it('stays finite whatever the records say', () => {
    const odd = fc.oneof(
      fc.constantFrom(
        0,
        -1,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        1e300,
        5e-324,
        2 ** 53,
      ),
      fc.double(),
      fc.integer({ min: periodFrom, max: periodFrom + 30 * dayMs }),
    )
    const port = fc.nat(65_535)
    const row = fc.tuple(odd, odd, odd, odd, odd, fc.constantFrom(0, 1, 6, 17, 47, 58, 255), port, port)
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 60 }),
        fc.oneof(odd, fc.constant(null)),
        (rows, receivedBytes) => {
          const it = detector()
          const columns = columnsOf(rows)
          it.pair({ dstAddr: '203.0.113.5', place: placeIn('US', 1), columns, receivedBytes })
          const { detections, summary } = it.finish({
            domesticBytesByHour: Float64Array.of(Number.NaN, 1e308, 1e308),
          })
          for (const { evidence, reason } of detections) {
            for (const value of Object.values(evidence)) expect(Number.isFinite(value)).toBe(true)
            expect(reason).not.toMatch(/NaN|Infinity/)
          }
          for (const limit of [summary.data, summary.names, summary.headers])
            expect(Number.isFinite(limit.totalBytes)).toBe(true)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('takes nothing, one moment, and a period without length', () => {
    const none = detector(0)
    none.pair({ dstAddr: '::1', place: placeIn('US', null), columns: columnsOf([]), receivedBytes: null })
    expect(none.finish({ domesticBytesByHour: null }).detections).toEqual([])
    const same = detector()
    const rows = Array.from({ length: 5000 }, () => [periodFrom, periodFrom, 1500, 1, 1500, 6, 40_000, 443])
    same.pair({
      dstAddr: '2001:db8::1',
      place: placeIn('US', null),
      columns: columnsOf(rows),
      receivedBytes: 0,
    })
    expect(same.finish({ domesticBytesByHour: null }).detections.map(({ kind }) => kind)).not.toContain(
      'beacon',
    )
  })

  it('keeps a bounded number of findings and counts the others', () => {
    const many = createTraffic(1)
    for (let i = 0; i < 120; i++) {
      many.place(`203.2.${i}.1`, 'CN', 65_000 + i)
      beats(many, `203.2.${i}.1`, { everyMs: 30 * minuteMs, payload: 2000 })
    }
    const { detections, leftOut } = many.detect()
    expect(detections.filter(({ kind }) => kind === 'beacon')).toHaveLength(mostOfAKind)
    expect(leftOut.beacon).toBe(120 - mostOfAKind)
  })

  it('survives a port for each connection', () => {
    const scan = createTraffic(2)
    for (let i = 0; i < 60_000; i++) {
      scan.add('203.0.113.5', { startUnixMs: scan.fromUnixMs + i * 1000, dstPort: i, ipBytes: 60 })
    }
    expect(scan.detect().detections.filter(({ score }) => score >= 25)).toEqual([])
  })
})

describe('more connections than are kept', () => {
  const fill = (most: number) => {
    const dice = createDice(9)
    const columns = createPairColumns(most)
    let bytes = 0
    let connections = 0
    for (let at = periodFrom; at < periodFrom + 30 * dayMs; at += 20_000 * dice.between(0.9, 1.1)) {
      const payload = Math.round(dice.between(400, 500))
      columns.add(at, at + 300, payload, 5, payload, 6, dice.whole(32_768, 60_999), 443)
      bytes += payload
      connections += 1
    }
    return { columns: columns.columns(), bytes, connections }
  }

  it('sums exactly, keeps the bound, and still hears the rhythm', () => {
    for (const most of [2000, 10_000, 50_000]) {
      const { columns, bytes, connections } = fill(most)
      expect(columns.length).toBeLessThanOrEqual(most)
      const sum = (column: ArrayLike<number>) =>
        Array.prototype.slice.call(column, 0, columns.length).reduce((a, b) => a + b, 0)
      expect(sum(columns.unexplained)).toBe(bytes)
      expect(sum(columns.connections!)).toBe(connections)
      const detector = createServerDetector({
        server: 's',
        home: 'IN' as CountryCode,
        periodFromUnixMs: periodFrom,
        periodUntilUnixMs: periodFrom + 30 * dayMs,
        utcOffsetMinutes: indiaMinutes,
        known: null,
      })
      detector.pair({ dstAddr: '203.0.113.5', place: placeIn('US', 1), columns, receivedBytes: null })
      const { detections, remarks } = detector.finish({ domesticBytesByHour: null })
      expect(remarks.join()).toContain('too many connections')
      const beacon = detections.find(({ kind }) => kind === 'beacon')!
      expect(beacon.evidence.periodMs).toBeGreaterThan(19_000)
      expect(beacon.evidence.periodMs).toBeLessThan(21_000)
      expect(beacon.connections).toBe(connections)
    }
  })

  it('keeps the bound when all is in one day, with protocols and ports made up', () => {
    for (const most of [1024, 1500, 4000]) {
      const columns = createPairColumns(most)
      for (let i = 0; i < 10_000; i++)
        columns.add(periodFrom + i, periodFrom + i, 10, 1, 10, i % 256, i % 65_536, 65_535 - (i % 65_536))
      const { length, unexplained } = columns.columns()
      expect(length).toBeLessThanOrEqual(most)
      expect(unexplained.subarray(0, length).reduce((a, b) => a + b, 0)).toBe(100_000)
    }
  })
})

describe('innocence', () => {
  it('is what honest servers have, busy and scanned ones too', () => {
    for (const profile of ['quiet', 'exposed'] as const) {
      for (const inbound of [true, false]) {
        for (let seed = 50; seed < 54; seed++) {
          const traffic = createTraffic(seed)
          innocentProfiles[profile](traffic)
          const { detections, summary } = traffic.detect({ inbound })
          expect(isInnocent(summary, detections)).toEqual({ isInnocent: true, reasons: [] })
        }
      }
    }
  })

  it('is lost by a drip, a beacon of 200 bytes a minute, a night job and any volume', () => {
    for (const way of ['slow-drip', 'beacon, 200 B each minute', 'schedule, each night']) {
      const traffic = createTraffic(60)
      innocentProfiles.quiet(traffic)
      guiltyWays[way]!(traffic)
      const { detections, summary } = traffic.detect()
      expect(isInnocent(summary, detections).isInnocent).toBe(false)
    }
    const volume = createTraffic(61)
    bulk(volume, '203.0.115.77', volume.fromUnixMs + dayMs, 2e6)
    const { summary } = volume.detect()
    expect(isInnocent(summary, []).reasons.join()).toContain('in all, where 1.00 MB pass')
  })

  it('can be moved, and is said in words', () => {
    const volume = createTraffic(62)
    bulk(volume, '203.0.115.77', volume.fromUnixMs + dayMs, 2e6)
    const { summary } = volume.detect()
    const limits = { ...defaultLimits, data: { totalBytes: 5e6, dayBytes: 5e6 } }
    expect(isInnocent(summary, [], limits).isInnocent).toBe(true)
    expect(innocenceText(limits).join('\n')).toContain('up to 5.00 MB in 30 days')
  })
})

describe('the clock of a country', () => {
  it('is known where it is one', () => {
    const at = Date.parse('2026-01-15T12:00:00.000Z')
    const of = (code: string) => homeOffsetMinutes(code as CountryCode, at)
    expect(of('IN')).toBe(330)
    expect(of('DE')).toBe(60)
    expect(of('CN')).toBe(480)
    expect(of('US')).toBeNull()
    expect(of('ZZ')).toBeNull()
  })
})
