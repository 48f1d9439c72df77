import type { FlowRecord } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import { createExportDecoder } from './export-decoder.ts'
import { netflowFixedLength } from './netflow-fixed.ts'
import { netflowV9Length } from './netflow-v9.ts'
import type { Notes } from './notes.ts'
import { sflowLength } from './sflow.ts'

const maxMessageBytes = 65_535
/** Far more than a message, so that refilling does not copy the same bytes again for each. */
const readAheadBytes = 1024 * 1024

/** A file of bare export messages end to end, such as an IPFIX file (RFC 5655) or a saved datagram. */
export async function* readExportFile(
  source: ByteSource,
  exporter: string,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  const decoder = createExportDecoder(notes)
  for (;;) {
    if (source.available < maxMessageBytes) await source.fill(readAheadBytes)
    if (source.available === 0) break
    const window = source.peek(maxMessageBytes)
    const length = messageLength(window)
    if (length === null) {
      notes.unread('bytes where the next export message should start', source.available)
      break
    }
    yield decoder.decode(Buffer.from(source.take(Math.min(length, source.available))), exporter)
  }
  yield decoder.end()
  for await (const chunk of source.rest()) notes.unread('bytes after the last export message', chunk.length)
}

function messageLength(window: Buffer): number | null {
  if (window.length < 4) return null
  const version = window.readUInt16BE(0)
  if (version === 0) return sflowLength(window)
  if (version === 1 || version === 5 || version === 7) return netflowFixedLength(window, version)
  if (version === 9) return netflowV9Length(window)
  if (version === 10) return Math.max(window.readUInt16BE(2), 16)
  return null
}
