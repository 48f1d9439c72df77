import { addressText } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import { ntpUnixMs, unsigned } from './field-values.ts'
import type { Notes } from './notes.ts'
import { noSamplingFields, readSamplingField, type Sampling, type SamplingFields } from './sampling.ts'
import { reversePen, type Template, walkRecord } from './template.ts'

/** What the message around a record says. */
export type MessageTimes = {
  readonly exportUnixMs: number
  /** When the exporter started, for times that count from there; `null` when nobody said. */
  readonly bootUnixMs: number | null
}

type Counters = { octets: number | null; packets: number | null; frameOctets: number | null }

type RawFlow = {
  src: string | null
  dst: string | null
  srcPort: number
  dstPort: number
  protocol: number
  forward: Counters
  reverse: Counters
  startUnixMs: number | null
  endUnixMs: number | null
  startUpMs: number | null
  endUpMs: number | null
  durationMs: number | null
  bootUnixMs: number | null
  direction: 'in' | 'out' | null
  sampling: SamplingFields
}

const noCounters = (): Counters => ({ octets: null, packets: null, frameOctets: null })

/**
 * Reads one data record and adds its flows to `into`: one, or two where the exporter counts both directions in one
 * record (RFC 5103, and the initiator and responder counters of firewalls). Returns the offset after the record,
 * or `null` when it runs past the end. Numbers: IANA's IPFIX registry, whose first 127 are NetFlow v9's.
 */
export function readFlowRecord(
  template: Template,
  bytes: Buffer,
  at: number,
  end: number,
  times: MessageTimes,
  context: {
    readonly exporter: string
    readonly notes: Notes
    readonly samplingOf: (fields: SamplingFields) => Sampling
  },
  into: FlowRecord[],
): number | null {
  const raw: RawFlow = {
    src: null,
    dst: null,
    srcPort: 0,
    dstPort: 0,
    protocol: 0,
    forward: noCounters(),
    reverse: noCounters(),
    startUnixMs: null,
    endUnixMs: null,
    startUpMs: null,
    endUpMs: null,
    durationMs: null,
    bootUnixMs: times.bootUnixMs,
    direction: null,
    sampling: noSamplingFields(),
  }
  const after = walkRecord(template, bytes, at, end, (field, offset, length) => {
    if (field.pen === 0) readField(raw, field.id, bytes, offset, length, times)
    else if (field.pen === reversePen) readCounter(raw.reverse, field.id, unsigned(bytes, offset, length))
    if (field.pen === 0 && field.id >= 34) readSamplingField(raw.sampling, field, bytes, offset, length)
  })
  if (after === null) return null
  const { notes } = context
  if (raw.src === null || raw.dst === null) {
    notes.setAside('record without addresses (not about a flow of IP)', 1)
    return after
  }
  if (!hasCount(raw.forward) && !hasCount(raw.reverse)) {
    notes.setAside('record without a byte counter (an event, not traffic)', 1)
    return after
  }
  const sampling = context.samplingOf(raw.sampling)
  const [startUnixMs, endUnixMs] = timesOf(raw, times, notes)
  const base = {
    protocol: raw.protocol,
    payloadBytes: null,
    startUnixMs,
    endUnixMs,
    direction: raw.direction,
    exporter: context.exporter,
    sampling,
  }
  if (hasCount(raw.forward)) {
    const ends = { srcAddr: raw.src, dstAddr: raw.dst, srcPort: raw.srcPort, dstPort: raw.dstPort }
    push(into, notes, { ...base, ...ends }, raw.forward)
  }
  if (hasCount(raw.reverse)) {
    const ends = { srcAddr: raw.dst, dstAddr: raw.src, srcPort: raw.dstPort, dstPort: raw.srcPort }
    push(into, notes, { ...base, ...ends }, raw.reverse)
  }
  return after
}

function hasCount(counters: Counters): boolean {
  return counters.octets !== null || counters.frameOctets !== null
}

type WithoutCounts = Omit<FlowRecord, 'packets' | 'ipBytes' | 'original'>

/** Ethernet header and trailing checksum, where an exporter counts frames only; VLAN tags are not known. */
const frameOverheadBytes = 18

function push(into: FlowRecord[], notes: Notes, flow: WithoutCounts, counters: Counters): void {
  const packets = counters.packets ?? 0
  const basis = counters.octets === null ? 'frame' : 'ip'
  const bytes = counters.octets ?? counters.frameOctets ?? 0
  if (bytes === 0 && packets === 0) {
    notes.setAside('record of no bytes')
    return
  }
  const { rate } = flow.sampling
  if (bytes * rate > MAX_RECORD_BYTES || packets * rate > MAX_RECORD_BYTES) {
    notes.unread('counter too large to be true')
    return
  }
  const ipBytes = basis === 'ip' ? bytes : Math.max(0, bytes - packets * frameOverheadBytes)
  into.push({
    ...flow,
    packets: Math.round(packets * rate),
    ipBytes: Math.round(ipBytes * rate),
    original: { bytes, packets, basis },
  })
}

