/** Packets that carry names, for the tests of what reads them. */
import { createCipheriv } from 'node:crypto'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { type InitialKeys, initialKeys } from '../../src/flows/names/quic-initial.ts'
import type { NameSighting, NameSink } from '../../src/flows/names/sighting.ts'
import { address, u } from './export-messages.ts'
import { ipv4, udpOf } from './packets.ts'
import { readColumnsOf } from './read-flows.ts'

/** What Node itself sends first to a server of this name. */
export async function realHello(servername: string): Promise<Buffer> {
  const sent = Promise.withResolvers<Buffer>()
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.resolve(chunk)
      done()
    },
  })
  const socket = connect({ socket: wire, servername })
  socket.on('error', () => {})
  const hello = await sent.promise
  socket.destroy()
  return hello
}

export type Extension = readonly [type: number, body: Buffer]

export const serverName = (name: string): Extension => [
  0,
  Buffer.concat([u(2, name.length + 3), u(1, 0), u(2, name.length), Buffer.from(name, 'latin1')]),
]

/** A ClientHello as a handshake message. */
export function helloMessage(extensions: readonly Extension[]): Buffer {
  const list = Buffer.concat(
    extensions.map(([type, body]) => Buffer.concat([u(2, type), u(2, body.length), body])),
  )
  const body = Buffer.concat([
    ...[u(2, 0x0303), Buffer.alloc(32, 7), u(1, 0), u(2, 2), u(2, 0x1301), u(1, 1), u(1, 0)],
    ...[u(2, list.length), list],
  ])
  return Buffer.concat([u(1, 1), u(1, 0), u(2, body.length), body])
}

/** In records of this size. */
export function inRecords(message: Buffer, size = 16_384): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    parts.push(u(1, 22), u(2, 0x0301), u(2, part.length), part)
  }
  return Buffer.concat(parts)
}

type Ends = { readonly from: string; readonly to: string; readonly srcPort: number; readonly dstPort: number }

export function tcpPacket(ends: Ends, payload: Buffer, sequence = 1000): Buffer {
  const head = [
    u(2, ends.srcPort),
    u(2, ends.dstPort),
    u(4, sequence),
    u(4, 1),
    u(1, 0x50),
    u(1, 0x18),
    u(2, 100),
    u(4, 0),
  ]
  return ipv4({ payload: Buffer.concat([...head, payload]), protocol: 6, from: ends.from, to: ends.to })
}

export function udpPacket(ends: Ends, payload: Buffer): Buffer {
  return ipv4({ payload: udpOf(payload, ends.srcPort, ends.dstPort), from: ends.from, to: ends.to })
}

export const labels = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map(label => Buffer.concat([u(1, label.length), Buffer.from(label)])),
    u(1, 0),
  ])

export type DnsRecord = {
  readonly owner: Buffer
  readonly type: number
  readonly ttl: number
  readonly data: Buffer
}

export const aRecord = (owner: Buffer, to: string, ttl = 60): DnsRecord => ({
  owner,
  type: 1,
  ttl,
  data: address(to),
})

export function dnsAnswer(name: string, records: readonly DnsRecord[], type = 1, flags = 0x8180): Buffer {
  return Buffer.concat([
    ...[
      u(2, 7),
      u(2, flags),
      u(2, 1),
      u(2, records.length),
      u(2, 0),
      u(2, 0),
      labels(name),
      u(2, type),
      u(2, 1),
    ],
    ...records.map(({ owner, type: kind, ttl, data }) =>
      Buffer.concat([owner, u(2, kind), u(2, 1), u(4, ttl), u(2, data.length), data]),
    ),
  ])
}

const varint = (value: number): Buffer => u(2, 0x4000 | value)

export function cryptoFrame(offset: number, data: Buffer): Buffer {
  return Buffer.concat([u(1, 6), varint(offset), varint(data.length), data])
}

/** Protects a packet as RFC 9001 section 5 says; the packet number takes four bytes. */
export function protectInitial(header: Buffer, payload: Buffer, keys: InitialKeys): Buffer {
  const nonce = Buffer.from(keys.iv)
  for (let i = 0; i < 4; i++) nonce[8 + i]! ^= header[header.length - 4 + i]!
  const cipher = createCipheriv('aes-128-gcm', keys.key, nonce)
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  const mask = createCipheriv('aes-128-ecb', keys.mask, null).update(sealed.subarray(0, 16))
  const hidden = Buffer.from(header)
  hidden[0]! ^= mask[0]! & 0x0f
  for (let i = 0; i < 4; i++) hidden[header.length - 4 + i]! ^= mask[1 + i]!
  return Buffer.concat([hidden, sealed])
}

/** A client's Initial packet of QUIC version 1, padded so that the datagram is of `size` bytes. */
export function clientInitial(id: Buffer, frames: Buffer, number: number, size = 1200, keysOf = id): Buffer {
  const headBytes = 1 + 4 + 1 + id.length + 1 + 1 + 2 + 4
  const payload = Buffer.concat([frames, Buffer.alloc(Math.max(0, size - headBytes - 16 - frames.length))])
  const header = Buffer.concat([
    ...[u(1, 0xc3), u(4, 1), u(1, id.length), id, u(1, 0), u(1, 0)],
    ...[varint(4 + payload.length + 16), u(4, number)],
  ])
  return protectInitial(header, payload, initialKeys(1, keysOf)!)
}

/** The names in an input, with every address a server of the inventory, all of number 0. */
export async function namesIn(
  bytes: Uint8Array,
  isServer: (address: string) => boolean = () => true,
): Promise<{ readonly seen: NameSighting[]; readonly refused: number }> {
  const seen: NameSighting[] = []
  let refused = 0
  const sink: NameSink = {
    serverAt: at => (isServer(at) ? 0 : -1),
    add: sighting => void seen.push(sighting),
    refuse: () => void (refused += 1),
  }
  await readColumnsOf(bytes, sink)
  return { seen, refused }
}

/** `name source dst:port`, to compare at a glance. */
export function nameLine({ name, source, dstAddr, socket, mayBeOuter }: NameSighting): string {
  return `${name} ${source}${mayBeOuter ? '?' : ''} ${dstAddr}${socket === null ? '' : `:${socket.dstPort}`}`
}
