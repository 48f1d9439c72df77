import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Detection, DetectionKind } from '../../src/flows/detect/detection.ts'
import { beats, bulk, drip, guiltyWays, nightly, questions } from '../support/guilty-traffic.ts'
import {
  clockSync,
  homeTraffic,
  nameLookups,
  officeCalls,
  pagesServed,
  retries,
} from '../support/innocent-traffic.ts'
import {
  createTraffic,
  type DetectOptions,
  dayMs,
  hourMs,
  minuteMs,
  secondMs,
  type Traffic,
} from '../support/traffic.ts'

const there = '203.0.115.77'

function found(traffic: Traffic, kind: DetectionKind, options: DetectOptions = {}): Detection | null {
  return traffic.detect(options).detections.find(detection => detection.kind === kind) ?? null
}

/** 0 when it is not found at all. */
function score(traffic: Traffic, kind: DetectionKind, options: DetectOptions = {}): number {
  return found(traffic, kind, options)?.score ?? 0
}

const suspect = 50

describe('beacons', () => {
  it('finds them at any period and any jitter up to half of it, with beats missing', () => {
    const parameters = fc.record({
      seed: fc.nat(),
      everyMs: fc.integer({ min: 30 * secondMs, max: 4 * hourMs }),
      jitter: fc.double({ min: 0, max: 0.5, noNaN: true }),
      skipped: fc.double({ min: 0, max: 0.2, noNaN: true }),
    })
    fc.assert(
      fc.property(parameters, ({ seed, everyMs, jitter, skipped }) => {
        const traffic = createTraffic(seed, 10)
        const payload = Math.max(300, (5e6 * everyMs) / (10 * dayMs))
        beats(traffic, there, { everyMs, jitter, skipped: jitter > 0.1 ? 0 : skipped, payload })
        const beacon = found(traffic, 'beacon')
        // Ten days of beats hours apart are few, and few that also wander are chance.
        const beatCount = (10 * dayMs) / everyMs
        if (beatCount < 150 && jitter > 0.2) return
        expect(beacon?.score ?? 0).toBeGreaterThanOrEqual(suspect)
        expect(beacon!.evidence.periodMs! / everyMs).toBeGreaterThan(0.85)
        expect(beacon!.evidence.periodMs! / everyMs).toBeLessThan(1.15)
      }),
      { numRuns: 40 },
    )
  })

  it('finds 200 bytes each minute', () => {
    const traffic = createTraffic(1)
    beats(traffic, there, { everyMs: minuteMs, payload: 200 })
    const beacon = found(traffic, 'beacon')!
    expect(beacon.severity).toBe('medium')
    expect(beacon.reason).toContain('every 60 s')
    expect(beacon.attack.map(({ id }) => id)).toContain('T1041')
  })

  it('finds two and three intervals that take turns', () => {
    for (const pattern of [
      [1, 5],
      [1, 2.7],
      [1, 3, 7],
    ]) {
      const traffic = createTraffic(2)
      beats(traffic, there, { everyMs: 3 * minuteMs, pattern, jitter: 0.05, payload: 900 })
      const beacon = found(traffic, 'beacon')!
      expect(beacon.score).toBeGreaterThanOrEqual(suspect)
    }
  })

  it('finds one that changes its port each time', () => {
    const traffic = createTraffic(10)
    for (let i = 0; i < 10_000; i++) {
      const at = traffic.fromUnixMs + i * 4 * minuteMs + traffic.dice.between(0, 20_000)
      traffic.tcp(there, at, 900, {
        dstPort: traffic.dice.pick([80, 443, 993, 8443, 21_000, 47_000, 50_001, 60_999]),
      })
    }
    const beacon = found(traffic, 'beacon')!
    expect(beacon.score).toBeGreaterThanOrEqual(suspect)
    expect(beacon.destination!.service!.port).toBeNull()
  })

  it('finds one beside larger traffic with the same address and port', () => {
    const traffic = createTraffic(3)
    guiltyWays['beacon, beside bulk']!(traffic)
    expect(score(traffic, 'beacon')).toBeGreaterThanOrEqual(suspect)
  })

  it('never takes moments by chance for a rhythm', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 5, max: 3000 }), (seed, count) => {
        const traffic = createTraffic(seed)
        for (let i = 0; i < count; i++) {
          const at = traffic.fromUnixMs + traffic.dice.unit() * 30 * dayMs
          traffic.tcp(there, at, 3000 + 1e6 / count)
        }
        expect(score(traffic, 'beacon')).toBe(0)
      }),
      { numRuns: 150 },
    )
  })

  it('never, however dense they are', () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0.3, max: 120, noNaN: true }), (seed, gapSeconds) => {
        const traffic = createTraffic(seed, 2)
        const gapMs = gapSeconds * secondMs
        const until = Math.min(traffic.untilUnixMs, traffic.fromUnixMs + 20_000 * gapMs)
        for (let at = traffic.fromUnixMs; at < until; at += traffic.dice.exponential(gapMs))
          traffic.tcp(there, at, 2000)
        expect(score(traffic, 'beacon')).toBe(0)
      }),
      { numRuns: 40 },
    )
  })

  it('takes a job of a few steps each night for none', () => {
    const traffic = createTraffic(11)
    nightly(traffic, there, { atHour: 2, payload: 5e6 })
    expect(score(traffic, 'beacon')).toBe(0)
  })

  it('is not misled by flow logs whose clock ticks in minutes', () => {
    const traffic = createTraffic(8)
    for (let i = 0; i < 200_000; i++) {
      const at = traffic.fromUnixMs + traffic.dice.unit() * 30 * dayMs
      traffic.tcp(there, Math.floor(at / minuteMs) * minuteMs, 1500)
    }
    expect(score(traffic, 'beacon')).toBe(0)
    const slow = createTraffic(9)
    for (let i = 0; i < 8000; i++) slow.tcp(there, slow.fromUnixMs + i * 5 * minuteMs, 1500)
    expect(score(slow, 'beacon', { shiftMs: 7000 })).toBeGreaterThanOrEqual(suspect)
  })

  it('says nothing bad of clocks, name look-ups and a host that is gone', () => {
    for (let seed = 0; seed < 5; seed++) {
      const traffic = createTraffic(seed)
      clockSync(traffic, '203.0.113.10')
      nameLookups(traffic, '8.8.8.8', 5000)
      retries(traffic, '203.0.113.50')
      for (const detection of traffic.detect().detections) expect(detection.score).toBeLessThan(suspect)
    }
  })

  it('asks for no more than medium when somebody abroad does the asking', () => {
    const traffic = createTraffic(4)
    for (let i = 0; i < 30 * 1440; i++) {
      traffic.add(there, {
        startUnixMs: traffic.fromUnixMs + 7321 + i * minuteMs,
        ipBytes: 4500,
        packets: 9,
        srcPort: 443,
        dstPort: 40_000 + (i % 9000),
      })
    }
    const beacon = found(traffic, 'beacon')!
    expect(beacon.destination!.service).toEqual({ protocol: 6, port: 443, role: 'answered' })
    expect(beacon.severity).toBe('medium')
  })

  it('hears the rhythm through records that are given twice', () => {
    const traffic = createTraffic(5)
    beats(traffic, there, { everyMs: minuteMs, jitter: 0.2 })
    const once = found(traffic, 'beacon')!
    const again = createTraffic(5)
    beats(again, there, { everyMs: minuteMs, jitter: 0.2 })
    const twice = createTraffic(5)
    beats(twice, there, { everyMs: minuteMs, jitter: 0.2 })
    twice.tcp(there, twice.fromUnixMs + 1000, 200)
    expect(found(again, 'beacon')).toEqual(once)
    expect(Math.abs(found(twice, 'beacon')!.evidence.periodMs! - once.evidence.periodMs!)).toBeLessThan(100)
  })
})

