/**
 * Flow records of made-up servers, seeded: what honest ones send abroad, and what hides. `bench/detect.ts` measures
 * with it and the tests of the detectors are written in it. Sizes are IP bytes as an exporter counts them.
 */
import type { CountryCode } from '../../src/core/ids.ts'
import { createPairColumns } from '../../src/flows/detect/pair-columns.ts'
import { createServerDetector, type ServerDetections } from '../../src/flows/detect/server-detector.ts'
import type { Place } from '../../src/flows/locate/locate.ts'
import { createChance } from './random.ts'

export const secondMs = 1000
export const minuteMs = 60_000
export const hourMs = 3_600_000
export const dayMs = 86_400_000
/** A Thursday, 00:00 in India. */
export const periodFrom = Date.parse('2026-01-14T18:30:00.000Z')
export const indiaMinutes = 330

export type Row = {
  readonly startUnixMs: number
  readonly lastsMs: number
  readonly ipBytes: number
  readonly packets: number
  readonly protocol: number
  readonly srcPort: number
  readonly dstPort: number
}

export type Dice = {
  /** From 0 to 1. */
  readonly unit: () => number
  readonly between: (low: number, high: number) => number
  /** Whole, both included. */
  readonly whole: (low: number, high: number) => number
  /** Mean 0, deviation 1. */
  readonly normal: () => number
  readonly exponential: (mean: number) => number
  readonly pick: <Item>(items: readonly Item[]) => Item
}

export function createDice(seed: number): Dice {
  const chance = createChance(seed)
  const unit = () => (chance.below(0x4000_0000) + 0.5) / 0x4000_0000
  const between = (low: number, high: number) => low + (high - low) * unit()
  const whole = (low: number, high: number) => Math.floor(between(low, high + 1))
  return {
    unit,
    between,
    whole,
    normal: () => Math.sqrt(-2 * Math.log(unit())) * Math.cos(2 * Math.PI * unit()),
    exponential: mean => -mean * Math.log(unit()),
    pick: items => items[whole(0, items.length - 1)]!,
  }
}

export type Traffic = {
  readonly dice: Dice
  readonly days: number
  readonly fromUnixMs: number
  readonly untilUnixMs: number
  readonly domesticBytesByHour: Float64Array
  /** Rows outside the period are dropped. */
  readonly add: (
    address: string,
    row: Partial<Row> & { readonly startUnixMs: number },
    received?: number,
  ) => void
  /** A TCP connection as a client: `payload` beyond 52 bytes a packet. */
  readonly tcp: (
    address: string,
    startUnixMs: number,
    payload: number,
    more?: Partial<Row> & { received?: number },
  ) => void
  readonly place: (address: string, country: string, asn: number | null) => void
  readonly detect: (options?: DetectOptions) => ServerDetections
  readonly rows: () => number
}

export type DetectOptions = {
  readonly known?: ReadonlySet<string>
  readonly inbound?: boolean
  readonly domestic?: boolean
  readonly shiftMs?: number
  readonly utcOffsetMinutes?: number | null
  readonly shuffled?: boolean
}

export function createTraffic(seed: number, days = 30): Traffic {
  const dice = createDice(seed)
  const fromUnixMs = periodFrom
  const untilUnixMs = fromUnixMs + days * dayMs
  const pairs = new Map<string, { rows: Row[]; received: number; place: Place }>()
  const domesticBytesByHour = new Float64Array(days * 24 + 1)
  const pairOf = (address: string) => {
    let pair = pairs.get(address)
    if (pair === undefined)
      pairs.set(address, (pair = { rows: [], received: 0, place: placeIn('US', 64_500) }))
    return pair
  }
  const add: Traffic['add'] = (address, row, received = 0) => {
    if (row.startUnixMs < fromUnixMs || row.startUnixMs >= untilUnixMs) return
    const pair = pairOf(address)
    pair.received += received
    pair.rows.push({
      lastsMs: 0,
      ipBytes: 60,
      packets: 1,
      protocol: 6,
      srcPort: dice.whole(32_768, 60_999),
      dstPort: 443,
      ...row,
      ...(row.ipBytes === undefined ? {} : { ipBytes: Math.round(row.ipBytes) }),
    })
  }
  return {
    dice,
    days,
    fromUnixMs,
    untilUnixMs,
    domesticBytesByHour,
    add,
    tcp(address, startUnixMs, payload, { received = 0, ...more } = {}) {
      // Half of the packets that come are acknowledged, a data packet carries 1448, and opening and closing take 5.
      const packets = 5 + Math.ceil(payload / 1448) + Math.ceil(received / 2896)
      add(address, { startUnixMs, ipBytes: payload + packets * 52, packets, lastsMs: 400, ...more }, received)
    },
    place(address, country, asn) {
      pairOf(address).place = placeIn(country, asn)
    },
    rows: () => [...pairs.values()].reduce((sum, { rows }) => sum + rows.length, 0),
    detect(options = {}) {
      const {
        inbound = true,
        domestic = true,
        shiftMs = 0,
        utcOffsetMinutes = indiaMinutes,
        shuffled,
      } = options
      const detector = createServerDetector({
        server: 'server-1',
        home: 'IN' as CountryCode,
        periodFromUnixMs: fromUnixMs + shiftMs,
        periodUntilUnixMs: untilUnixMs + shiftMs,
        utcOffsetMinutes,
        known: options.known ?? null,
      })
      const columns = createPairColumns()
      for (const [dstAddr, { rows, received, place }] of pairs) {
        columns.clear()
        const order = rows.toSorted((a, b) => a.startUnixMs - b.startUnixMs)
        if (shuffled) order.sort((a, b) => ((a.srcPort * 7919) % 1009) - ((b.srcPort * 7919) % 1009))
        for (const { startUnixMs, lastsMs, ipBytes, packets, protocol, srcPort, dstPort } of order) {
          const start = startUnixMs + shiftMs
          columns.add(start, start + lastsMs, ipBytes, packets, ipBytes, protocol, srcPort, dstPort)
        }
        detector.pair({
          dstAddr,
          place,
          columns: columns.columns(),
          receivedBytes: inbound ? received : null,
        })
      }
      return detector.finish({ domesticBytesByHour: domestic ? domesticBytesByHour : null })
    },
  }
}

export function placeIn(country: string, asn: number | null): Place {
  const asName = asn === null ? null : `Network ${asn}`
  return { country: country as CountryCode, candidates: [], basis: 'vote', asn, asName }
}

/** Moments of a process whose rate rises and falls with the day there. */
export function* daytimeMoments(traffic: Traffic, aDay: number): Generator<number> {
  const { dice } = traffic
  const gapMs = dayMs / (aDay * 2)
  for (
    let at = traffic.fromUnixMs + dice.exponential(gapMs);
    at < traffic.untilUnixMs;
    at += dice.exponential(gapMs)
  ) {
    const hour = (((at - periodFrom) % dayMs) / hourMs + 24) % 24
    if (dice.unit() < 0.5 + 0.45 * Math.cos(((hour - 14) / 24) * 2 * Math.PI)) yield at
  }
}
