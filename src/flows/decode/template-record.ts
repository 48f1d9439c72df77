import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import { AddressTexts } from './address-texts.ts'
import { ExportedSections } from './exported-sections.ts'
import type { Notes } from './notes.ts'
import { createRawFlow, type RawCounters, readRawFlow, unsaid } from './raw-flow.ts'
import type { RecordPlan } from './record-plan.ts'
import { RunningTotals } from './running-totals.ts'
import type { Sampling, SamplingFields } from './sampling.ts'
import { latestUnixMs } from './timestamps.ts'

/** What the message around a record says. */
export type MessageTimes = {
  readonly exportUnixMs: number
  /** When the exporter started, for times that count from there; `null` when nobody said. */
  readonly bootUnixMs: number | null
}

/** What a set of records has in common. */
export type RecordContext = {
  readonly exporter: string
  readonly domain: string
  readonly notes: Notes
  readonly samplingOf: (fields: SamplingFields | null) => Sampling
}

/** Ethernet header and trailing checksum, where an exporter counts frames only; VLAN tags are not known. */
const frameOverheadBytes = 18

/**
 * Reads data records into flows: one, or two where the exporter counts both directions in one record (RFC 5103, and
 * the initiator and responder counters of firewalls). Hot path: nothing is made but the flow itself.
 */
export class RecordReader {
  readonly #raw = createRawFlow()
  readonly #addresses = new AddressTexts()
  readonly totals = new RunningTotals()
  readonly sections = new ExportedSections()
  #startUnixMs = 0
  #endUnixMs = 0
  #octets = 0
  #packets = 0
  #isFrames = false

  /** The offset after the record, or `null` when it runs past the end. */
  read(
    plan: RecordPlan,
    recordBytes: number,
    bytes: Buffer,
    at: number,
    times: MessageTimes,
    context: RecordContext,
    into: FlowRecord[],
  ): number | null {
    const raw = this.#raw
    const after = readRawFlow(raw, plan, recordBytes, bytes, at, bytes.length, times.exportUnixMs)
    if (after < 0) return null
    const { notes } = context
    const hasForward = this.#hasCount(raw.forward)
    const hasBack = this.#hasCount(raw.back)
    if (raw.sectionLength > 0 && !hasForward && !hasBack) {
      this.#setTimes(times, notes)
      const sampling = context.samplingOf(plan.hasSampling ? raw.sampling : null)
      this.sections.add(raw, bytes, this.#endUnixMs, context, sampling)
      return after
    }
    if (raw.srcLength === 0 || raw.dstLength === 0) {
      notes.setAside('record without addresses (not about a flow of IP)')
      return after
    }
    if (!hasForward && !hasBack) {
      notes.setAside('record without a byte counter (an event, not traffic)')
      return after
    }
    this.#setTimes(times, notes)
    const sampling = context.samplingOf(plan.hasSampling ? raw.sampling : null)
    const src = this.#addresses.address(bytes, raw.srcAt, raw.srcLength)
    const dst = this.#addresses.address(bytes, raw.dstAt, raw.dstLength)
    if (hasForward) this.#push(into, context, sampling, plan, src, dst, raw.forward, false)
    if (hasBack) this.#push(into, context, sampling, plan, dst, src, raw.back, true)
    return after
  }

  #hasCount(counters: RawCounters): boolean {
    return (
      counters.octets >= 0 ||
      counters.postOctets >= 0 ||
      counters.totalOctets >= 0 ||
      counters.frameOctets >= 0 ||
      counters.frameTotal >= 0
    )
  }

  /**
   * Chooses among counters. What came in and what went out are the same packets, and an exporter that watches the way
   * out leaves the other at zero. A total is the last resort: it repeats what earlier records of the flow said.
   */
  #choose(counters: RawCounters): boolean {
    this.#isFrames = false
    if (counters.octets > 0 || (counters.octets === 0 && counters.postOctets <= 0)) {
      this.#octets = counters.octets
      this.#packets = Math.max(counters.packets, counters.octets === 0 ? 0 : unsaid)
      if (this.#packets < 0) this.#packets = Math.max(counters.postPackets, 0)
      return false
    }
    if (counters.postOctets >= 0) {
      this.#octets = counters.postOctets
      this.#packets = Math.max(counters.postPackets, counters.packets, 0)
      return false
    }
    if (counters.frameOctets >= 0) {
      this.#octets = counters.frameOctets
      this.#packets = Math.max(counters.packets, counters.postPackets, 0)
      this.#isFrames = true
      return false
    }
    this.#isFrames = counters.totalOctets < 0
    this.#octets = this.#isFrames ? counters.frameTotal : counters.totalOctets
    this.#packets = Math.max(counters.totalPackets, counters.packets, 0)
    return true
  }