describe('long connections', () => {
  const oneOf = (hours: number, more: object = {}) => {
    const traffic = createTraffic(1)
    traffic.add(there, {
      startUnixMs: traffic.fromUnixMs + dayMs,
      lastsMs: hours * hourMs,
      ipBytes: 12e6,
      packets: 10_000,
      ...more,
    })
    return traffic
  }

  it('goes by steps of 1, 4, 8 and 12 hours', () => {
    const scores = [0.9, 1, 4, 8, 12, 48].map(hours => score(oneOf(hours), 'long-connection'))
    expect(scores[0]).toBe(0)
    expect(scores.slice(1, 5)).toEqual(scores.slice(1, 5).toSorted((a, b) => a - b))
    expect(scores[4]).toBe(scores[5])
    expect(scores[4]).toBeGreaterThanOrEqual(suspect)
  })

  it('is not misled by ports that are used again, or clocks with a port of their own', () => {
    expect(score(oneOf(48, { packets: 40 }), 'long-connection')).toBe(0)
    expect(
      score(oneOf(48, { protocol: 17, srcPort: 123, dstPort: 123, ipBytes: 76e4 }), 'long-connection'),
    ).toBe(0)
  })
})

describe('first seen', () => {
  const lastWeek = (days: number) => {
    const traffic = createTraffic(1, days)
    for (let day = 0; day < days; day++) traffic.tcp('203.0.113.1', traffic.fromUnixMs + day * dayMs, 2000)
    bulk(traffic, there, traffic.untilUnixMs - 3 * dayMs, 5e6)
    return traffic
  }

  it('names a network that is new in the last seven days', () => {
    const detection = found(lastWeek(30), 'first-seen')!
    expect(detection.score).toBeGreaterThanOrEqual(suspect)
    expect(detection.destination!.address).toBe(there)
    expect(detection.evidence.isNewNetwork).toBe(1)
  })

  it('cannot say so of less than fourteen days, and says that it cannot', () => {
    const { detections, remarks } = lastWeek(13).detect()
    expect(detections.map(({ kind }) => kind)).not.toContain('first-seen')
    expect(remarks.join()).toContain('14 days')
  })

  it('goes by the earlier period where there is one', () => {
    const known = new Set(['203.0.113.1'])
    expect(found(lastWeek(5), 'first-seen', { known })!.destination!.address).toBe(there)
    expect(found(lastWeek(5), 'first-seen', { known: new Set([there, ...known]) })).toBeNull()
  })

  it('thinks less of one more address in a known network', () => {
    const traffic = lastWeek(30)
    traffic.place('203.0.113.1', 'CN', 64_999)
    expect(score(traffic, 'first-seen')).toBeLessThan(suspect)
  })
})