function timesOf(raw: RawFlow, times: MessageTimes, notes: Notes): [number, number] {
  const { bootUnixMs } = raw
  let start = raw.startUnixMs
  let end = raw.endUnixMs
  if (bootUnixMs !== null) {
    start ??= raw.startUpMs === null ? null : upUnixMs(raw.startUpMs, bootUnixMs, times.exportUnixMs)
    end ??= raw.endUpMs === null ? null : upUnixMs(raw.endUpMs, bootUnixMs, times.exportUnixMs)
  }
  if (start !== null && end === null && raw.durationMs !== null) end = start + raw.durationMs
  if (end !== null && start === null && raw.durationMs !== null) start = end - raw.durationMs
  if (start === null && end === null) {
    notes.remark('records without times of their own were dated by the message that brought them')
  }
  const known = start ?? end ?? times.exportUnixMs
  const until = end ?? Math.max(known, times.exportUnixMs)
  return Number.isFinite(known) && Number.isFinite(until)
    ? [Math.min(known, until), until]
    : [times.exportUnixMs, times.exportUnixMs]
}

/** Uptime wraps after 49.7 days: take the turn that is nearest to the message's own time. */
function upUnixMs(upMs: number, bootUnixMs: number, exportUnixMs: number): number {
  const turn = 2 ** 32
  return bootUnixMs + upMs + Math.round((exportUnixMs - bootUnixMs - upMs) / turn) * turn
}

/** Delta counters win over totals: a total repeats what earlier records of the same flow said. */
function readCounter(into: Counters, id: number, value: number): boolean {
  switch (id) {
    case 1: // octetDeltaCount
      into.octets = value
      return true
    case 2: // packetDeltaCount
      into.packets = value
      return true
    case 23: // postOctetDeltaCount
    case 85: // octetTotalCount
      into.octets ??= value
      return true
    case 24: // postPacketDeltaCount
    case 86: // packetTotalCount
      into.packets ??= value
      return true
    case 352: // layer2OctetDeltaCount
    case 353: // layer2OctetTotalCount
      into.frameOctets ??= value
      return true
    default:
      return false
  }
}

function readField(
  raw: RawFlow,
  id: number,
  bytes: Buffer,
  at: number,
  length: number,
  times: MessageTimes,
): void {
  switch (id) {
    case 8:
    case 27:
      raw.src ??= addressField(bytes, at, length)
      return
    case 12:
    case 28:
      raw.dst ??= addressField(bytes, at, length)
      return
    case 7:
    case 180:
    case 182:
      raw.srcPort = unsigned(bytes, at, length) & 0xffff
      return
    case 11:
    case 181:
    case 183:
      raw.dstPort = unsigned(bytes, at, length) & 0xffff
      return
    case 4:
      raw.protocol = unsigned(bytes, at, length) & 0xff
      return
    case 61: {
      const value = unsigned(bytes, at, length)
      raw.direction = value === 0 ? 'in' : value === 1 ? 'out' : null
      return
    }
    // The registry's order, not the one that comes to mind: 21 is the end, 22 the start.
    case 21:
      raw.endUpMs = unsigned(bytes, at, length)
      return
    case 22:
      raw.startUpMs = unsigned(bytes, at, length)
      return
    case 150:
      raw.startUnixMs = unsigned(bytes, at, length) * 1000
      return
    case 151:
      raw.endUnixMs = unsigned(bytes, at, length) * 1000
      return
    case 152:
      raw.startUnixMs = unsigned(bytes, at, length)
      return
    case 153:
    case 323: // observationTimeMilliseconds, the time of a firewall's event
      raw.endUnixMs = unsigned(bytes, at, length)
      return
    case 154:
    case 156:
      raw.startUnixMs = ntpUnixMs(bytes, at, length)
      return
    case 155:
    case 157:
      raw.endUnixMs = ntpUnixMs(bytes, at, length)
      return
    case 158:
      raw.startUnixMs = times.exportUnixMs - unsigned(bytes, at, length) / 1000
      return
    case 159:
      raw.endUnixMs = times.exportUnixMs - unsigned(bytes, at, length) / 1000
      return
    case 160:
      raw.bootUnixMs = unsigned(bytes, at, length)
      return
    case 161:
      raw.durationMs = unsigned(bytes, at, length)
      return
    case 162:
      raw.durationMs = unsigned(bytes, at, length) / 1000
      return
    case 231: // initiatorOctets
      raw.forward.octets = unsigned(bytes, at, length)
      return
    case 232: // responderOctets
      raw.reverse.octets = unsigned(bytes, at, length)
      return
    case 298:
      raw.forward.packets = unsigned(bytes, at, length)
      return
    case 299:
      raw.reverse.packets = unsigned(bytes, at, length)
      return
    default:
      readCounter(raw.forward, id, unsigned(bytes, at, length))
  }
}

function addressField(bytes: Buffer, at: number, length: number): string | null {
  return length === 4 || length === 16 ? addressText(bytes, at, length) : null
}
