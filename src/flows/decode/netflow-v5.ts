import { addressText } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ExportContext } from './export-context.ts'
import { unsampled } from './sampling.ts'

const headerBytes = 24
const recordBytes = 48
/** What fits into the largest UDP datagram; Cisco's own exporters send 30. */
const mostRecords = 1364

/** Length in bytes of the message that starts here, from its own count; `null` when that cannot be. */
export function netflowV5Length(message: Buffer): number | null {
  if (message.length < headerBytes) return null
  const count = message.readUInt16BE(2)
  return count === 0 || count > mostRecords ? null : headerBytes + count * recordBytes
}

/** NetFlow version 5: a fixed header and fixed records, as Cisco's export format describes them. */
export function decodeNetflowV5(message: Buffer, context: ExportContext): FlowRecord[] {
  const { notes, exporter } = context
  if (message.length < headerBytes) {
    notes.unread('NetFlow v5: shorter than its header', message.length)
    return []
  }
  const count = message.readUInt16BE(2)
  if (count > mostRecords) {
    notes.unread('NetFlow v5: a count that no datagram can hold', message.length)
    return []
  }
  const whole = Math.min(count, Math.floor((message.length - headerBytes) / recordBytes))
  if (whole < count) notes.unread('NetFlow v5: record cut off', message.length - headerBytes, count - whole)
  const extra = message.length - headerBytes - count * recordBytes
  if (extra > 0) notes.unread('NetFlow v5: bytes after the last record', extra)
  const upMs = message.readUInt32BE(4)
  const nowUnixMs = message.readUInt32BE(8) * 1000 + Math.floor(message.readUInt32BE(12) / 1e6)
  const engine = `${message[20]!}.${message[21]!}`
  context.sequence.saw(`NetFlow v5 records of ${exporter} engine ${engine}`, message.readUInt32BE(16), count)

  // The upper two bits are the mode; exporters that forget it still put the interval in the lower fourteen.
  const interval = message.readUInt16BE(22) & 0x3fff
  const sampling = interval > 1 ? { rate: interval, from: 'header' as const } : unsampled
  const records: FlowRecord[] = []
  for (let i = 0; i < whole; i++) {
    const at = headerBytes + i * recordBytes
    const packets = message.readUInt32BE(at + 16)
    const bytes = message.readUInt32BE(at + 20)
    if (bytes * sampling.rate > MAX_RECORD_BYTES) {
      notes.unread('NetFlow v5: counter too large to be true', recordBytes)
      continue
    }
    const startUnixMs = nowUnixMs - agoMs(upMs, message.readUInt32BE(at + 24))
    records.push({
      srcAddr: addressText(message, at, 4),
      dstAddr: addressText(message, at + 4, 4),
      srcPort: message.readUInt16BE(at + 32),
      dstPort: message.readUInt16BE(at + 34),
      protocol: message[at + 38]!,
      packets: packets * sampling.rate,
      ipBytes: bytes * sampling.rate,
      payloadBytes: null,
      original: { bytes, packets, basis: 'ip' },
      startUnixMs,
      endUnixMs: Math.max(startUnixMs, nowUnixMs - agoMs(upMs, message.readUInt32BE(at + 28))),
      direction: null,
      exporter,
      sampling,
    })
  }
  return records
}

/**
 * How long before the message's own time an uptime reading was. Both are 32-bit milliseconds that wrap after 49.7
 * days; a reading slightly after the message's (exporters round) is a small negative number, not 49 days.
 */
function agoMs(nowUpMs: number, thenUpMs: number): number {
  return (nowUpMs - thenUpMs) | 0
}
