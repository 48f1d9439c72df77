import { ntpUnixMs, unsigned } from './field-values.ts'
import { type RecordPlan, reverse, variableField } from './record-plan.ts'
import { noSamplingFields, readSamplingField, type SamplingFields } from './sampling.ts'
import { variableLength } from './template.ts'

/** A number that a record does not say. Plain numbers, so that a record costs no objects. */
export const unsaid = -1

/** Counters of one direction, by how they count. */
export type RawCounters = {
  octets: number
  packets: number
  postOctets: number
  postPackets: number
  totalOctets: number
  totalPackets: number
  frameOctets: number
  frameTotal: number
}

/**
 * What one record says, as it says it. Written over for each record: this is the hot path of exports (`bench/decode.ts`).
 */
export type RawFlow = {
  /** Where the addresses are, and their length; 0 is none. */
  srcAt: number
  srcLength: number
  dstAt: number
  dstLength: number
  srcPort: number
  dstPort: number
  protocol: number
  flowId: number
  readonly forward: RawCounters
  readonly back: RawCounters
  startUnixMs: number
  endUnixMs: number
  startUpMs: number
  endUpMs: number
  durationMs: number
  bootUnixMs: number
  direction: 'in' | 'out' | null
  /** By its flowEndReason; what was only cut by the active timeout goes on. */
  hasEnded: boolean
  /** A piece of the packet itself, where the exporter sends samples. */
  sectionAt: number
  sectionLength: number
  sectionIsFrame: boolean
  frameBytes: number
  readonly sampling: SamplingFields
}

export function createRawFlow(): RawFlow {
  return {
    srcAt: 0,
    srcLength: 0,
    dstAt: 0,
    dstLength: 0,
    srcPort: 0,
    dstPort: 0,
    protocol: 0,
    flowId: unsaid,
    forward: noCounters(),
    back: noCounters(),
    startUnixMs: unsaid,
    endUnixMs: unsaid,
    startUpMs: unsaid,
    endUpMs: unsaid,
    durationMs: unsaid,
    bootUnixMs: unsaid,
    direction: null,
    hasEnded: false,
    sectionAt: 0,
    sectionLength: 0,
    sectionIsFrame: false,
    frameBytes: unsaid,
    sampling: noSamplingFields(),
  }
}

function noCounters(): RawCounters {
  return {
    octets: unsaid,
    packets: unsaid,
    postOctets: unsaid,
    postPackets: unsaid,
    totalOctets: unsaid,
    totalPackets: unsaid,
    frameOctets: unsaid,
    frameTotal: unsaid,
  }
}

function clearCounters(counters: RawCounters): void {
  counters.octets = unsaid
  counters.packets = unsaid
  counters.postOctets = unsaid
  counters.postPackets = unsaid
  counters.totalOctets = unsaid
  counters.totalPackets = unsaid
  counters.frameOctets = unsaid
  counters.frameTotal = unsaid
}

/** Fills `raw` with the record at `at`; the offset after it, or -1 when it runs past `end`. */
export function readRawFlow(
  raw: RawFlow,
  plan: RecordPlan,
  recordBytes: number,
  bytes: Buffer,
  at: number,
  end: number,
  exportUnixMs: number,
): number {
  clear(raw, plan)
  if (plan.walk !== null) return walk(raw, plan.walk, bytes, at, end, exportUnixMs)
  if (at + recordBytes > end) return -1
  const { ids, offsets, lengths } = plan
  for (let i = 0; i < ids.length; i++) {
    readField(raw, ids[i]!, bytes, at + offsets[i]!, lengths[i]!, exportUnixMs)
  }
  return at + recordBytes
}

function walk(
  raw: RawFlow,
  fields: NonNullable<RecordPlan['walk']>,
  bytes: Buffer,
  at: number,
  end: number,
  exportUnixMs: number,
): number {
  let offset = at
  const { ids, lengths } = fields
  for (let i = 0; i < ids.length; i++) {
    let length = lengths[i]!
    if (length === variableLength) {
      const stated = variableField(bytes, offset, end)
      if (stated < 0) return -1
      offset += stated >> 16
      length = stated & 0xffff
    }
    if (offset + length > end) return -1
    if (ids[i]! >= 0) readField(raw, ids[i]!, bytes, offset, length, exportUnixMs)
    offset += length
  }
  return offset
}

