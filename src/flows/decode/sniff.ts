import { captureMagic } from '../collect/capture-format.ts'
import type { CsvMapping } from './csv-mapping.ts'
import { earliestUnixSeconds } from './looks-like-export.ts'
import { isPcap } from './pcap.ts'
import { isPcapng } from './pcapng.ts'
import { isSflow } from './sflow.ts'
import { sniffText, type TextFormat } from './sniff-text.ts'

export type InputFormat =
  | 'gzip'
  | 'zstd'
  | 'flow-capture'
  | 'pcap'
  | 'pcapng'
  | 'netflow-v1'
  | 'netflow-v5'
  | 'netflow-v7'
  | 'netflow-v9'
  | 'ipfix'
  | 'sflow'
  | TextFormat

/** Enough for the longest header of a flow log. */
export const sniffBytes = 64 * 1024

/** What an input is, by what is in it and never by its name; `null` when it is nothing we read. */
export function sniff(head: Buffer, mapping: CsvMapping | null): InputFormat | null {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip'
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd'
  if (head.subarray(0, captureMagic.length).equals(captureMagic)) return 'flow-capture'
  if (isPcap(head)) return 'pcap'
  if (isPcapng(head)) return 'pcapng'
  return exportVersion(head) ?? sniffText(head, mapping)
}

/** A version number alone is two common bytes, so the rest of the header has to make sense too. */
function exportVersion(head: Buffer): InputFormat | null {
  if (head.length < 16) return null
  const version = head.readUInt16BE(0)
  const second = head.readUInt16BE(2)
  if (isSflow(head)) return 'sflow'
  if (version === 5) return head.length >= 24 && second > 0 && second <= 1000 ? 'netflow-v5' : null
  if ((version === 1 || version === 7) && head.length >= 24) {
    // Old and rare, so a date has to bear it out.
    const isDated = head.readUInt32BE(8) >= earliestUnixSeconds
    return second > 0 && second <= 1000 && isDated ? `netflow-v${version}` : null
  }
  if (version === 9) return head.length >= 20 && second <= 4096 ? 'netflow-v9' : null
  if (version === 10) return second >= 16 ? 'ipfix' : null
  return null
}