  #push(
    into: FlowRecord[],
    context: RecordContext,
    sampling: Sampling,
    plan: RecordPlan,
    srcAddr: string,
    dstAddr: string,
    counters: RawCounters,
    isBack: boolean,
  ): void {
    const raw = this.#raw
    const { notes } = context
    const isTotal = this.#choose(counters)
    let startUnixMs = this.#startUnixMs
    if (isTotal && plan.hasTotalsOnly) {
      const ports = `${raw.srcPort} ${raw.dstPort} ${raw.protocol} ${raw.flowId}`
      const flow = `${context.domain}|${srcAddr} ${dstAddr} ${ports} ${raw.startUnixMs} ${raw.startUpMs}${isBack ? ' back' : ''}`
      const growth = this.totals.growth(
        flow,
        { octets: this.#octets, packets: this.#packets, endUnixMs: this.#endUnixMs },
        {
          startUnixMs: raw.startUnixMs >= 0 || raw.startUpMs >= 0 ? this.#startUnixMs : null,
          hasEnded: raw.hasEnded,
        },
      )
      if (growth === 'older') {
        notes.setAside('running total older than one that came before')
        return
      }
      if (growth === 'forgotten') {
        notes.lost('running totals forgotten for want of room: counted from this record of theirs on', 1)
        return
      }
      this.#octets = growth.octets
      this.#packets = growth.packets
      if (growth.sinceUnixMs !== null) startUnixMs = Math.min(growth.sinceUnixMs, this.#endUnixMs)
    }
    const bytes = this.#octets
    const packets = this.#packets
    if (bytes === 0 && packets === 0) {
      notes.setAside('record of no bytes')
      return
    }
    const { rate } = sampling
    if (!(bytes * rate <= MAX_RECORD_BYTES && packets * rate <= MAX_RECORD_BYTES)) {
      notes.unread('counter too large to be true')
      return
    }
    const isFrames = this.#isFrames
    const ipBytes = isFrames ? Math.max(0, bytes - packets * frameOverheadBytes) : bytes
    const { direction } = raw
    into.push({
      srcAddr,
      dstAddr,
      srcPort: isBack ? raw.dstPort : raw.srcPort,
      dstPort: isBack ? raw.srcPort : raw.dstPort,
      protocol: raw.protocol,
      packets: rate === 1 ? packets : Math.round(packets * rate),
      ipBytes: rate === 1 ? ipBytes : Math.round(ipBytes * rate),
      payloadBytes: null,
      original: { bytes, packets, basis: isFrames ? 'frame' : 'ip' },
      startUnixMs,
      endUnixMs: this.#endUnixMs,
      direction: isBack && direction !== null ? (direction === 'in' ? 'out' : 'in') : direction,
      exporter: context.exporter,
      sampling,
    })
  }

  #setTimes(times: MessageTimes, notes: Notes): void {
    const raw = this.#raw
    const { exportUnixMs } = times
    const boot = raw.bootUnixMs >= 0 ? raw.bootUnixMs : (times.bootUnixMs ?? Number.NaN)
    let start = raw.startUnixMs >= 0 ? raw.startUnixMs : Number.NaN
    let end = raw.endUnixMs >= 0 ? raw.endUnixMs : Number.NaN
    if (Number.isNaN(start) && raw.startUpMs >= 0) start = upUnixMs(raw.startUpMs, boot, exportUnixMs)
    if (Number.isNaN(end) && raw.endUpMs >= 0) end = upUnixMs(raw.endUpMs, boot, exportUnixMs)
    if (raw.durationMs >= 0) {
      if (Number.isNaN(end)) end = start + raw.durationMs
      else if (Number.isNaN(start)) start = end - raw.durationMs
    }
    if (Number.isNaN(start) && Number.isNaN(end)) {
      notes.remark('records without times of their own were dated by the message that brought them')
    }
    if (Number.isNaN(start)) start = Number.isNaN(end) ? exportUnixMs : end
    if (Number.isNaN(end)) end = Math.max(start, exportUnixMs)
    const isDate =
      start >= -latestUnixMs && end <= latestUnixMs && start <= latestUnixMs && end >= -latestUnixMs
    this.#startUnixMs = isDate ? Math.min(start, end) : exportUnixMs
    this.#endUnixMs = isDate ? end : exportUnixMs
  }
}

/** Uptime wraps after 49.7 days: take the turn that is nearest to the message's own time. */
function upUnixMs(upMs: number, bootUnixMs: number, exportUnixMs: number): number {
  const turn = 2 ** 32
  return bootUnixMs + upMs + Math.round((exportUnixMs - bootUnixMs - upMs) / turn) * turn
}