function clear(raw: RawFlow, plan: RecordPlan): void {
  raw.srcLength = 0
  raw.dstLength = 0
  raw.srcPort = 0
  raw.dstPort = 0
  raw.protocol = 0
  raw.flowId = unsaid
  clearCounters(raw.forward)
  clearCounters(raw.back)
  raw.startUnixMs = unsaid
  raw.endUnixMs = unsaid
  raw.startUpMs = unsaid
  raw.endUpMs = unsaid
  raw.durationMs = unsaid
  raw.bootUnixMs = unsaid
  raw.direction = null
  raw.hasEnded = false
  raw.sectionLength = 0
  raw.frameBytes = unsaid
  if (!plan.hasSampling) return
  const { sampling } = raw
  sampling.sampler = null
  sampling.ingress = 0
  sampling.egress = 0
  sampling.isEgress = false
  sampling.interval = 0
  sampling.packetInterval = 0
  sampling.packetSpace = 0
  sampling.size = 0
  sampling.population = 0
  sampling.probability = 0
}

/** Numbers: IANA's IPFIX registry. */
function readField(
  raw: RawFlow,
  id: number,
  bytes: Buffer,
  at: number,
  length: number,
  exportUnixMs: number,
): void {
  switch (id) {
    case 8:
    case 27:
      // A record can have fields of both families; the one that is not of the flow is zeros.
      if (
        (length === 4 || length === 16) &&
        (raw.srcLength === 0 || isZeros(bytes, raw.srcAt, raw.srcLength))
      ) {
        raw.srcAt = at
        raw.srcLength = length
      }
      return
    case 12:
    case 28:
      if (
        (length === 4 || length === 16) &&
        (raw.dstLength === 0 || isZeros(bytes, raw.dstAt, raw.dstLength))
      ) {
        raw.dstAt = at
        raw.dstLength = length
      }
      return
    case 7:
    case 180:
    case 182:
      raw.srcPort = unsigned(bytes, at, length) & 0xffff || raw.srcPort
      return
    case 11:
    case 181:
    case 183:
      raw.dstPort = unsigned(bytes, at, length) & 0xffff || raw.dstPort
      return
    case 4:
      raw.protocol = unsigned(bytes, at, length) & 0xff
      return
    case 61: {
      const value = unsigned(bytes, at, length)
      raw.direction = value === 0 ? 'in' : value === 1 ? 'out' : null
      raw.sampling.isEgress = value === 1
      return
    }
    case 136: {
      const reason = unsigned(bytes, at, length)
      raw.hasEnded = reason !== 0 && reason !== 2
      return
    }
    case 148:
      raw.flowId = unsigned(bytes, at, length)
      return
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
      raw.startUnixMs = ntpUnixMs(bytes, at, length) ?? unsaid
      return
    case 155:
    case 157:
      raw.endUnixMs = ntpUnixMs(bytes, at, length) ?? unsaid
      return
    case 158:
      raw.startUnixMs = exportUnixMs - unsigned(bytes, at, length) / 1000
      return
    case 159:
      raw.endUnixMs = exportUnixMs - unsigned(bytes, at, length) / 1000
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
      raw.back.octets = unsigned(bytes, at, length)
      return
    case 298:
      raw.forward.packets = unsigned(bytes, at, length)
      return
    case 299:
      raw.back.packets = unsigned(bytes, at, length)
      return
    case 312: // dataLinkFrameSize
      raw.frameBytes = unsigned(bytes, at, length)
      return
    case 313: // ipHeaderPacketSection
    case 315: // dataLinkFrameSection
      raw.sectionAt = at
      raw.sectionLength = length
      raw.sectionIsFrame = id === 315
      return
    default:
      if (id >= reverse) readCounter(raw.back, id - reverse, unsigned(bytes, at, length))
      else if (!readCounter(raw.forward, id, unsigned(bytes, at, length)))
        readSamplingField(raw.sampling, id, bytes, at, length)
  }
}

function readCounter(into: RawCounters, id: number, value: number): boolean {
  switch (id) {
    case 1: // octetDeltaCount
      into.octets = value
      return true
    case 2: // packetDeltaCount
      into.packets = value
      return true
    case 23: // postOctetDeltaCount
      into.postOctets = value
      return true
    case 24: // postPacketDeltaCount
      into.postPackets = value
      return true
    case 85: // octetTotalCount
      into.totalOctets = value
      return true
    case 86: // packetTotalCount
      into.totalPackets = value
      return true
    case 352: // layer2OctetDeltaCount
      into.frameOctets = value
      return true
    case 353: // layer2OctetTotalCount
      into.frameTotal = value
      return true
    default:
      return false
  }
}

function isZeros(bytes: Buffer, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false
  return true
}
