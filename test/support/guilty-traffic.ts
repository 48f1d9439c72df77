/** What hides: a way each, with parameters that the dice choose. Each says where it sent to. */

import { apiCalls } from './innocent-traffic.ts'
import { dayMs, hourMs, minuteMs, secondMs, type Traffic } from './traffic.ts'

const target = '203.0.115.77'
const network = 64_999

export type Beat = {
  readonly everyMs: number
  /** Uniform, this part of the interval either way. */
  readonly jitter?: number
  readonly skipped?: number
  readonly payload?: number
  /** Part of the payload, either way. */
  readonly sizeSpread?: number
  readonly fromUnixMs?: number
  readonly untilUnixMs?: number
  /** Intervals are multiplied by these in turn. */
  readonly pattern?: readonly number[]
}

export function beats(traffic: Traffic, address: string, beat: Beat): void {
  const { dice } = traffic
  const { everyMs, jitter = 0, skipped = 0, payload = 200, sizeSpread = 0, pattern = [1] } = beat
  traffic.place(address, 'CN', network)
  let at = (beat.fromUnixMs ?? traffic.fromUnixMs) + dice.between(0, everyMs)
  for (let i = 0; at < (beat.untilUnixMs ?? traffic.untilUnixMs); i++) {
    if (dice.unit() >= skipped)
      traffic.tcp(address, at, payload * dice.between(1 - sizeSpread, 1 + sizeSpread), { received: 300 })
    at += everyMs * pattern[i % pattern.length]! * dice.between(1 - jitter, 1 + jitter)
  }
}

/** Each day at `atHour` of the country's clock, some minutes to and fro. */
export function nightly(
  traffic: Traffic,
  address: string,
  options: { atHour: number; payload: number; spreadMs?: number; everyDays?: number },
): void {
  const { dice } = traffic
  const { atHour, payload, spreadMs = 10 * minuteMs, everyDays = 1 } = options
  for (let day = 0; day < traffic.days; day += everyDays) {
    const at = traffic.fromUnixMs + day * dayMs + atHour * hourMs + dice.between(0, spreadMs)
    for (let i = 0; i < 4; i++)
      traffic.tcp(address, at + i * minuteMs, (payload / 4) * dice.between(0.7, 1.3), {
        received: 2000,
        lastsMs: 30_000,
      })
  }
}

export function drip(traffic: Traffic, address: string, aDay: number): void {
  const { dice } = traffic
  traffic.place(address, 'CN', network)
  for (let day = 0; day < traffic.days; day++) {
    const pieces = dice.whole(1, 8)
    for (let i = 0; i < pieces; i++) {
      const at = traffic.fromUnixMs + day * dayMs + dice.between(0, dayMs)
      traffic.tcp(address, at, (aDay / pieces) * dice.between(0.6, 1.4), { received: 3000 })
    }
  }
}

export function bulk(traffic: Traffic, address: string, at: number, payload: number): void {
  traffic.place(address, 'CN', network)
  const pieces = 20
  for (let i = 0; i < pieces; i++) {
    traffic.tcp(
      address,
      at + traffic.dice.between(0, 6 * hourMs),
      (payload / pieces) * traffic.dice.between(0.5, 1.5),
      { received: 4000 },
    )
  }
}

export function questions(
  traffic: Traffic,
  address: string,
  count: number,
  bytes: number,
  received = 120,
): void {
  const { dice } = traffic
  for (let i = 0; i < count; i++) {
    const startUnixMs = traffic.fromUnixMs + dice.unit() * traffic.days * dayMs
    traffic.add(
      address,
      { startUnixMs, ipBytes: bytes * dice.between(0.85, 1.15), protocol: 17, dstPort: 53 },
      received,
    )
  }
}

