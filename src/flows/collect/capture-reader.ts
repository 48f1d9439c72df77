/** Frames of a flow capture that is in memory whole (`docs/formats/flow-capture.md`), and where the last whole one ends. */
import { crc32 } from 'node:zlib'
import { addressText } from '../address.ts'
import { captureMagic, frameHeaderBytes, frameKinds, maxFrameBytes } from './capture-format.ts'

export type ReadDatagram = (payload: Buffer, exporter: string, arrivedUnixMs: number, port: number) => void

export type CaptureRead = {
  readonly datagrams: number
  /** Everything before it is whole frames. */
  readonly wholeBytes: number
  readonly hasEnd: boolean
  /** Frames whose checksum differs, and frames of a kind that we do not know. */
  readonly damagedFrames: number
}

export function readCapture(bytes: Buffer, onDatagram: ReadDatagram): CaptureRead {
  let datagrams = 0
  let damagedFrames = 0
  let hasEnd = false
  const hasMagic =
    bytes.length >= captureMagic.length && bytes.subarray(0, captureMagic.length).equals(captureMagic)
  let at = hasMagic ? captureMagic.length : 0
  while (hasMagic && !hasEnd && at + frameHeaderBytes <= bytes.length) {
    const length = bytes.readUInt32BE(at)
    const from = at + frameHeaderBytes
    if (length === 0 || length > maxFrameBytes || from + length > bytes.length) break
    const body = bytes.subarray(from, from + length)
    const isWhole = crc32(body) === bytes.readUInt32BE(at + 4)
    // What is damaged at the very end was being written: it is cut off. In the middle it is passed over.
    if (!isWhole && from + length === bytes.length) break
    at = from + length
    const kind = body[0]
    const addressBytes = body[9] === 6 ? 16 : 4
    if (isWhole && kind === frameKinds.end && length === 9) hasEnd = true
    else if (isWhole && kind === frameKinds.datagram && length >= 12 + addressBytes) {
      datagrams += 1
      const exporter = addressText(body, 12, addressBytes)
      const arrivedUnixMs = Number(body.readBigUInt64BE(1))
      onDatagram(body.subarray(12 + addressBytes), exporter, arrivedUnixMs, body.readUInt16BE(10))
    } else damagedFrames += 1
  }
  return { datagrams, wholeBytes: at, hasEnd, damagedFrames }
}
