import { addressText } from '../address.ts'
import type { FlowRecord } from '../flow-record.ts'
import { createExportDecoder, type ExportDecoder } from './export-decoder.ts'
import type { IpPacket } from './ip-packet.ts'
import { isWholeExport, mayBeExport } from './looks-like-export.ts'
import type { Notes } from './notes.ts'

/** Flow exports that were captured on their way to a collector; one for each capture file. */
export type CapturedExports = {
  /** Reads the payload of a UDP packet when it is an export. */
  readonly add: (frame: Buffer, packet: IpPacket, unixMs: number) => void
  readonly takeDone: () => readonly FlowRecord[]
  readonly endAll: () => readonly FlowRecord[]
}

/** Where collectors listen: NetFlow, IPFIX (IANA), sFlow (IANA), and what vendors made customary. */
const exportPorts = new Set([2055, 2056, 2100, 4432, 4729, 4739, 6343, 9025, 9555, 9985, 9991, 9995, 9996])
const udpHeaderBytes = 8
/** A header of IPFIX or of NetFlow v1 alone. */
const shortestExport = 16
const none: readonly FlowRecord[] = []

export function createCapturedExports(notes: Notes): CapturedExports {
  let decoder: ExportDecoder | null = null
  let done: FlowRecord[] = []
  return {
    add(frame, packet, unixMs) {
      const at = packet.transportAt
      if (packet.fragment === 'later' || frame.length < at + udpHeaderBytes + shortestExport) return
      // The first number of every export version is small: one byte spares a look at nearly all other packets.
      if (frame[at + udpHeaderBytes] !== 0) return
      const length = frame.readUInt16BE(at + 4)
      if (length < udpHeaderBytes) return
      const payload = frame.subarray(at + udpHeaderBytes, Math.min(at + length, frame.length))
      if (payload.length < shortestExport) return
      const isWhole = payload.length === length - udpHeaderBytes
      const isAtPort = exportPorts.has(packet.dstPort)
      if (!(isWhole && isWholeExport(payload)) && !(isAtPort && mayBeExport(payload))) return
      if (packet.fragment === 'first') {
        notes.unread('flow export in IP fragments, which are not put together', length)
        return
      }
      if (!isWhole) notes.remark('flow exports in the capture were cut short by its snap length')
      if (decoder === null) {
        decoder = createExportDecoder(notes)
        notes.remark(
          'the capture holds flow exports: their flows are counted beside the captured packets, each exporter as an observer of its own',
        )
      }
      const exporter = addressText(frame, packet.addressAt, packet.addressLength)
      // A copy: the decoder may hold a set until its template comes, and the frame's buffer is used again.
      for (const record of decoder.decode(Buffer.from(payload), exporter, unixMs)) done.push(record)
    },
    takeDone() {
      if (done.length === 0) return none
      const batch = done
      done = []
      return batch
    },
    endAll() {
      const ended = decoder?.end() ?? none
      const batch = [...done, ...ended]
      done = []
      return batch
    },
  }
}
