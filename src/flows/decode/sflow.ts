import { addressText } from '../address.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { ExportContext } from './export-context.ts'
import { emptyPacket, type IpPacket, readIpPacket } from './ip-packet.ts'
import { linkTypes } from './link-layer.ts'
import type { Notes } from './notes.ts'
import { PacketFlows, type PacketObserver } from './packet-flows.ts'
import { readSampledIp } from './sflow-sampled-ip.ts'

/** sFlow version 5 (sflow.org, "sFlow Version 5", July 2004). Numbers are XDR: 32 bits, big-endian. */
const version = 5
/** Samplers of one input that are told apart; past that their drops and rates are not followed. */
const maxSamplers = 50_000
const maxSamples = 4096

/** `header_protocol` of a raw header, as the link types that captures use; IPv4 and IPv6 come without a link. */
const headerProtocols: Readonly<Record<number, number>> = { 1: 1, 11: 228, 12: 229, 13: 219 }

type Sampler = { drops: number | null }

export type SflowState = {
  readonly flows: PacketFlows
  /** Written over for each sample. */
  readonly packet: IpPacket
  readonly samplers: Map<string, Sampler>
  readonly observers: Map<string, PacketObserver>
  /** Number of each agent's last datagram: one that was captured twice must not count twice. */
  readonly last: Map<string, number>
  nextObserver: number
}

export function createSflowState(): SflowState {
  return {
    flows: new PacketFlows(),
    packet: emptyPacket(),
    samplers: new Map(),
    observers: new Map(),
    last: new Map(),
    nextObserver: 1,
  }
}

export function isSflow(message: Buffer): boolean {
  if (message.length < 28 || message.readUInt32BE(0) !== version) return false
  const family = message.readUInt32BE(4)
  return family === 1 || family === 2
}

/** Length in bytes of the datagram that starts here: it does not say, so its samples are walked; `null` is damage. */
export function sflowLength(bytes: Buffer): number | null {
  if (!isSflow(bytes)) return null
  const countAt = bytes.readUInt32BE(4) === 2 ? 36 : 24
  if (bytes.length < countAt + 4) return null
  const samples = bytes.readUInt32BE(countAt)
  if (samples > maxSamples) return null
  let at = countAt + 4
  for (let i = 0; i < samples; i++) {
    if (at + 8 > bytes.length) return null
    at += 8 + bytes.readUInt32BE(at + 4)
    if (at > bytes.length) return null
  }
  return at
}

/**
 * The flows that ended with this datagram. A sample is one packet that stands for many; samples of one connection are
 * summed into a flow, as a capture's packets are. Datagrams say no date, so `unixMs` is when this one was captured.
 */
export function decodeSflow(
  message: Buffer,
  context: ExportContext,
  state: SflowState,
  unixMs: number | null,
): readonly FlowRecord[] {
  const { notes } = context
  if (!isSflow(message)) {
    notes.unread('sFlow: header that makes no sense', message.length)
    return []
  }
  const addressBytes = message.readUInt32BE(4) === 2 ? 16 : 4
  const at = 8 + addressBytes
  if (message.length < at + 16) {
    notes.unread('sFlow: shorter than its header', message.length)
    return []
  }
  const agent = agentOf(message, addressBytes, context.exporter)
  const stream = `sFlow datagrams of ${agent} sub-agent ${message.readUInt32BE(at)}`
  const sequence = message.readUInt32BE(at + 4)
  if (state.last.get(stream) === sequence) {
    notes.setAside('sFlow: datagram that came twice')
    return []
  }
  if (state.last.size < maxSamplers) state.last.set(stream, sequence)
  context.sequence.saw(stream, sequence, 1)
  if (unixMs === null) {
    notes.remark('sFlow says no date: without a capture around it, records are dated from the agent’s start')
  }
  const time = unixMs ?? message.readUInt32BE(at + 8)
  readSamples(message, at + 12, agent, time, context, state)
  return state.flows.takeDone()
}

function agentOf(message: Buffer, addressBytes: 4 | 16, sender: string): string {
  const agent = addressText(message, 8, addressBytes)
  return agent === '0.0.0.0' || agent === '::' ? sender : agent
}

function readSamples(
  message: Buffer,
  countAt: number,
  agent: string,
  unixMs: number,
  context: ExportContext,
  state: SflowState,
): void {
  const { notes } = context
  const samples = message.readUInt32BE(countAt)
  let at = countAt + 4
  for (let i = 0; i < samples; i++) {
    if (at + 8 > message.length) {
      notes.unread('sFlow: datagram cut off', message.length - at)
      return
    }
    const type = message.readUInt32BE(at)
    const end = at + 8 + message.readUInt32BE(at + 4)
    if (end > message.length) {
      notes.unread('sFlow: sample runs past its datagram', message.length - at)
      return
    }
    const body = message.subarray(at + 8, end)
    if (type === 1 || type === 3) readFlowSample(body, type === 3, agent, unixMs, context, state)
    else if (type === 2 || type === 4)
      notes.setAside('sFlow: counter sample (what an interface says of itself)')
    else if (type === 5) notes.setAside('sFlow: packet that the agent discarded: it did not pass')
    else notes.setAside(`sFlow: sample of enterprise ${type >>> 12}, format ${type & 0xfff}`, 1, body.length)
    at = end
  }
  if (at < message.length) notes.unread('sFlow: bytes after the last sample', message.length - at)
}

