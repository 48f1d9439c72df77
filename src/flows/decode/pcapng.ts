import type { FlowRecord } from '../flow-record.ts'
import type { NameSink } from '../names/sighting.ts'
import type { ByteSource } from './byte-source.ts'
import {
  type CaptureFlows,
  createCaptureFlows,
  createFrameSink,
  type FrameSink,
  maxFrameBytes,
} from './capture-frames.ts'
import type { Notes } from './notes.ts'

const sectionHeader = 0x0a0d0d0a
const interfaceDescription = 1
const obsoletePacket = 2
const simplePacket = 3
const interfaceStatistics = 5
const enhancedPacket = 6

const maxBlockBytes = 16 * 1024 * 1024
const maxInterfaces = 4096

type Interface = {
  readonly sink: FrameSink
  readonly snapLength: number
  readonly unitsPerSecond: bigint
  readonly offsetSeconds: number
  lastUnixMs: number
}

type Section = { readonly isBig: boolean; readonly interfaces: Interface[] }

export function isPcapng(head: Buffer): boolean {
  if (head.length < 12 || head.readUInt32BE(0) !== sectionHeader) return false
  return head.readUInt32BE(8) === 0x1a2b3c4d || head.readUInt32LE(8) === 0x1a2b3c4d
}

/** The block capture file (draft-ietf-opsawg-pcapng): sections, interfaces, packets. */
export async function* readPcapng(
  source: ByteSource,
  exporter: string,
  notes: Notes,
  names: NameSink | null = null,
): AsyncGenerator<readonly FlowRecord[]> {
  const capture = createCaptureFlows(notes, names)
  let section: Section = { isBig: false, interfaces: [] }
  let sections = 0
  while (await source.fill(12)) {
    const head = source.peek(12)
    if (head.readUInt32BE(0) === sectionHeader) {
      yield capture.packets.endAll()
      section = { isBig: head.readUInt32BE(8) === 0x1a2b3c4d, interfaces: [] }
      sections += 1
    }
    const { isBig } = section
    const type = u32(head, 0, isBig)
    const length = u32(head, 4, isBig)
    if (length < 12 || length > maxBlockBytes || length % 4 !== 0) {
      notes.unread('pcapng: a block of impossible length; what follows it cannot be found', source.available)
      break
    }
    if (!(await source.fill(length))) {
      notes.unread('pcapng: cut off within its last block', source.available)
      source.takeAll()
      break
    }
    const body = source.take(length).subarray(8, length - 4)
    if (type === interfaceDescription) addInterface(section, body, `${exporter}#${sections}`, capture, notes)
    else if (type === enhancedPacket) addPacket(section, body, notes)
    else if (type === simplePacket) addSimplePacket(section, body, notes)
    else if (type === obsoletePacket) addObsoletePacket(section, body, notes)
    else if (type === interfaceStatistics) readStatistics(section, body, notes)
    else if (type !== sectionHeader) notes.setAside('pcapng: block that holds no packet')
    const done = capture.packets.takeDone()
    if (done.length > 0) yield done
    const exported = capture.exports.takeDone()
    if (exported.length > 0) yield exported
  }
  yield capture.packets.endAll()
  yield capture.exports.endAll()
  for await (const chunk of source.rest()) notes.unread('pcapng: bytes after its last block', chunk.length)
}

function addInterface(
  section: Section,
  body: Buffer,
  exporter: string,
  capture: CaptureFlows,
  notes: Notes,
): void {
  if (body.length < 8 || section.interfaces.length >= maxInterfaces) {
    notes.unread('pcapng: interface that makes no sense', body.length)
    return
  }
  let unitsPerSecond = 1_000_000n
  let offsetSeconds = 0
  for (const { code, value } of options(body, 8, section.isBig)) {
    if (code === 9 && value.length >= 1) {
      const exponent = value[0]! & 0x7f
      if (exponent > 30) notes.unread('pcapng: clock finer than any', value.length)
      else unitsPerSecond = (value[0]! & 0x80) !== 0 ? 2n ** BigInt(exponent) : 10n ** BigInt(exponent)
    }
    if (code === 14 && value.length === 8) {
      offsetSeconds = Number(section.isBig ? value.readBigInt64BE(0) : value.readBigInt64LE(0))
    }
  }
  const name = `${exporter}.${section.interfaces.length}`
  const sink = createFrameSink(u16(body, 0, section.isBig), name, capture, notes)
  const snapLength = u32(body, 4, section.isBig)
  section.interfaces.push({ sink, snapLength, unitsPerSecond, offsetSeconds, lastUnixMs: 0 })
}

