import { canonicalAddress } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import { JsonStrings } from './json-strings.ts'
import type { Notes } from './notes.ts'
import { protocolNumber } from './protocol-names.ts'
import { unsampled } from './sampling.ts'
import { numberUnixMs } from './timestamps.ts'

/** Flows whose last update is remembered, so that the next one has a start. */
const maxOpenFlows = 100_000

/**
 * Azure's flow logs: virtual networks (version 4 tuples) and network security groups (version 2). One JSON document
 * an hour, which can be large, so only its strings are looked at as they come. Each tuple counts both directions, and
 * its counters are what passed since the tuple before it of the same flow.
 */
export async function* readAzureFlowLog(
  source: ByteSource,
  inputName: string,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  let records: FlowRecord[] = []
  let observer = inputName
  const lastSeen = new Map<string, number>()
  const strings = new JsonStrings((name, value) => {
    if (name === 'flowTuples') readTuple(value, observer, lastSeen, notes, records)
    // The interface that observed; both kinds of log name it before its tuples.
    else if (name === 'macAddress' || name === 'mac') observer = value === '' ? inputName : value.slice(0, 64)
  })
  for await (const chunk of source.rest()) {
    strings.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    if (records.length > 0) yield records
    records = []
  }
  if (!strings.isClosed) notes.unread('Azure flow log: cut off before the end of its JSON')
}

type Tuple = {
  readonly unixMs: number | null
  readonly isDenied: boolean
  readonly isBegin: boolean
  readonly isOutbound: boolean
  /** Packets and bytes from source to destination, then packets and bytes back. */
  readonly counters: readonly string[]
}

function readTuple(
  text: string,
  exporter: string,
  lastSeen: Map<string, number>,
  notes: Notes,
  into: FlowRecord[],
): void {
  const cells = text.split(',')
  if (cells.length === 8) {
    notes.setAside('Azure NSG flow log of version 1: it counts no bytes')
    return
  }
  const tuple = parseTuple(cells)
  const srcAddr = canonicalAddress(cells[1] ?? '')
  const dstAddr = canonicalAddress(cells[2] ?? '')
  if (tuple === null || tuple.unixMs === null || srcAddr === null || dstAddr === null) {
    notes.unread('Azure flow log: tuple that cannot be read', text.length)
    return
  }
  if (tuple.isDenied) {
    notes.setAside('denied by a rule: it did not pass')
    return
  }
  const counts = tuple.counters.map(count)
  const [sentPackets, sentBytes, backPackets, backBytes] = counts
  if (sentPackets == null || sentBytes == null || backPackets == null || backBytes == null) {
    notes.unread('Azure flow log: tuple that cannot be read', text.length)
    return
  }
  // The tuple from its source to its direction names the flow.
  const flowAt = cells[0]!.length + 1
  const flowEnd = flowAt + cells.slice(1, 7).reduce((sum, cell) => sum + cell.length + 1, -1)
  const key = `${exporter} ${text.slice(flowAt, flowEnd)}`
  const startUnixMs = Math.min(lastSeen.get(key) ?? tuple.unixMs, tuple.unixMs)
  remember(lastSeen, key, tuple.unixMs)
  if (sentBytes + sentPackets + backBytes + backPackets === 0) {
    notes.setAside(tuple.isBegin ? 'a flow’s beginning, without bytes' : 'record of no bytes')
    return
  }
  const ends = {
    srcAddr,
    dstAddr,
    srcPort: portOf(cells[3]),
    dstPort: portOf(cells[4]),
    protocol: protocolNumber(cells[5]),
  }
  const back = {
    ...ends,
    srcAddr: dstAddr,
    dstAddr: srcAddr,
    srcPort: ends.dstPort,
    dstPort: ends.srcPort,
  }
  const times = { startUnixMs, endUnixMs: tuple.unixMs }
  const { isOutbound } = tuple
  add(
    into,
    notes,
    { ...ends, ...times, exporter, direction: isOutbound ? 'out' : 'in' },
    sentPackets,
    sentBytes,
  )
  add(
    into,
    notes,
    { ...back, ...times, exporter, direction: isOutbound ? 'in' : 'out' },
    backPackets,
    backBytes,
  )
}

/** Both kinds have thirteen cells; the sixth is a number in one and a letter in the other. */
function parseTuple(cells: readonly string[]): Tuple | null {
  if (cells.length !== 13) return null
  const [time, , , , , protocol, direction, eighth, ninth] = cells
  const isNsg = protocol === 'T' || protocol === 'U'
  const unixMs = /^\d{1,16}$/.test(time!) ? numberUnixMs(Number(time)) : null
  const state = isNsg ? ninth : eighth
  if (direction !== 'I' && direction !== 'O') return null
  if (isNsg ? !/^[AD]$/.test(eighth!) : !/^[BCED]$/.test(state!)) return null
  return {
    unixMs,
    isDenied: isNsg ? eighth === 'D' : state === 'D',
    isBegin: state === 'B',
    isOutbound: direction === 'O',
    counters: cells.slice(9),
  }
}

function remember(lastSeen: Map<string, number>, key: string, unixMs: number): void {
  lastSeen.delete(key)
  if (lastSeen.size >= maxOpenFlows) lastSeen.delete(lastSeen.keys().next().value!)
  lastSeen.set(key, unixMs)
}

type WithoutCounts = Pick<
  FlowRecord,
  | 'srcAddr'
  | 'dstAddr'
  | 'srcPort'
  | 'dstPort'
  | 'protocol'
  | 'startUnixMs'
  | 'endUnixMs'
  | 'exporter'
  | 'direction'
>

function add(into: FlowRecord[], notes: Notes, flow: WithoutCounts, packets: number, bytes: number): void {
  if (packets === 0 && bytes === 0) return
  if (bytes > MAX_RECORD_BYTES || packets > MAX_RECORD_BYTES) {
    notes.unread('Azure flow log: counter too large to be true')
    return
  }
  into.push({
    ...flow,
    packets,
    ipBytes: bytes,
    payloadBytes: null,
    original: { bytes, packets, basis: 'ip' },
    sampling: unsampled,
  })
}

/** An empty counter is a flow's beginning; `null` is no number. */
function count(text: string): number | null {
  return /^\d{0,16}$/.test(text) ? Number(text) : null
}

function portOf(text: string | undefined): number {
  const value = text === undefined || !/^\d{1,5}$/.test(text) ? 0 : Number(text)
  return value > 65_535 ? 0 : value
}