describe('upload ratio', () => {
  it('needs inbound records, and more out than in', () => {
    const make = (received: number) => {
      const traffic = createTraffic(1)
      for (let i = 0; i < 40; i++) traffic.tcp(there, traffic.fromUnixMs + i * hourMs, 1e5, { received })
      return traffic
    }
    expect(score(make(1000), 'upload-ratio')).toBeGreaterThanOrEqual(suspect)
    expect(found(make(1000), 'upload-ratio')!.evidence.ratio).toBeCloseTo(0.98, 1)
    expect(score(make(1000), 'upload-ratio', { inbound: false })).toBe(0)
    expect(score(make(3e5), 'upload-ratio')).toBe(0)
  })

  it('does not count pages that the server answers with', () => {
    const traffic = createTraffic(2)
    pagesServed(traffic, 200)
    expect(score(traffic, 'upload-ratio')).toBe(0)
  })
})

describe('schedules', () => {
  const job = (atHour: number, spreadMs = 40 * minuteMs) => {
    const traffic = createTraffic(atHour + 1)
    homeTraffic(traffic, false)
    traffic.place(there, 'CN', 64_999)
    nightly(traffic, there, { atHour, payload: 3e5, spreadMs })
    return traffic
  }

  it('finds a job at any hour of the night, across midnight too', () => {
    for (const hour of [23.7, 0, 1, 2, 3, 4]) {
      const schedule = found(job(hour), 'schedule')!
      expect(schedule.score).toBeGreaterThanOrEqual(suspect)
      expect(schedule.evidence.daysInWindow).toBeGreaterThanOrEqual(28)
    }
  })

  it('names the hours of the country', () => {
    expect(found(job(2), 'schedule')!.reason).toContain('between 02:00 and 03:00 UTC+05:30')
    expect(found(job(2), 'schedule', { utcOffsetMinutes: null })!.reason).toContain('UTC:')
  })

  it('thinks less of a job by day', () => {
    expect(score(job(11), 'schedule')).toBeLessThan(score(job(2), 'schedule'))
  })

  it('finds the night when each has another address', () => {
    const traffic = createTraffic(6)
    guiltyWays['schedule, other addresses each night']!(traffic)
    expect(found(traffic, 'schedule')!.destination).toBeNull()
  })

  it('finds one day of the week', () => {
    const traffic = createTraffic(7)
    traffic.place(there, 'CN', 64_999)
    nightly(traffic, there, { atHour: 3, payload: 5e6, everyDays: 7 })
    expect(found(traffic, 'schedule')!.reason).toContain('on Thursdays')
  })

  it('does not fire on small counts, on hours by chance, or on people at work', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
        const traffic = createTraffic(seed)
        for (let i = 0; i < count; i++) {
          traffic.tcp(there, traffic.fromUnixMs + traffic.dice.unit() * 30 * dayMs, 5e4)
        }
        expect(score(traffic, 'schedule')).toBe(0)
      }),
      { numRuns: 150 },
    )
    for (let seed = 0; seed < 10; seed++) {
      const traffic = createTraffic(seed)
      homeTraffic(traffic, false)
      officeCalls(traffic, there, 20)
      expect(score(traffic, 'schedule')).toBeLessThan(suspect)
    }
    const threeNights = createTraffic(1, 3)
    nightly(threeNights, there, { atHour: 2, payload: 1e6 })
    expect(score(threeNights, 'schedule')).toBe(0)
  })
})

