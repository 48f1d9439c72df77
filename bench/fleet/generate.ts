/**
 * A fleet's month as flow records, with the truth about it: most servers work at home, and some send abroad in ways that
 * are ordered, partly ordered, or hidden. Everything follows from the seed; what the audit says is compared with `truth`.
 * The detectors know nothing of this file.
 */

export type FleetShape = {
  readonly seed: number
  readonly servers: number
  readonly senders: number
  readonly days: number
  /** About so many records in all. */
  readonly flows: number
}

export type FleetRow = {
  src: string
  dst: string
  srcPort: number
  dstPort: number
  protocol: number
  packets: number
  bytes: number
  startSeconds: number
  endSeconds: number
  /** The interface that saw it. */
  observer: string
}

/** How a server that sends abroad does it. */
export type Way =
  | 'instructed'
  | 'partly'
  | 'bulk'
  | 'noise'
  | 'beacon'
  | 'drip'
  | 'night'
  | 'ride-along'
  | 'dns'

export const ways: readonly Way[] = [
  'instructed',
  'partly',
  'bulk',
  'noise',
  'beacon',
  'drip',
  'night',
  'ride-along',
  'dns',
]

/** A connection that both ends entered under one instruction. */
export type EnteredConnection = {
  readonly instruction: string
  readonly from: readonly [string, number]
  readonly to: readonly [string, number]
  readonly startSeconds: number
  readonly endSeconds: number
  readonly payload: number
}

export type SenderTruth = {
  readonly server: string
  readonly way: Way
  /** IP bytes, as the records have them. */
  instructedBytes: number
  unexplainedBytes: number
}

export type Fleet = {
  readonly inventory: string
  readonly places: string
  readonly startSeconds: number
  readonly truth: ReadonlyMap<string, SenderTruth>
  /** Filled while the rows are drawn. */
  readonly entered: readonly EnteredConnection[]
  /** The rows of one day. The same object again and again: take what is needed before the next. */
  readonly day: (index: number) => Generator<FleetRow>
}

/** Places by hand, so that no database decides what a benchmark finds. */
const places = `cidr,country,asn,name
52.66.0.0/16,IN,16509,Cloud in Mumbai
49.32.0.0/12,IN,55836,Access network
8.8.8.0/24,US,15169,Resolver
162.159.200.0/24,US,13335,Time
151.101.0.0/16,US,54113,Package mirrors
18.184.0.0/16,DE,16509,Cloud in Frankfurt
45.76.0.0/16,SG,20473,Hosting
103.224.0.0/16,CN,4134,Backbone
91.108.0.0/16,RU,62041,Hosting
`

const daySeconds = 86_400
const mtu = 1448
const headers = 52

