/**
 * The rows of a pair, apart by service, in columns that the detectors share. Hot: a visit for each connection.
 * Measured by `bench/detect.ts`.
 */
import { TCP, UDP } from '../flow-record.ts'
import type { Service } from './detection.ts'
import {
  carriedBytes,
  DNS_PORT,
  DNS_TLS_PORT,
  ICMP,
  ICMPV6,
  NTP_PORT,
  quietPacketBytes,
  usualPacketBytes,
} from './payload.ts'
import type { Columns, PairTraffic } from './traffic.ts'

/** What the innocence threshold tells apart. */
export type TrafficClass = 'names' | 'time' | 'icmp' | 'answers' | 'data'

/** Connections of one service, in order of their starts. The columns are views that the next pair overwrites. */
export type Channel = {
  readonly service: Service
  readonly class: TrafficClass
  readonly usualPacketBytes: number
  readonly length: number
  readonly startUnixMs: Float64Array
  readonly endUnixMs: Float64Array
  /** IP bytes that no entry accounts for. */
  readonly bytes: Float64Array
  readonly packets: Float64Array
  /** Of `bytes`, what is beyond usual packets: what could be data. */
  readonly carried: Float64Array
  readonly connections: Uint32Array
  readonly sum: {
    readonly bytes: number
    readonly packets: number
    readonly carried: number
    readonly connections: number
    readonly untilUnixMs: number
  }
}

/** More services than this at one address are ports without meaning, and one channel. */
const maxChannels = 64
const firstEphemeralPort = 32_768

/** Service ports above 1023 at which a server answers; of two such ports the lower is taken. */
const highServices = new Set([1433, 1521, 2049, 3306, 3389, 5432, 6379, 8000, 8080, 8443, 9000, 9200, 27017])

export function serviceOf(protocol: number, srcPort: number, dstPort: number): Service {
  if (protocol !== TCP && protocol !== UDP) return { protocol, port: null, role: 'sent' }
  if (isAnswer(srcPort, dstPort)) return { protocol, port: srcPort, role: 'answered' }
  return { protocol, port: dstPort, role: 'sent' }
}

/** Systems take the ports of their own connections from 32,768 up, and services mostly listen below. */
function isAnswer(srcPort: number, dstPort: number): boolean {
  if (isService(dstPort)) return false
  return isService(srcPort) || (srcPort > 0 && srcPort < firstEphemeralPort && dstPort >= firstEphemeralPort)
}

function isService(port: number): boolean {
  return (port > 0 && port < 1024) || highServices.has(port)
}

function classOf({ protocol, port, role }: Service): TrafficClass {
  if (protocol === ICMP || protocol === ICMPV6) return 'icmp'
  if (role === 'answered') return 'answers'
  if (port === DNS_PORT || (protocol === TCP && port === DNS_TLS_PORT)) return 'names'
  return protocol === UDP && port === NTP_PORT ? 'time' : 'data'
}

type Building = {
  readonly service: Service
  rows: number
  from: number
  at: number
  isSorted: boolean
  last: number
}

export type ChannelSplitter = {
  /** Rows that are not numbers, or lie outside any clock, are left out and counted. */
  readonly split: (pair: PairTraffic) => readonly Channel[]
  readonly leftOut: () => number
}

export function createChannelSplitter(): ChannelSplitter {
  let room = 0
  let start = new Float64Array(0)
  let end = new Float64Array(0)
  let bytes = new Float64Array(0)
  let packets = new Float64Array(0)
  let carried = new Float64Array(0)
  let count = new Uint32Array(0)
  let channelOf = new Int16Array(0)
  let leftOut = 0

  const grow = (rows: number): void => {
    if (rows <= room) return
    room = Math.max(1024, rows * 2)
    start = new Float64Array(room)
    end = new Float64Array(room)
    bytes = new Float64Array(room)
    packets = new Float64Array(room)
    carried = new Float64Array(room)
    count = new Uint32Array(room)
    channelOf = new Int16Array(room)
  }

  /** First pass: which channel each row is of, and how many rows each has. */
  const assign = (columns: Columns): Building[] => {
    const found: Building[] = []
    const byKey = new Map<number, number>()
    let lastKey = -1
    let lastIndex = -1
    for (let i = 0; i < columns.length; i++) {
      channelOf[i] = -1
      if (!(columns.unexplained[i]! > 0)) continue
      if (!isSound(columns, i)) {
        leftOut += 1
        continue
      }
      const protocol = columns.protocol[i]!
      const srcPort = columns.srcPort[i]!
      const dstPort = columns.dstPort[i]!
      // Of an answer the destination's port differs in each row, of all else the source's.
      const key = protocol * 131_072 + (isAnswer(srcPort, dstPort) ? 65_536 + srcPort : dstPort)
      if (key !== lastKey) {
        const known = byKey.get(key)
        if (known === undefined) {
          lastIndex = channelFor(found, serviceOf(protocol, srcPort, dstPort))
          if (byKey.size < 4096) byKey.set(key, lastIndex)
        } else lastIndex = known
        lastKey = key
      }
      const building = found[lastIndex]!
      building.rows += 1
      if (columns.startUnixMs[i]! < building.last) building.isSorted = false
      building.last = columns.startUnixMs[i]!
      channelOf[i] = lastIndex
    }
    return found
  }

  return {
    leftOut: () => leftOut,
    split(pair) {
      const { columns } = pair
      grow(columns.length)
      const found = assign(columns)
      let from = 0
      for (const building of found) {
        building.from = building.at = from
        from += building.rows
      }
      const isIpv6 = pair.dstAddr.includes(':')
      const usual = found.map(({ service }) => usualPacketBytes(service.protocol, service.port, isIpv6))
      const quiet = found.map(({ service }) => quietPacketBytes(service.protocol, service.port, isIpv6))
      for (let i = 0; i < columns.length; i++) {
        const index = channelOf[i]!
        if (index < 0) continue
        const at = found[index]!.at++
        const open = columns.unexplained[i]!
        // Where a part is explained, headers are shared out as the bytes are.
        const share = Math.min(1, open / Math.max(open, columns.ipBytes[i]!))
        start[at] = columns.startUnixMs[i]!
        end[at] = Math.max(columns.startUnixMs[i]!, columns.endUnixMs[i]!)
        bytes[at] = open
        packets[at] = columns.packets[i]! * share
        carried[at] = carriedBytes(open, packets[at]!, usual[index]!, quiet[index]!)
        count[at] = columns.connections === null ? 1 : Math.max(1, columns.connections[i]!)
      }
      return found.map((building, index) => {
        const [a, b] = [building.from, building.from + building.rows]
        const views = [start, end, bytes, packets, carried].map(column => column.subarray(a, b))
        const connections = count.subarray(a, b)
        if (!building.isSorted) sortTogether(views, connections)
        return channel(building.service, usual[index]!, views, connections)
      })
    },
  }
}