describe('change of volume', () => {
  const steady = (seed: number, spread: number) => {
    const traffic = createTraffic(seed)
    for (let day = 0; day < 30; day++) {
      const bytes = 2e6 * Math.exp(spread * traffic.dice.normal())
      for (let i = 0; i < 10; i++)
        traffic.tcp('203.0.113.9', traffic.fromUnixMs + day * dayMs + i * hourMs, bytes / 10)
    }
    return traffic
  }

  it('stays calm when days differ as they do', () => {
    let alarms = 0
    for (let seed = 0; seed < 100; seed++)
      alarms += score(steady(seed, 0.1 + (seed % 7) / 10), 'volume-change') > 0 ? 1 : 0
    expect(alarms).toBeLessThanOrEqual(2)
  })

  it('finds a burst and a step', () => {
    const burst = steady(1, 0.3)
    bulk(burst, there, burst.fromUnixMs + 12.2 * dayMs, 8e7)
    expect(score(burst, 'volume-change')).toBeGreaterThanOrEqual(suspect)
    const step = steady(2, 0.3)
    for (let day = 15; day < 30; day++) bulk(step, there, step.fromUnixMs + (day + 0.3) * dayMs, 1e7)
    const change = found(step, 'volume-change')!
    expect(change.evidence.isStep).toBe(1)
    expect(change.fromUnixMs).toBe(step.fromUnixMs + 15 * dayMs)
  })
})

describe('slow drips', () => {
  const of = (aDay: number, days = 30) => {
    const traffic = createTraffic(3, days)
    drip(traffic, there, aDay)
    return traffic
  }

  it('finds 300 kB a day for a month', () => {
    const detection = found(of(3e5), 'slow-drip')!
    expect(detection.score).toBeGreaterThanOrEqual(suspect)
    expect(detection.evidence.largestDayBytes).toBeLessThan(1e6)
  })

  it('leaves what is too little, too large on a day, or too short', () => {
    expect(score(of(2e4), 'slow-drip')).toBe(0)
    expect(score(of(5e6), 'slow-drip')).toBe(0)
    expect(score(of(3e5, 9), 'slow-drip')).toBe(0)
  })

  it('makes one finding of a service with many addresses', () => {
    const traffic = createTraffic(5)
    for (let i = 0; i < 8; i++) drip(traffic, `203.0.115.${i}`, 1.5e5)
    const drips = traffic.detect().detections.filter(({ kind }) => kind === 'slow-drip')
    expect(drips).toHaveLength(1)
    expect(drips[0]!.evidence.addresses).toBe(8)
  })
})

