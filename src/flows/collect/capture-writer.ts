import { crc32 } from 'node:zlib'
import { parseAddress } from '../address.ts'
import { captureMagic, type Datagram, frameKinds } from './capture-format.ts'

export function captureHeader(): Buffer {
  return Buffer.from(captureMagic)
}

export function datagramFrame(datagram: Datagram): Buffer {
  const address = addressBytes(datagram.address)
  const body = Buffer.alloc(12 + address.length + datagram.payload.length)
  body[0] = frameKinds.datagram
  body.writeBigUInt64BE(BigInt(datagram.arrivedUnixMs), 1)
  body[9] = address.length === 4 ? 4 : 6
  body.writeUInt16BE(datagram.port, 10)
  address.copy(body, 12)
  body.set(datagram.payload, 12 + address.length)
  return frame(body)
}

/** Says that the capture was ended on purpose and how many datagrams it holds; a file without it was cut off. */
export function endFrame(datagrams: number): Buffer {
  const body = Buffer.alloc(9)
  body[0] = frameKinds.end
  body.writeBigUInt64BE(BigInt(datagrams), 1)
  return frame(body)
}

function frame(body: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length, 0)
  head.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([head, body])
}

function addressBytes(text: string): Buffer {
  const address = parseAddress(text)
  if (address === null) return Buffer.alloc(4)
  const bytes = Buffer.alloc(address.family === 4 ? 4 : 16)
  if (address.family === 4) bytes.writeUInt32BE(address.value)
  else {
    bytes.writeBigUInt64BE(address.hi, 0)
    bytes.writeBigUInt64BE(address.lo, 8)
  }
  return bytes
}
