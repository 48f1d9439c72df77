/** What honest servers send abroad without anybody having told them to. */
import { dayMs, daytimeMoments, hourMs, minuteMs, secondMs, type Traffic } from './traffic.ts'

export function clockSync(traffic: Traffic, address: string): void {
  const { dice } = traffic
  traffic.place(address, 'US', 64_510)
  let pollMs = 64 * secondMs
  const hasKey = dice.unit() < 0.1
  const size = hasKey ? 96 : 76
  for (let at = traffic.fromUnixMs + dice.between(0, 60_000); at < traffic.untilUnixMs; at += pollMs) {
    traffic.add(address, { startUnixMs: at, ipBytes: size, protocol: 17, dstPort: 123 }, size)
    if (dice.unit() < 0.02)
      pollMs = Math.min(1024, Math.max(64, (pollMs / secondMs) * dice.pick([0.5, 2, 2]))) * secondMs
  }
}

/** `aDay` questions; most names short, a few long (`ip6.arpa`, content networks). */
export function nameLookups(traffic: Traffic, address: string, aDay: number): void {
  const { dice } = traffic
  traffic.place(address, 'US', 15_169)
  for (const at of daytimeMoments(traffic, aDay)) {
    const long = dice.unit()
    const bytes =
      long < 0.01 ? dice.between(150, 210) : long < 0.08 ? dice.between(110, 130) : dice.between(60, 105)
    traffic.add(
      address,
      { startUnixMs: at, ipBytes: bytes, protocol: 17, dstPort: 53 },
      bytes + dice.between(16, 200),
    )
    // A cache asks again when a record expires.
    if (dice.unit() < 0.02)
      traffic.add(
        address,
        { startUnixMs: at + 5 * secondMs, ipBytes: bytes, protocol: 17, dstPort: 53 },
        bytes * 2,
      )
  }
}

/** Package lists once or twice a day, packages now and then: nearly all of it comes in. */
function updates(traffic: Traffic, address: string): void {
  const { dice } = traffic
  traffic.place(address, 'DE', 64_511)
  for (let day = 0; day < traffic.days; day++) {
    const at = traffic.fromUnixMs + day * dayMs + 6 * hourMs + dice.between(0, 12 * hourMs)
    const lists = dice.whole(3, 12)
    for (let i = 0; i < lists; i++) {
      traffic.tcp(address, at + i * dice.between(200, 3000), dice.between(500, 1200), {
        received: dice.between(2e3, 4e6),
      })
    }
    if (dice.unit() > 0.2) continue
    for (let i = 0; i < dice.whole(1, 6); i++) {
      traffic.tcp(address, at + minuteMs + i * 8000, dice.between(800, 4000), {
        received: dice.between(1e6, 400e6),
      })
    }
  }
}

function certificateChecks(traffic: Traffic, address: string): void {
  const { dice } = traffic
  traffic.place(address, 'US', 13_335)
  for (const at of daytimeMoments(traffic, dice.between(1, 12))) {
    traffic.tcp(address, at, dice.between(220, 420), { dstPort: 80, received: dice.between(900, 2500) })
  }
}

/** Knocks from everywhere: resets, certificates to whoever opens TLS, and ICMP to those who try UDP. */
function scanners(traffic: Traffic, aDay: number, hasTls: boolean): void {
  const { dice } = traffic
  for (let at = traffic.fromUnixMs; at < traffic.untilUnixMs; at += dice.exponential(dayMs / aDay)) {
    const address = `198.${dice.whole(0, 255)}.${dice.whole(0, 255)}.${dice.whole(1, 254)}`
    traffic.place(address, dice.pick(['US', 'NL', 'CN', 'RU', 'BR']), dice.whole(64_600, 64_680))
    const dstPort = dice.whole(1025, 65_535)
    const kind = dice.unit()
    if (kind < 0.2) {
      traffic.add(
        address,
        { startUnixMs: at, ipBytes: dice.between(56, 220), protocol: 1, srcPort: 0, dstPort: 771 },
        120,
      )
    } else if (kind < 0.4 && hasTls) {
      traffic.add(
        address,
        {
          startUnixMs: at,
          ipBytes: dice.between(2800, 5600),
          packets: dice.whole(6, 9),
          srcPort: 443,
          dstPort,
        },
        900,
      )
    } else {
      const srcPort = dice.pick([22, 23, 80, 445, 3389, 8080, dice.whole(1, 65_535)])
      traffic.add(
        address,
        { startUnixMs: at, ipBytes: 40 * dice.whole(1, 3), packets: 1, srcPort, dstPort },
        60,
      )
    }
  }
}

