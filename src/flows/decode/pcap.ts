import type { FlowRecord } from '../flow-record.ts'
import type { NameSink } from '../names/sighting.ts'
import type { ByteSource } from './byte-source.ts'
import { createCaptureFlows, createFrameSink, maxFrameBytes } from './capture-frames.ts'
import type { Notes } from './notes.ts'

const magicMicroseconds = 0xa1b2c3d4
const magicNanoseconds = 0xa1b23c4d

/** True when a pcap file starts here, in either byte order. */
export function isPcap(head: Buffer): boolean {
  return head.length >= 24 && (byteOrder(head, 'BE') !== null || byteOrder(head, 'LE') !== null)
}

function byteOrder(head: Buffer, order: 'BE' | 'LE'): 1e3 | 1e6 | null {
  const magic = order === 'BE' ? head.readUInt32BE(0) : head.readUInt32LE(0)
  return magic === magicMicroseconds ? 1e3 : magic === magicNanoseconds ? 1e6 : null
}

/** The classic capture file (draft-ietf-opsawg-pcap): a header, then frames. */
export async function* readPcap(
  source: ByteSource,
  exporter: string,
  notes: Notes,
  names: NameSink | null = null,
): AsyncGenerator<readonly FlowRecord[]> {
  await source.fill(24)
  const head = Buffer.from(source.take(24))
  const isBig = byteOrder(head, 'BE') !== null
  const perMs = byteOrder(head, isBig ? 'BE' : 'LE') ?? 1e3
  const u32 = (bytes: Buffer, at: number) => (isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at))
  const capture = createCaptureFlows(notes, names)
  // The upper bits of the link type say whether frames carry a checksum.
  const sink = createFrameSink(u32(head, 20) & 0x0fff_ffff, exporter, capture, notes)
  while (await source.fill(16)) {
    const frameHead = source.take(16)
    const unixMs = u32(frameHead, 0) * 1000 + Math.floor(u32(frameHead, 4) / perMs)
    const length = u32(frameHead, 8)
    const wireBytes = u32(frameHead, 12)
    if (length > maxFrameBytes || wireBytes > maxFrameBytes) {
      notes.unread('pcap: a frame of impossible length; what follows it cannot be found', source.available)
      break
    }
    if (!(await source.fill(length))) {
      notes.unread('pcap: cut off within its last frame', source.available)
      source.takeAll()
      break
    }
    sink(source.take(length), Math.max(wireBytes, length), unixMs)
    const done = capture.packets.takeDone()
    if (done.length > 0) yield done
    const exported = capture.exports.takeDone()
    if (exported.length > 0) yield exported
  }
  yield capture.packets.endAll()
  yield capture.exports.endAll()
  for await (const chunk of source.rest()) notes.unread('pcap: bytes after its last frame', chunk.length)
}