function readFlowSample(
  body: Buffer,
  isExpanded: boolean,
  agent: string,
  unixMs: number,
  context: ExportContext,
  state: SflowState,
): void {
  const { notes } = context
  const headBytes = isExpanded ? 44 : 32
  if (body.length < headBytes) {
    notes.unread('sFlow: flow sample shorter than its header', body.length)
    return
  }
  const u32 = (at: number) => body.readUInt32BE(at)
  const source = isExpanded ? `${u32(4)}:${u32(8)}` : `${u32(4) >>> 24}:${u32(4) & 0xffffff}`
  const index = isExpanded ? u32(8) : u32(4) & 0xffffff
  const at = isExpanded ? 12 : 8
  const rate = u32(at)
  const drops = u32(at + 8)
  const [input, outputFormat, output] = isExpanded
    ? [u32(28), u32(32), u32(36)]
    : [u32(20) & 0x3fffffff, u32(24) >>> 30, u32(24) & 0x3fffffff]
  context.sequence.saw(`sFlow samples of ${agent} source ${source}`, u32(0), 1)
  const sampler = samplerOf(state, `${agent} ${source}`, notes)
  // RFC 3176 and sFlow 5 alike: the number of times a sample was dropped for want of resources; it only grows.
  if (sampler.drops !== null && drops > sampler.drops && drops - sampler.drops < 2 ** 24) {
    notes.lost(`sFlow: samples that ${agent} dropped for want of resources`, drops - sampler.drops)
  }
  sampler.drops = drops
  if (outputFormat === 1) {
    notes.setAside('sFlow: packet that the agent discarded: it did not pass')
    return
  }
  if (rate === 0) notes.remark(`sFlow: ${agent} states no sampling rate: its packets count as one each`)
  const direction = input === index ? 'in' : outputFormat === 0 && output === index ? 'out' : null
  const observer = observerOf(state, agent, rate)
  readRecords(body, headBytes, notes, state, { unixMs, direction, observer })
}

type Seen = {
  readonly unixMs: number
  readonly direction: FlowRecord['direction']
  readonly observer: PacketObserver
}

/** One packet can be described by several records; the first that shows addresses and length is it. */
function readRecords(body: Buffer, from: number, notes: Notes, state: SflowState, seen: Seen): void {
  const records = body.readUInt32BE(from - 4)
  let at = from
  let fault: string | null = null
  let isDone = false
  for (let i = 0; i < records; i++) {
    if (at + 8 > body.length || at + 8 + body.readUInt32BE(at + 4) > body.length) {
      notes.unread('sFlow: record runs past its sample', body.length - at)
      break
    }
    const type = body.readUInt32BE(at)
    const data = body.subarray(at + 8, at + 8 + body.readUInt32BE(at + 4))
    at += 8 + data.length
    if (isDone || (type !== 1 && type !== 3 && type !== 4)) continue
    fault = type === 1 ? addRawHeader(data, state, seen) : addSampledIp(data, type === 4, state, seen)
    isDone = fault === null
  }
  if (isDone) return
  if (fault === null) notes.setAside('sFlow: sample that shows no packet of IP')
  else if (fault.startsWith('not IP')) notes.setAside(fault)
  else notes.unread(`sFlow: ${fault}`)
}

function addRawHeader(data: Buffer, state: SflowState, seen: Seen): string | null {
  if (data.length < 16) return 'raw header record cut off'
  const protocol = data.readUInt32BE(0)
  const frameBytes = data.readUInt32BE(4)
  const header = data.subarray(16, 16 + data.readUInt32BE(12))
  const parseLink = linkTypes[headerProtocols[protocol] ?? -1]
  if (parseLink === undefined) return `header protocol ${protocol} is not one we read`
  const start = parseLink(header)
  if (typeof start === 'string') return start
  const into = state.packet
  // Frames are padded and carry a checksum: the IP header's own length is the better number, the frame's the bound.
  const fault = readIpPacket(header, start.at, Math.max(0, frameBytes - start.at), into)
  if (fault !== null) return fault
  state.flows.add(header, into, frameBytes, seen.unixMs, seen.direction, seen.observer)
  return null
}

function addSampledIp(data: Buffer, isIpv6: boolean, state: SflowState, seen: Seen): string | null {
  const into = state.packet
  const fault = readSampledIp(data, isIpv6, into)
  if (fault !== null) return fault
  state.flows.add(data, into, into.ipBytes, seen.unixMs, seen.direction, seen.observer)
  return null
}

function samplerOf(state: SflowState, name: string, notes: Notes): Sampler {
  const known = state.samplers.get(name)
  if (known !== undefined) return known
  const sampler: Sampler = { drops: null }
  if (state.samplers.size < maxSamplers) state.samplers.set(name, sampler)
  else notes.remark(`more than ${maxSamplers} samplers: drops of the others were not looked for`)
  return sampler
}

/** An agent's flows are kept apart by rate alone: a rate may change, and a sum must not mix two. */
function observerOf(state: SflowState, agent: string, rate: number): PacketObserver {
  const key = `${agent} ${rate}`
  const known = state.observers.get(key)
  if (known !== undefined) return known
  const sampling = { rate: Math.max(1, rate), from: rate === 0 ? 'none' : 'record' } as const
  const observer: PacketObserver = { id: state.nextObserver++, exporter: agent, sampling }
  if (state.observers.size < maxSamplers) state.observers.set(key, observer)
  return observer
}