/** A host that is gone: the same opening packet, again and again, further and further apart. */
export function retries(traffic: Traffic, address: string): void {
  const { dice } = traffic
  traffic.place(address, 'SG', 64_512)
  let gap = 30 * secondMs
  for (let at = traffic.fromUnixMs + dice.between(0, 5 * dayMs); at < traffic.untilUnixMs; at += gap) {
    traffic.add(address, { startUnixMs: at, ipBytes: 7 * 60, packets: 7, lastsMs: 127_000 })
    gap = Math.min(10 * minuteMs, gap * 2)
  }
}

/** Pages to readers abroad: large, by day, mostly from addresses that come for a few days. */
export function pagesServed(traffic: Traffic, visitsADay: number): void {
  const { dice } = traffic
  const readers = Array.from(
    { length: Math.ceil(visitsADay * 2) },
    () => `100.${dice.whole(64, 127)}.${dice.whole(0, 255)}.${dice.whole(1, 254)}`,
  )
  for (const at of daytimeMoments(traffic, visitsADay)) {
    const day = (at - traffic.fromUnixMs) / dayMs
    const spread = readers.length / 4
    const reader =
      readers[Math.floor((day / traffic.days) * (readers.length - spread) + dice.unit() * spread)]!
    traffic.place(reader, 'AE', 64_520 + (reader.length % 7))
    const pages = dice.whole(1, 6)
    for (let i = 0; i < pages; i++) {
      const payload = Math.min(5e6, 8000 * Math.exp(1.2 * dice.normal()))
      const packets = 5 + Math.ceil(payload / 1448)
      traffic.add(
        reader,
        {
          startUnixMs: at + i * dice.exponential(20_000),
          lastsMs: 3000,
          ipBytes: payload + packets * 52,
          packets,
          srcPort: 443,
          dstPort: dice.whole(1025, 65_535),
        },
        packets * 30,
      )
    }
  }
}

/** A service abroad that the server's software calls while people use it. */
export function apiCalls(traffic: Traffic, addresses: readonly string[], aDay: number): void {
  const { dice } = traffic
  for (const address of addresses) traffic.place(address, 'US', 16_509)
  for (const at of daytimeMoments(traffic, aDay)) {
    const payload = Math.min(60_000, 1500 * Math.exp(0.7 * dice.normal()))
    traffic.tcp(dice.pick(addresses), at, payload, {
      received: payload * dice.between(0.5, 8),
      lastsMs: dice.between(100, 20_000),
    })
  }
}

/** Mail to hosts all over, by day. */
function mailSent(traffic: Traffic, aDay: number): void {
  const { dice } = traffic
  for (const at of daytimeMoments(traffic, aDay)) {
    const host = Math.floor(400 * dice.unit() ** 3)
    const address = `192.0.${host >> 8}.${host & 255}`
    traffic.place(address, 'US', 64_700 + (host % 60))
    traffic.tcp(address, at, Math.min(10e6, 12_000 * Math.exp(1.3 * dice.normal())), {
      dstPort: 25,
      received: 900,
    })
  }
}

/** An agent that reports to a company abroad: a beacon by its form, and only a person can say that it may be there. */
function monitoringAgent(traffic: Traffic, address: string, everyMs: number): void {
  const { dice } = traffic
  traffic.place(address, 'US', 14_618)
  for (
    let at = traffic.fromUnixMs + dice.between(0, everyMs);
    at < traffic.untilUnixMs;
    at += everyMs * dice.between(0.98, 1.02)
  ) {
    traffic.tcp(address, at, dice.between(1500, 4000), { received: 700 })
  }
}

/** Somebody abroad looks each few minutes whether the page is there. */
function uptimeChecks(traffic: Traffic, address: string, everyMs: number): void {
  const { dice } = traffic
  traffic.place(address, 'US', 54_113)
  for (let at = traffic.fromUnixMs + dice.between(0, everyMs); at < traffic.untilUnixMs; at += everyMs) {
    traffic.add(
      address,
      {
        startUnixMs: at + dice.between(0, 2000),
        ipBytes: dice.between(4000, 5000),
        packets: 9,
        srcPort: 443,
        dstPort: dice.whole(1025, 65_535),
      },
      1200,
    )
  }
}