describe('tunnels', () => {
  it('finds long questions to a name server, alone and among honest ones', () => {
    for (const bytes of [200, 240, 280]) {
      const traffic = createTraffic(bytes)
      traffic.place('8.8.8.8', 'US', 15_169)
      nameLookups(traffic, '8.8.8.8', 3000)
      questions(traffic, '8.8.8.8', 20_000, bytes)
      expect(score(traffic, 'dns-tunnel')).toBeGreaterThanOrEqual(suspect)
    }
  })

  it('suspects no busy resolver, nor look-ups of addresses', () => {
    const traffic = createTraffic(1)
    nameLookups(traffic, '8.8.8.8', 20_000)
    questions(traffic, '203.0.113.53', 50_000, 110)
    expect(score(traffic, 'dns-tunnel')).toBeLessThan(suspect)
  })

  it('finds large echoes, and not pings or the errors that scans bring', () => {
    const make = (bytes: number, count: number) => {
      const traffic = createTraffic(2)
      for (let i = 0; i < count; i++) {
        traffic.add(there, {
          startUnixMs: traffic.fromUnixMs + (i * 29 * dayMs) / count,
          ipBytes: bytes,
          protocol: 1,
          srcPort: 0,
          dstPort: 2048,
        })
      }
      return traffic
    }
    expect(score(make(500, 5000), 'icmp-tunnel')).toBeGreaterThanOrEqual(suspect)
    expect(score(make(84, 43_200), 'icmp-tunnel')).toBe(0)
    expect(score(make(300, 60), 'icmp-tunnel')).toBe(0)
  })

  it('finds NTP that is larger than NTP, and knows secured NTP', () => {
    const make = (bytes: number) => {
      const traffic = createTraffic(3)
      for (let i = 0; i < 10_000; i++) {
        traffic.add(there, {
          startUnixMs: traffic.fromUnixMs + i * 256 * secondMs,
          ipBytes: bytes,
          protocol: 17,
          dstPort: 123,
        })
      }
      return traffic
    }
    expect(score(make(76), 'cover-protocol')).toBe(0)
    expect(score(make(96), 'cover-protocol')).toBe(0)
    expect(score(make(260), 'cover-protocol')).toBeLessThan(suspect)
    expect(score(make(500), 'cover-protocol')).toBeGreaterThanOrEqual(suspect)
  })

  it('finds answers that nobody asked for', () => {
    const traffic = createTraffic(4)
    for (let i = 0; i < 100; i++) {
      traffic.add(there, {
        startUnixMs: traffic.fromUnixMs + i * hourMs,
        ipBytes: 1e5,
        packets: 70,
        srcPort: 443,
        dstPort: 40_000 + i,
      })
    }
    expect(found(traffic, 'cover-protocol')!.reason).toContain('only 0 B came from there')
    expect(score(traffic, 'cover-protocol', { inbound: false })).toBe(0)
  })
})

describe('fan-out', () => {
  const spread = (addresses: number, each: number, asn: (i: number) => number) => {
    const traffic = createTraffic(5)
    for (let i = 0; i < addresses; i++) {
      const address = `203.1.${i >> 8}.${i & 255}`
      traffic.place(address, 'CN', asn(i))
      traffic.tcp(address, traffic.fromUnixMs + traffic.dice.unit() * 30 * dayMs, each)
    }
    return traffic
  }

  it('finds a little to each of many addresses of one network', () => {
    const detection = found(
      spread(300, 3e4, () => 64_999),
      'fan-out',
    )!
    expect(detection.score).toBeGreaterThanOrEqual(suspect)
    expect(detection.destination).toMatchObject({ address: null, place: { asn: 64_999 } })
  })

  it('leaves few addresses, and scans, which carry nothing', () => {
    expect(
      score(
        spread(60, 3e4, () => 64_999),
        'fan-out',
      ),
    ).toBe(0)
    expect(
      score(
        spread(5000, 0, () => 64_999),
        'fan-out',
      ),
    ).toBe(0)
  })
})