export function createFleet(shape: FleetShape): Fleet {
  const random = mulberry(shape.seed)
  const startSeconds = Date.UTC(2026, 8, 1) / 1000
  const addressOf = (server: number) => `52.66.${server >> 8}.${server & 255}`
  const nameOf = (server: number) => `srv-${String(server).padStart(4, '0')}`
  const inventory = [
    'cidr,server,country',
    ...Array.from({ length: shape.servers }, (_, i) => `${addressOf(i)},${nameOf(i)},IN`),
  ].join('\n')
  const order = Array.from({ length: shape.servers }, (_, i) => i)
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  const senders = new Map<number, { way: Way; truth: SenderTruth; draw: Draw }>()
  const truth = new Map<string, SenderTruth>()
  for (const [i, server] of order.slice(0, shape.senders).entries()) {
    const way = ways[i % ways.length]!
    const made: SenderTruth = { server: nameOf(server), way, instructedBytes: 0, unexplainedBytes: 0 }
    truth.set(nameOf(server), made)
    senders.set(server, { way, truth: made, draw: drawOf(random) })
  }
  const entered: EnteredConnection[] = []
  const perServerHour = shape.flows / (shape.servers * shape.days * 24)
  const row: FleetRow = {
    src: '',
    dst: '',
    srcPort: 0,
    dstPort: 0,
    protocol: 6,
    packets: 0,
    bytes: 0,
    startSeconds: 0,
    endSeconds: 0,
    observer: '',
  }

  function* ofServerHour(server: number, hour: number): Generator<FleetRow> {
    const address = addressOf(server)
    const from = startSeconds + hour * 3600
    row.observer = `eni-${server}`
    const fill = (
      src: string,
      srcPort: number,
      dst: string,
      dstPort: number,
      protocol: number,
      packets: number,
      bytes: number,
      at: number,
      lasts: number,
    ): FleetRow => {
      row.src = src
      row.srcPort = srcPort
      row.dst = dst
      row.dstPort = dstPort
      row.protocol = protocol
      row.packets = packets
      row.bytes = bytes
      row.startSeconds = Math.floor(at)
      row.endSeconds = Math.floor(at + lasts)
      return row
    }
    const sender = senders.get(server)
    if (sender !== undefined) yield* abroad(sender, address, hour, from, fill)
    // Office hours in India are busier; the fleet never sleeps.
    const local = (hour + 5.5) % 24
    const busy = 0.6 + 0.8 * Math.max(0, Math.sin(((local - 6) / 15) * Math.PI))
    const count = Math.floor(perServerHour * busy + random())
    for (let i = 0; i < count; i++) {
      const kind = random()
      const at = from + random() * 3600
      const port = 32_768 + Math.floor(random() * 28_000)
      const packets = 1 + Math.floor(random() ** 4 * 4000)
      const bytes = packets * (60 + Math.floor(random() * 1300))
      if (kind < 0.4) {
        const other = addressOf(Math.floor(random() * shape.servers))
        yield fill(address, port, other, 5432, 6, packets, bytes, at, random() * 60)
      } else if (kind < 0.75) {
        const client = `49.${32 + Math.floor(random() * 16)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`
        yield fill(address, 443, client, port, 6, packets, bytes, at, random() * 60)
      } else if (kind < 0.9) {
        yield fill(
          address,
          port,
          `10.0.${server & 7}.${server & 255}`,
          6379,
          6,
          packets,
          bytes,
          at,
          random() * 10,
        )
      } else if (kind < 0.92) {
        yield fill(address, port, '8.8.8.8', 53, 17, 1, 60 + Math.floor(random() * 30), at, 0)
      } else if (kind < 0.925) {
        yield fill(address, 123, '162.159.200.1', 123, 17, 1, 76, at, 0)
      } else if (kind < 0.9253) {
        // A package is fetched: much comes in, acknowledgements go out.
        const mirror = `151.101.${server & 3}.132`
        const came = 200 + Math.floor(random() * 4000)
        yield fill(mirror, 443, address, port, 6, came, came * 1500, at, 20)
        const acks = Math.ceil(came / 2)
        yield fill(address, port, mirror, 443, 6, acks, acks * 52, at, 20)
      } else {
        const client = `49.${32 + Math.floor(random() * 16)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`
        yield fill(client, port, address, 443, 6, packets, 40 * packets + 200, at, random() * 60)
      }
    }
  }

  function* abroad(
    { way, truth, draw }: { way: Way; truth: SenderTruth; draw: Draw },
    address: string,
    hour: number,
    from: number,
    fill: (...args: [string, number, string, number, number, number, number, number, number]) => FleetRow,
  ): Generator<FleetRow> {
    const day = Math.floor(hour / 24)
    const hourOfDay = hour % 24
    function* send(
      dst: string,
      dstPort: number,
      payload: number,
      at: number,
      lasts: number,
      options: { ordered?: number; srcPort?: number } = {},
    ): Generator<FleetRow> {
      const packets = Math.max(1, Math.ceil(payload / mtu))
      const bytes = payload + packets * headers
      const srcPort = options.srcPort ?? 32_768 + Math.floor(random() * 28_000)
      const ordered = Math.min(options.ordered ?? 0, payload)
      if (ordered > 0) {
        entered.push({
          instruction: `order-${truth.server}`,
          from: [address, srcPort],
          to: [dst, dstPort],
          startSeconds: Math.floor(at),
          endSeconds: Math.floor(at + lasts),
          payload: ordered,
        })
        truth.instructedBytes += ordered + packets * headers
        truth.unexplainedBytes += payload - ordered
      } else truth.unexplainedBytes += bytes
      yield fill(address, srcPort, dst, dstPort, 6, packets, bytes, at, lasts)
    }
    const frankfurt = `18.184.${draw.a}.${draw.b}`
    const away = [`45.76.${draw.a}.${draw.b}`, `103.224.${draw.a}.${draw.b}`, `91.108.${draw.a}.${draw.b}`][
      draw.a % 3
    ]!
    const lawful = function* (size: number) {
      // Objects in several connections, each entered by both ends.
      for (let i = 0; i < 4; i++) {
        const payload = Math.floor(size * (0.5 + random()))
        yield* send(frankfurt, 8443, payload, from + i * 700 + random() * 100, 300, { ordered: payload })
      }
    }
    switch (way) {
      case 'instructed':
        if (hourOfDay === draw.hour) yield* lawful(40_000_000)
        return
      case 'partly':
        if (hourOfDay === draw.hour) yield* lawful(20_000_000)
        if (hourOfDay === (draw.hour + 5) % 24 && day % 3 === 0)
          yield* send(frankfurt, 443, 25_000_000 + Math.floor(random() * 9e6), from + 600, 400)
        return
      case 'bulk':
        if (day % 7 === draw.a % 7 && hourOfDay === draw.hour)
          yield* send(away, 443, 300_000_000 + Math.floor(random() * 2e8), from + 60, 1800)
        return
      case 'noise':
        for (let i = 0; i < 3; i++) {
          const host = `45.76.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}`
          yield* send(host, 443, 4000 + Math.floor(random() * 30_000), from + random() * 3600, 5)
        }
        return
      case 'beacon':
        for (let at = draw.b % 60; at < 3600; at += 60 + draw.a) {
          if (random() < 0.05) continue
          yield* send(away, 443, 180 + Math.floor(random() * 60), from + at + random() * 6, 1)
        }
        return
      case 'drip':
        if (hourOfDay % 8 === draw.hour % 8)
          yield* send(away, 443, 60_000 + Math.floor(random() * 80_000), from + random() * 3600, 3)
        return
      case 'night':
        // Two in the night in India.
        if (hourOfDay === 20 && random() < 0.8)
          for (let i = 0; i < 3; i++)
            yield* send(away, 22, 2_000_000 + Math.floor(random() * 3e6), from + 1800 + random() * 900, 60)
        return
      case 'ride-along':
        if (hourOfDay === draw.hour) {
          yield* lawful(10_000_000)
          // The same address and minutes, beside the lawful connections and within one of them.
          yield* send(frankfurt, 8443, 6_000_000 + Math.floor(random() * 4e6), from + 720, 200)
          const payload = 8_000_000
          yield* send(frankfurt, 8443, payload * 2, from + 1500, 200, { ordered: payload })
        }
        return
      case 'dns':
        for (let i = 0; i < 40; i++) {
          const bytes = 170 + Math.floor(random() * 80)
          truth.unexplainedBytes += bytes
          const at = from + random() * 3600
          const port = 32_768 + Math.floor(random() * 28_000)
          yield fill(address, port, `91.108.${draw.a}.53`, 53, 17, 1, bytes, at, 0)
        }
    }
  }

  return {
    inventory,
    places,
    startSeconds,
    truth,
    entered,
    *day(index) {
      for (let hour = index * 24; hour < (index + 1) * 24; hour++)
        for (let server = 0; server < shape.servers; server++) yield* ofServerHour(server, hour)
    },
  }
}

type Draw = { readonly a: number; readonly b: number; readonly hour: number }

function drawOf(random: () => number): Draw {
  return {
    a: 1 + Math.floor(random() * 250),
    b: 1 + Math.floor(random() * 250),
    hour: Math.floor(random() * 18),
  }
}

/** A small generator with a seed, good enough to draw traffic with. */
export function mulberry(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const secondsOfDay = daySeconds