function addPacket(section: Section, body: Buffer, notes: Notes): void {
  if (body.length < 20) {
    notes.unread('pcapng: packet block too short', body.length)
    return
  }
  addFrame(section, u32(body, 0, section.isBig), body, 4, notes)
}

/** Block type 2, which early writers used: the interface is 16 bits and a drop count follows it. */
function addObsoletePacket(section: Section, body: Buffer, notes: Notes): void {
  if (body.length < 20) {
    notes.unread('pcapng: packet block too short', body.length)
    return
  }
  addFrame(section, u16(body, 0, section.isBig), body, 4, notes)
}

function addFrame(section: Section, interfaceId: number, body: Buffer, at: number, notes: Notes): void {
  const { isBig } = section
  const source = section.interfaces[interfaceId]
  if (source === undefined) {
    notes.unread('pcapng: packet of an interface not described', body.length)
    return
  }
  const ticks = (BigInt(u32(body, at, isBig)) << 32n) | BigInt(u32(body, at + 4, isBig))
  const captured = u32(body, at + 8, isBig)
  const wireBytes = u32(body, at + 12, isBig)
  if (captured > body.length - at - 16 || wireBytes > maxFrameBytes) {
    notes.unread('pcapng: packet longer than its block', body.length)
    return
  }
  const unixMs = Number((ticks * 1000n) / source.unitsPerSecond) + source.offsetSeconds * 1000
  source.lastUnixMs = unixMs
  source.sink(body.subarray(at + 16, at + 16 + captured), Math.max(wireBytes, captured), unixMs)
}

/** A simple packet has no time of its own; it is dated by the packet before it on its interface, the first. */
function addSimplePacket(section: Section, body: Buffer, notes: Notes): void {
  const source = section.interfaces[0]
  if (source === undefined || body.length < 4) {
    notes.unread('pcapng: packet of an interface not described', body.length)
    return
  }
  const wireBytes = u32(body, 0, section.isBig)
  if (wireBytes > maxFrameBytes) {
    notes.unread('pcapng: packet longer than its block', body.length)
    return
  }
  const limit = source.snapLength === 0 ? wireBytes : Math.min(wireBytes, source.snapLength)
  notes.remark('pcapng: simple packets carry no time; they are dated by the packet before')
  source.sink(body.subarray(4, 4 + Math.min(limit, body.length - 4)), wireBytes, source.lastUnixMs)
}

function readStatistics(section: Section, body: Buffer, notes: Notes): void {
  if (body.length < 12) return
  for (const { code, value } of options(body, 12, section.isBig)) {
    if ((code !== 5 && code !== 7) || value.length !== 8) continue
    const dropped = Number(section.isBig ? value.readBigUInt64BE(0) : value.readBigUInt64LE(0))
    if (dropped > 0) notes.lost('pcapng: packets that the capturer says it dropped', dropped)
  }
}

function* options(body: Buffer, from: number, isBig: boolean): Generator<{ code: number; value: Buffer }> {
  let at = from
  while (at + 4 <= body.length) {
    const code = u16(body, at, isBig)
    const length = u16(body, at + 2, isBig)
    if (code === 0 || at + 4 + length > body.length) return
    yield { code, value: body.subarray(at + 4, at + 4 + length) }
    at += 4 + Math.ceil(length / 4) * 4
  }
}

function u16(bytes: Buffer, at: number, isBig: boolean): number {
  return isBig ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at)
}

function u32(bytes: Buffer, at: number, isBig: boolean): number {
  return isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
}