/** People at work: calls from nine to six, Monday to Friday, with a lunch break. */
export function officeCalls(traffic: Traffic, address: string, aDay: number): void {
  const { dice } = traffic
  traffic.place(address, 'US', 8075)
  for (let day = 0; day < traffic.days; day++) {
    if ((day + 4) % 7 === 0 || (day + 4) % 7 === 6) continue
    const calls = dice.whole(aDay / 2, aDay * 1.5)
    for (let i = 0; i < calls; i++) {
      const hour = dice.unit() < 0.5 ? dice.between(9, 13) : dice.between(13.5, 18)
      traffic.tcp(
        address,
        traffic.fromUnixMs + day * dayMs + hour * hourMs,
        3000 * Math.exp(0.8 * dice.normal()),
        { received: dice.between(5e3, 5e5) },
      )
    }
  }
}

/** Traffic at home: people by day, and a backup each night. */
export function homeTraffic(traffic: Traffic, hasNightBackup: boolean): void {
  const { dice, domesticBytesByHour } = traffic
  for (let hour = 0; hour < domesticBytesByHour.length; hour++) {
    const ofDay = hour % 24
    domesticBytesByHour[hour] =
      2e8 * (1 + 0.8 * Math.cos(((ofDay - 14) / 24) * 2 * Math.PI)) * dice.between(0.6, 1.4)
    if (hasNightBackup && ofDay === 2) domesticBytesByHour[hour]! += 5e10 * dice.between(0.8, 1.2)
  }
}

export const innocentProfiles = {
  /** Nothing but what every server does. */
  quiet(traffic: Traffic) {
    const { dice } = traffic
    homeTraffic(traffic, dice.unit() < 0.5)
    for (let i = 0; i < dice.whole(1, 4); i++) clockSync(traffic, `203.0.113.${10 + i}`)
    nameLookups(traffic, '8.8.8.8', dice.between(300, 3000))
    updates(traffic, '203.0.113.30')
    certificateChecks(traffic, '203.0.113.40')
    scanners(traffic, dice.between(5, 60), false)
  },
  /** On the Internet with a web port, and busy. */
  exposed(traffic: Traffic) {
    const { dice } = traffic
    homeTraffic(traffic, dice.unit() < 0.5)
    for (let i = 0; i < 4; i++) clockSync(traffic, `203.0.113.${10 + i}`)
    nameLookups(traffic, '8.8.8.8', dice.between(3000, 12_000))
    nameLookups(traffic, '8.8.4.4', dice.between(100, 2000))
    updates(traffic, '203.0.113.30')
    certificateChecks(traffic, '203.0.113.40')
    scanners(traffic, dice.between(100, 600), true)
    retries(traffic, '203.0.113.50')
  },
  web(traffic: Traffic) {
    innocentProfiles.exposed(traffic)
    pagesServed(traffic, traffic.dice.between(50, 500))
  },
  api(traffic: Traffic) {
    innocentProfiles.quiet(traffic)
    const addresses = Array.from({ length: traffic.dice.whole(2, 40) }, (_, i) => `203.0.112.${i + 1}`)
    apiCalls(traffic, addresses, traffic.dice.between(20, 2000))
  },
  office(traffic: Traffic) {
    innocentProfiles.quiet(traffic)
    officeCalls(traffic, '203.0.112.77', traffic.dice.whole(2, 300))
  },
  mail(traffic: Traffic) {
    innocentProfiles.quiet(traffic)
    mailSent(traffic, traffic.dice.between(20, 400))
  },
} as const

/** Honest, and to be marked as expected: nothing in the records tells them from what hides. */
export const watchedProfiles = {
  agent(traffic: Traffic) {
    innocentProfiles.quiet(traffic)
    monitoringAgent(traffic, '203.0.112.90', traffic.dice.pick([15, 60, 300]) * secondMs)
  },
  uptime(traffic: Traffic) {
    innocentProfiles.exposed(traffic)
    for (let i = 0; i < 4; i++)
      uptimeChecks(traffic, `203.0.112.${100 + i}`, traffic.dice.pick([1, 5]) * minuteMs)
  },
} as const
