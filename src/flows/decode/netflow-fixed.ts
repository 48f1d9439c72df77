import { addressText } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ExportContext } from './export-context.ts'
import { unsampled } from './sampling.ts'

/** Versions whose records have a shape that never changes. Version 7 is what Catalyst switches send. */
export type FixedVersion = 1 | 5 | 7

const layouts = {
  1: { headerBytes: 16, recordBytes: 52 },
  5: { headerBytes: 24, recordBytes: 48 },
  7: { headerBytes: 24, recordBytes: 52 },
} as const
/** What fits into the largest UDP datagram; Cisco's own exporters send 30. */
const mostRecords = 1364

/** Length in bytes of the message that starts here, from its own count; `null` when that cannot be. */
export function netflowFixedLength(message: Buffer, version: FixedVersion): number | null {
  const { headerBytes, recordBytes } = layouts[version]
  if (message.length < headerBytes) return null
  const count = message.readUInt16BE(2)
  return count === 0 || count > mostRecords ? null : headerBytes + count * recordBytes
}

/** NetFlow versions 1, 5 and 7, as Cisco's export formats describe them; what is read of them stands in one place. */
export function decodeNetflowFixed(
  message: Buffer,
  version: FixedVersion,
  context: ExportContext,
): FlowRecord[] {
  const { notes, exporter } = context
  const { headerBytes, recordBytes } = layouts[version]
  const name = `NetFlow v${version}`
  if (message.length < headerBytes) {
    notes.unread(`${name}: shorter than its header`, message.length)
    return []
  }
  const count = message.readUInt16BE(2)
  if (count > mostRecords) {
    notes.unread(`${name}: a count that no datagram can hold`, message.length)
    return []
  }
  const whole = Math.min(count, Math.floor((message.length - headerBytes) / recordBytes))
  if (whole < count) notes.unread(`${name}: record cut off`, message.length - headerBytes, count - whole)
  const expected = headerBytes + count * recordBytes
  // Some exporters fill their datagrams up with zeros.
  if (message.length > expected && message.subarray(expected).some(byte => byte !== 0)) {
    notes.unread(`${name}: bytes after the last record`, message.length - expected)
  }
  const upMs = message.readUInt32BE(4)
  const nowUnixMs = message.readUInt32BE(8) * 1000 + Math.floor(message.readUInt32BE(12) / 1e6)
  if (version !== 1) {
    const engine = version === 5 ? ` engine ${message[20]!}.${message[21]!}` : ''
    context.sequence.saw(`${name} records of ${exporter}${engine}`, message.readUInt32BE(16), count)
  }
  // The upper two bits are the mode; exporters that forget it still put the interval in the lower fourteen.
  const interval = version === 5 ? message.readUInt16BE(22) & 0x3fff : 0
  const sampling = interval > 1 ? { rate: interval, from: 'header' as const } : unsampled
  const records: FlowRecord[] = []
  for (let i = 0; i < whole; i++) {
    const at = headerBytes + i * recordBytes
    const packets = message.readUInt32BE(at + 16)
    const bytes = message.readUInt32BE(at + 20)
    if (bytes * sampling.rate > MAX_RECORD_BYTES) {
      notes.unread(`${name}: counter too large to be true`, recordBytes)
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