/** `kind`: what should be found. `traffic` already holds an innocent server. */
export const guiltyWays: Readonly<Record<string, (traffic: Traffic) => readonly string[]>> = {
  'beacon, steady': traffic => {
    const { dice } = traffic
    const everyMs = Math.exp(dice.between(Math.log(10 * secondMs), Math.log(hourMs)))
    beats(traffic, target, {
      everyMs,
      payload: Math.max(200, (dice.between(2, 20) * 1e6 * everyMs) / (30 * dayMs)),
    })
    return [target]
  },
  'beacon, jitter up to 50 %': traffic => {
    const { dice } = traffic
    const everyMs = Math.exp(dice.between(Math.log(30 * secondMs), Math.log(hourMs)))
    beats(traffic, target, {
      everyMs,
      jitter: dice.between(0.1, 0.5),
      sizeSpread: dice.between(0, 0.5),
      payload: Math.max(400, (8e6 * everyMs) / (30 * dayMs)),
    })
    return [target]
  },
  'beacon, 200 B each minute': traffic => {
    beats(traffic, target, { everyMs: minuteMs, jitter: traffic.dice.between(0, 0.2), payload: 200 })
    return [target]
  },
  'beacon, jitter of 60 to 90 %': traffic => {
    const { dice } = traffic
    const everyMs = Math.exp(dice.between(Math.log(30 * secondMs), Math.log(20 * minuteMs)))
    beats(traffic, target, {
      everyMs,
      jitter: dice.between(0.6, 0.9),
      payload: Math.max(400, (8e6 * everyMs) / (30 * dayMs)),
    })
    return [target]
  },
  'beacon, moments by chance': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    const everyMs = dice.between(1, 20) * minuteMs
    for (let at = traffic.fromUnixMs; at < traffic.untilUnixMs; at += dice.exponential(everyMs))
      traffic.tcp(target, at, dice.between(400, 800), { received: 300 })
    return [target]
  },
  'beacon, beats missing': traffic => {
    const { dice } = traffic
    beats(traffic, target, {
      everyMs: dice.between(1, 30) * minuteMs,
      jitter: dice.between(0, 0.05),
      skipped: dice.between(0.2, 0.6),
      payload: dice.between(800, 4000),
    })
    return [target]
  },
  'beacon, two intervals': traffic => {
    const { dice } = traffic
    beats(traffic, target, {
      everyMs: dice.between(1, 10) * minuteMs,
      pattern: [1, dice.between(2, 8)],
      jitter: dice.between(0, 0.08),
      payload: dice.between(800, 4000),
    })
    return [target]
  },
  'beacon, beside bulk': traffic => {
    const { dice } = traffic
    apiCalls(traffic, [target], dice.between(50, 400))
    beats(traffic, target, {
      everyMs: dice.between(2, 10) * minuteMs,
      jitter: dice.between(0, 0.1),
      payload: dice.between(300, 500),
    })
    return [target]
  },
  'beacon, three days only': traffic => {
    const { dice } = traffic
    const fromUnixMs = traffic.fromUnixMs + dice.between(2, 20) * dayMs
    beats(traffic, target, {
      everyMs: dice.between(10, 120) * secondMs,
      jitter: dice.between(0, 0.3),
      payload: dice.between(400, 2000),
      fromUnixMs,
      untilUnixMs: fromUnixMs + 3 * dayMs,
    })
    return [target]
  },
  'long-connection': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    const payload = dice.between(2e6, 50e6)
    const startUnixMs = traffic.fromUnixMs + dice.between(0, traffic.days - 3) * dayMs
    const packets = 20_000 + payload / 1000
    traffic.add(
      target,
      { startUnixMs, lastsMs: dice.between(12, 60) * hourMs, packets, ipBytes: payload + packets * 52 },
      1e5,
    )
    return [target]
  },
  'first-seen': traffic => {
    const { dice } = traffic
    bulk(traffic, target, traffic.untilUnixMs - dice.between(1, 6) * dayMs, dice.between(2e6, 50e6))
    return [target]
  },
  'upload-ratio': traffic => {
    const { dice } = traffic
    for (let i = 0; i < 5; i++)
      bulk(
        traffic,
        target,
        traffic.fromUnixMs + dice.between(0, traffic.days - 1) * dayMs,
        dice.between(1e6, 20e6),
      )
    return [target]
  },
  'schedule, each night': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    nightly(traffic, target, {
      atHour: dice.whole(0, 5),
      payload: dice.between(1e5, 2e7),
      spreadMs: dice.between(1, 55) * minuteMs,
    })
    return [target]
  },
  'schedule, each week': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    nightly(traffic, target, {
      atHour: dice.whole(0, 5),
      payload: dice.between(1e6, 5e7),
      spreadMs: dice.between(1, 50) * minuteMs,
      everyDays: 7,
    })
    return [target]
  },
  'schedule, other addresses each night': traffic => {
    const { dice } = traffic
    const atHour = dice.whole(0, 4)
    const used: string[] = []
    for (let day = 0; day < traffic.days; day++) {
      const address = `203.0.116.${day + 1}`
      used.push(address)
      traffic.place(address, dice.pick(['CN', 'RU', 'US']), network - (day % 12))
      const at = traffic.fromUnixMs + day * dayMs + atHour * hourMs + dice.between(0, 50 * minuteMs)
      traffic.tcp(address, at, dice.between(1e5, 9e5), { received: 2000 })
    }
    return used
  },
  'volume-change, burst': traffic => {
    const { dice } = traffic
    bulk(traffic, target, traffic.fromUnixMs + dice.between(3, 20) * dayMs, dice.between(1e7, 2e8))
    return [target]
  },
  'volume-change, step': traffic => {
    const { dice } = traffic
    const from = dice.whole(8, 20)
    const aDay = dice.between(2e6, 4e7)
    for (let day = from; day < traffic.days; day++) {
      const address = `203.0.117.${day % 9}`
      bulk(
        traffic,
        address,
        traffic.fromUnixMs + day * dayMs + dice.between(0, 17) * hourMs,
        aDay * dice.between(0.5, 1.5),
      )
    }
    return Array.from({ length: 9 }, (_, i) => `203.0.117.${i}`)
  },
  'slow-drip': traffic => {
    drip(traffic, target, traffic.dice.between(1e5, 6e5))
    return [target]
  },
  'dns-tunnel': traffic => {
    const { dice } = traffic
    const bytes = dice.between(180, 280)
    const [address, place] = dice.pick([
      ['203.0.115.53', true],
      ['8.8.8.8', false],
    ] as const)
    if (place) traffic.place(address, 'CN', network)
    questions(traffic, address, dice.between(1e6, 2e7) / bytes, bytes)
    return [address]
  },
  'dns-tunnel, names of 60 characters': traffic => {
    const { dice } = traffic
    traffic.place('203.0.115.53', 'CN', network)
    questions(traffic, '203.0.115.53', dice.between(5e6, 2e7) / 115, 115)
    return ['203.0.115.53']
  },
  'icmp-tunnel': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    const bytes = dice.between(250, 1400)
    const count = dice.between(1e6, 2e7) / bytes
    for (let i = 0; i < count; i++) {
      const startUnixMs = traffic.fromUnixMs + dice.unit() * traffic.days * dayMs
      traffic.add(
        target,
        { startUnixMs, ipBytes: bytes * dice.between(0.8, 1.05), protocol: 1, srcPort: 0, dstPort: 2048 },
        bytes,
      )
    }
    return [target]
  },
  'cover-protocol, large NTP': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    const bytes = dice.between(400, 1000)
    for (let at = traffic.fromUnixMs; at < traffic.untilUnixMs; at += dice.between(60, 600) * secondMs) {
      traffic.add(
        target,
        { startUnixMs: at, ipBytes: bytes * dice.between(0.9, 1.1), protocol: 17, dstPort: 123 },
        76,
      )
    }
    return [target]
  },
  'cover-protocol, GRE': traffic => {
    const { dice } = traffic
    traffic.place(target, 'CN', network)
    for (let day = 0; day < traffic.days; day += 2) {
      traffic.add(
        target,
        {
          startUnixMs: traffic.fromUnixMs + day * dayMs + dice.between(0, dayMs),
          lastsMs: minuteMs,
          ipBytes: dice.between(1e5, 2e6),
          packets: 1000,
          protocol: 47,
          srcPort: 0,
          dstPort: 0,
        },
        1e5,
      )
    }
    return [target]
  },
  'fan-out': traffic => {
    const { dice } = traffic
    const count = dice.whole(120, 900)
    const used: string[] = []
    for (let i = 0; i < count; i++) {
      const address = `203.1.${i >> 8}.${i & 255}`
      used.push(address)
      traffic.place(address, 'CN', network)
      for (let j = 0; j < dice.whole(1, 3); j++) {
        traffic.tcp(
          address,
          traffic.fromUnixMs + dice.unit() * traffic.days * dayMs,
          dice.between(10_000, 60_000),
          { received: 1000 },
        )
      }
    }
    return used
  },
}
