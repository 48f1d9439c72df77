import type { FlowRecord } from '../flow-record.ts'
import type { ExportContext } from './export-context.ts'
import { readDataSet, readTemplates, type TemplateState } from './template-messages.ts'

const headerBytes = 16

/** IPFIX (RFC 7011). A file of messages (RFC 5655) is messages end to end. */
export function decodeIpfix(message: Buffer, context: ExportContext, state: TemplateState): FlowRecord[] {
  const { notes, exporter } = context
  const records: FlowRecord[] = []
  if (message.length < headerBytes) {
    notes.unread('IPFIX: shorter than its header', message.length)
    return records
  }
  const stated = message.readUInt16BE(2)
  const end = Math.min(stated, message.length)
  if (stated > message.length) notes.unread('IPFIX: message cut off', stated - message.length)
  if (stated < message.length)
    notes.unread('IPFIX: bytes after the message', message.length - Math.max(stated, 0))
  const times = { exportUnixMs: message.readUInt32BE(4) * 1000, bootUnixMs: null }
  const domainId = message.readUInt32BE(12)
  const domain = `10|${exporter}|${domainId}`
  let counted: number | null = 0
  let at = headerBytes
  while (at + 4 <= end) {
    const setId = message.readUInt16BE(at)
    const length = message.readUInt16BE(at + 2)
    if (length < 4 || at + length > end) {
      notes.unread('IPFIX: set runs past its message', end - at)
      counted = null
      break
    }
    const set = message.subarray(at + 4, at + length)
    if (setId === 2) readTemplates(state, context, domain, set, { isIpfix: true, isOptions: false })
    else if (setId === 3) readTemplates(state, context, domain, set, { isIpfix: true, isOptions: true })
    else if (setId >= 256) {
      const held = readDataSet(state, context, domain, setId, set, times, records)
      counted = held === null || counted === null ? null : counted + held
    } else {
      notes.unread('IPFIX: set with an id that is reserved', length)
    }
    at += length
  }
  // The number counts data records sent before this message; unknown as long as a template is missing.
  context.sequence.saw(
    `IPFIX records of ${exporter} domain ${domainId}`,
    message.readUInt32BE(8),
    counted,
    true,
  )
  return records
}
