import type { FlowRecord } from '../flow-record.ts'
import type { ExportContext } from './export-context.ts'
import { readDataSet, readTemplates, type TemplateState } from './template-messages.ts'

const headerBytes = 20

/**
 * NetFlow version 9 (RFC 3954). Its header counts records and not bytes, so a message ends where its datagram does,
 * or, in a file of messages, where the next version number stands in the place of a set's id: 9 is no set's id.
 */
export function netflowV9Length(bytes: Buffer): number {
  let at = headerBytes
  while (at + 4 <= bytes.length) {
    const id = bytes.readUInt16BE(at)
    const length = bytes.readUInt16BE(at + 2)
    // Some exporters fill their datagrams up with zeros.
    if (id === 0 && length === 0) {
      at += 4
      continue
    }
    if ((id > 1 && id < 256) || length < 4 || at + length > bytes.length) return Math.min(at, bytes.length)
    at += length
  }
  return Math.min(at, bytes.length)
}

export function decodeNetflowV9(message: Buffer, context: ExportContext, state: TemplateState): FlowRecord[] {
  const { notes, exporter } = context
  const records: FlowRecord[] = []
  if (message.length < headerBytes) {
    notes.unread('NetFlow v9: shorter than its header', message.length)
    return records
  }
  const upMs = message.readUInt32BE(4)
  const exportUnixMs = message.readUInt32BE(8) * 1000
  const times = { exportUnixMs, bootUnixMs: exportUnixMs - upMs }
  const source = message.readUInt32BE(16)
  context.sequence.saw(`NetFlow v9 messages of ${exporter} source ${source}`, message.readUInt32BE(12), 1)
  const domain = `9|${exporter}|${source}`
  let at = headerBytes
  while (at + 4 <= message.length) {
    const setId = message.readUInt16BE(at)
    const length = message.readUInt16BE(at + 2)
    if (length < 4 || at + length > message.length) {
      if (message.subarray(at).some(byte => byte !== 0)) {
        notes.unread('NetFlow v9: set runs past its message', message.length - at)
      }
      return records
    }
    const set = message.subarray(at + 4, at + length)
    if (setId === 0) readTemplates(state, context, domain, set, { isIpfix: false, isOptions: false })
    else if (setId === 1) readTemplates(state, context, domain, set, { isIpfix: false, isOptions: true })
    else if (setId >= 256) readDataSet(state, context, domain, setId, set, times, records)
    else notes.unread('NetFlow v9: set with an id that is reserved', length)
    at += length
  }
  if (at < message.length) notes.unread('NetFlow v9: bytes after the last set', message.length - at)
  return records
}