function channelFor(found: Building[], service: Service): number {
  const { protocol, port, role } = service
  const same = (other: Service) => other.protocol === protocol && other.port === port && other.role === role
  const at = found.findIndex(building => same(building.service))
  if (at >= 0) return at
  const isScatter = port !== null && port >= firstEphemeralPort && found.length >= maxChannels / 2
  const isFull = found.length >= maxChannels
  if ((isScatter || isFull) && port !== null) return channelFor(found, { protocol, port: null, role })
  found.push({ service, rows: 0, from: 0, at: 0, isSorted: true, last: Number.NEGATIVE_INFINITY })
  return found.length - 1
}

function isSound(columns: Columns, i: number): boolean {
  const start = columns.startUnixMs[i]!
  const end = columns.endUnixMs[i]!
  return (
    start >= 0 &&
    start < latestUnixMs &&
    end < latestUnixMs &&
    columns.unexplained[i]! < Number.MAX_SAFE_INTEGER &&
    columns.ipBytes[i]! >= 0 &&
    columns.packets[i]! >= 0 &&
    columns.packets[i]! < Number.MAX_SAFE_INTEGER
  )
}

/** The last moment that `Date` can print. */
const latestUnixMs = 8.64e15

function sortTogether(views: readonly Float64Array[], connections: Uint32Array): void {
  const starts = views[0]!
  const order = Uint32Array.from(starts.keys()).sort((a, b) => starts[a]! - starts[b]!)
  for (const view of [...views, connections]) {
    const copy = view.slice()
    for (let i = 0; i < order.length; i++) view[i] = copy[order[i]!]!
  }
}

function channel(
  service: Service,
  usual: number,
  [startUnixMs, endUnixMs, bytes, packets, carried]: readonly Float64Array[],
  connections: Uint32Array,
): Channel {
  const sum = { bytes: 0, packets: 0, carried: 0, connections: 0, untilUnixMs: 0 }
  for (let i = 0; i < connections.length; i++) {
    sum.bytes += bytes![i]!
    sum.packets += packets![i]!
    sum.carried += carried![i]!
    sum.connections += connections[i]!
    if (endUnixMs![i]! > sum.untilUnixMs) sum.untilUnixMs = endUnixMs![i]!
  }
  return {
    service,
    class: classOf(service),
    usualPacketBytes: usual,
    length: connections.length,
    startUnixMs: startUnixMs!,
    endUnixMs: endUnixMs!,
    bytes: bytes!,
    packets: packets!,
    carried: carried!,
    connections,
    sum,
  }
}

/** Several channels as one, for what changes its port: the service is then the protocol alone. */
export function joinChannels(channels: readonly Channel[]): Channel {
  const [first] = channels as readonly [Channel, ...Channel[]]
  const length = channels.reduce((sum, channel) => sum + channel.length, 0)
  const join = (pick: (channel: Channel) => Float64Array) => {
    const out = new Float64Array(length)
    let at = 0
    for (const part of channels) {
      out.set(pick(part), at)
      at += part.length
    }
    return out
  }
  const connections = Uint32Array.from(channels.flatMap(part => [...part.connections]))
  const views = [
    join(part => part.startUnixMs),
    join(part => part.endUnixMs),
    join(part => part.bytes),
    join(part => part.packets),
    join(part => part.carried),
  ]
  sortTogether(views, connections)
  const { protocol, role } = first.service
  return channel({ protocol, port: null, role }, first.usualPacketBytes, views, connections)
}
