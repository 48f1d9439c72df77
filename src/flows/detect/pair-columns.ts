/**
 * A pair's rows as they stream by, in bounded memory. When there are too many, every other day's rows are summed by
 * service and hour, then three days of four, and so on: volumes stay whole, and the days that are left keep every
 * interval, which a random sample would not. Hot: measured by `bench/detect.ts`.
 */
import { serviceOf } from './channels.ts'
import { dayMs, hourMs } from './period.ts'
import type { Columns } from './traffic.ts'

export type PairColumns = {
  /** In order of `startUnixMs`. */
  readonly add: (
    startUnixMs: number,
    endUnixMs: number,
    ipBytes: number,
    packets: number,
    unexplained: number,
    protocol: number,
    srcPort: number,
    dstPort: number,
  ) => void
  /** Views that `clear` and `add` overwrite. */
  readonly columns: () => Columns
  /** For the next pair; keeps the room. */
  readonly clear: () => void
}

const firstRoom = 1024
const mostRows = 200_000

export function createPairColumns(wanted = mostRows): PairColumns {
  const most = Math.max(firstRoom, wanted)
  let room = firstRoom
  let length = 0
  let isSummed = false
  /** Days whose number divides by it are kept whole; 0: none is. */
  let keptEvery = 1
  let columns = allocate(room)

  const grow = (): void => {
    room = Math.min(most, room * 4)
    const larger = allocate(room)
    for (const name of names) (larger[name] as Float64Array).set(columns[name] as Float64Array)
    columns = larger
  }

  const move = (from: number, to: number): void => {
    for (const name of names) columns[name][to] = columns[name][from]!
  }

  const sumUp = (): void => {
    isSummed = true
    keptEvery = keptEvery === 0 || keptEvery > 32 ? 0 : keptEvery * 2
    const at = new Map<number, number>()
    let hour = -1
    let kept = 0
    for (let i = 0; i < length; i++) {
      const start = columns.startUnixMs[i]!
      // A long connection is a finding of its own, and there is room for it.
      const isLong = columns.connections[i] === 1 && columns.endUnixMs[i]! - start >= hourMs
      const isKept = keptEvery > 0 && (isLong || Math.floor(start / dayMs) % keptEvery === 0)
      if (isKept) {
        move(i, kept++)
        continue
      }
      // With nothing left to drop, hours become days, and ports one.
      const span = keptEvery === 0 ? dayMs : hourMs
      if (Math.floor(start / span) !== hour) {
        at.clear()
        hour = Math.floor(start / span)
      }
      const protocol = columns.protocol[i]!
      const { role, port } = serviceOf(protocol, columns.srcPort[i]!, columns.dstPort[i]!)
      const kind = protocol * 2 + (role === 'sent' ? 0 : 1)
      const key = keptEvery === 0 && at.size > 8 ? -1 - kind : kind * 65_537 + (port ?? 65_536)
      const into = at.get(key)
      if (into === undefined) {
        at.set(key, kept)
        move(i, kept++)
      } else sumInto(columns, into, i)
    }
    length = kept
  }

  return {
    add(startUnixMs, endUnixMs, ipBytes, packets, unexplained, protocol, srcPort, dstPort) {
      if (length === room) {
        if (room < most) grow()
        else {
          const before = length
          // Each round frees most of what it looks at, or the next one does.
          for (let round = 0; round < 10 && length > before * 0.75; round++) sumUp()
          if (length === room) sumRest()
        }
      }
      columns.startUnixMs[length] = startUnixMs
      columns.endUnixMs[length] = endUnixMs
      columns.ipBytes[length] = ipBytes
      columns.packets[length] = packets
      columns.unexplained[length] = unexplained
      columns.protocol[length] = protocol
      columns.srcPort[length] = srcPort
      columns.dstPort[length] = dstPort
      columns.connections[length] = 1
      length += 1
    },
    columns: () => ({ ...columns, length, connections: isSummed ? columns.connections : null }),
    clear() {
      length = 0
      isSummed = false
      keptEvery = 1
    },
  }

  /** Thousands of days of hundreds of protocols: no traffic, but memory must not go by what an exporter makes up. */
  function sumRest(): void {
    for (let i = 1; i < length; i++) sumInto(columns, 0, i)
    length = 1
  }
}

type Room = ReturnType<typeof allocate>
const names = [
  'startUnixMs',
  'endUnixMs',
  'ipBytes',
  'packets',
  'unexplained',
  'protocol',
  'srcPort',
  'dstPort',
  'connections',
] as const

function allocate(room: number) {
  return {
    startUnixMs: new Float64Array(room),
    endUnixMs: new Float64Array(room),
    ipBytes: new Float64Array(room),
    packets: new Float64Array(room),
    unexplained: new Float64Array(room),
    protocol: new Uint8Array(room),
    srcPort: new Uint16Array(room),
    dstPort: new Uint16Array(room),
    connections: new Uint32Array(room),
  }
}

/** The end stays that of the later one, but a sum of many is no long connection: detectors look at `connections`. */
function sumInto(columns: Room, into: number, i: number): void {
  columns.endUnixMs[into] = Math.max(columns.endUnixMs[into]!, columns.endUnixMs[i]!)
  columns.ipBytes[into]! += columns.ipBytes[i]!
  columns.packets[into]! += columns.packets[i]!
  columns.unexplained[into]! += columns.unexplained[i]!
  columns.connections[into]! += columns.connections[i]!
}
