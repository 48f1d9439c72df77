import { addressText } from '../address.ts'
import type { IpPacket } from '../decode/ip-packet.ts'
import { TCP, UDP } from '../flow-record.ts'
import { readClientHello, readHelloRecords } from './client-hello.ts'
import { readDnsAnswer } from './dns-message.ts'
import { answerHoldsUntil } from './dns-validity.ts'
import { domainName } from './domain-name.ts'
import { mayBeRequest, readHttpHost, withoutPort } from './http-host.ts'
import { cryptoFrames, type InitialKeys, mayBeInitial, openInitials } from './quic-initial.ts'
import type { NameSink, NameSource } from './sighting.ts'
import { StreamHead } from './stream-head.ts'

/** Streams whose beginning is waited for, at most; the one that began first gives way. */
const mostWaiting = 1024
/** Pieces that a beginning may come in: it is read again with each, and nobody honest sends a byte at a time. */
const mostPieces = 64
const dnsPort = 53
/** A client pads datagrams with an Initial packet to this (RFC 9000 section 14.1). */
const shortestInitial = 1200

type Kind = 'tls' | 'http' | 'dns'
type Waiting = { readonly kind: Kind; readonly from: number; readonly head: StreamHead; pieces: number }

/**
 * The names in captured packets: hellos, requests, and answers of name servers. Only what the inventory's servers asked for
 * is read. Nearly all packets cost a look at their first byte.
 */
export function createPacketNames(sink: NameSink) {
  const streams = new Map<string, Waiting>()
  const quic = new Map<string, { keys: InitialKeys | null; head: StreamHead }>()

  const source = (frame: Buffer, packet: IpPacket): string =>
    addressText(frame, packet.addressAt, packet.addressLength)
  const destination = (frame: Buffer, packet: IpPacket): string =>
    addressText(frame, packet.addressAt + packet.addressLength, packet.addressLength)

  const name = (
    frame: Buffer,
    packet: IpPacket,
    unixMs: number,
    claim: { readonly text: string; readonly source: NameSource; readonly mayBeOuter: boolean },
  ): void => {
    const server = sink.serverAt(source(frame, packet), unixMs)
    if (server < 0) return
    const { text, source: from, mayBeOuter } = claim
    const known = domainName(text)
    if (known === null) {
      sink.refuse()
      return
    }
    const { protocol, srcPort, dstPort } = packet
    sink.add({
      server,
      dstAddr: destination(frame, packet),
      socket: { protocol, srcPort, dstPort },
      ...{ name: known, source: from, mayBeOuter, fromUnixMs: unixMs, untilUnixMs: unixMs },
    })
  }

  const answer = (frame: Buffer, packet: IpPacket, message: Buffer, unixMs: number): void => {
    const server = sink.serverAt(destination(frame, packet), unixMs)
    const read = server < 0 ? null : readDnsAnswer(message)
    if (read === null) return
    const known = domainName(read.name)
    if (known === null) {
      sink.refuse()
      return
    }
    for (const { address, ttlSeconds } of read.addresses)
      sink.add({
        ...{ server, dstAddr: address, socket: null, name: known, source: 'dns', mayBeOuter: false },
        ...{ fromUnixMs: unixMs, untilUnixMs: answerHoldsUntil(unixMs, ttlSeconds) },
      })
  }

  /** True when more of the stream has to be waited for. */
  const readHead = (
    kind: Kind,
    bytes: Buffer,
    frame: Buffer,
    packet: IpPacket,
    unixMs: number,
    isCut: boolean,
  ): boolean => {
    if (kind === 'dns') {
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return true
      answer(frame, packet, bytes.subarray(2, 2 + bytes.readUInt16BE(0)), unixMs)
      return false
    }
    if (kind === 'http') {
      const read = readHttpHost(bytes)
      if (read === 'more' || read === 'none') return read === 'more'
      const text = read.host === null ? null : withoutPort(read.host)
      if (text !== null) name(frame, packet, unixMs, { text, source: 'http', mayBeOuter: false })
      return false
    }
    const read = readHelloRecords(bytes, isCut)
    if (read === 'more' || read === 'none') return read === 'more'
    if (read.serverName !== null)
      name(frame, packet, unixMs, { text: read.serverName, source: 'sni', mayBeOuter: read.mayBeOuter })
    return false
  }

  const addTcp = (frame: Buffer, packet: IpPacket, unixMs: number): void => {
    const { transportAt } = packet
    if (packet.payloadBytes === 0 || frame.length < transportAt + 20) return
    const at = transportAt + Math.max(20, (frame[transportAt + 12]! >> 4) * 4)
    if (frame.length <= at) return
    const kind = kindOf(frame, at, packet)
    if (kind === null && streams.size === 0) return
    const key = keyOf(frame, packet)
    // A SYN takes a number of its own, and may bring data (RFC 7413).
    const sequence = frame.readUInt32BE(transportAt + 4) + ((frame[transportAt + 13]! >> 1) & 1)
    const payload = frame.subarray(at, Math.min(frame.length, at + packet.payloadBytes))
    // A frame that the capture cut short will never be whole.
    const isCut = payload.length < packet.payloadBytes
    const waiting = streams.get(key)
    if (waiting !== undefined) {
      // 32 bits that come round (RFC 9293 section 3.4).
      waiting.pieces += 1
      const isPlaced = waiting.head.put((sequence - waiting.from) | 0, payload)
      const goesOn = isPlaced && waiting.pieces < mostPieces
      const more = goesOn && readHead(waiting.kind, waiting.head.whole, frame, packet, unixMs, isCut)
      if (!more || isCut) streams.delete(key)
      return
    }
    if (kind === null || !readHead(kind, payload, frame, packet, unixMs, isCut) || isCut) return
    const asking = kind === 'dns' ? destination(frame, packet) : source(frame, packet)
    if (sink.serverAt(asking, unixMs) < 0) return
    const head = new StreamHead()
    if (!head.put(0, payload)) return
    makeRoom(streams)
    streams.set(key, { kind, from: sequence, head, pieces: 1 })
  }

  const addQuic = (frame: Buffer, packet: IpPacket, datagram: Buffer, unixMs: number): void => {
    if (sink.serverAt(source(frame, packet), unixMs) < 0) return
    const key = keyOf(frame, packet)
    const connection = quic.get(key) ?? { keys: null, head: new StreamHead() }
    const opened = openInitials(datagram, connection.keys)
    if (opened.length === 0) return
    for (const { keys, frames } of opened) {
      connection.keys = keys
      for (const { offset, data } of cryptoFrames(frames))
        if (!connection.head.put(offset, data)) {
          quic.delete(key)
          return
        }
    }
    const read = readClientHello(connection.head.whole)
    if (read === 'more') {
      if (!quic.has(key)) makeRoom(quic)
      quic.set(key, connection)
      return
    }
    quic.delete(key)
    if (read !== 'none' && read.serverName !== null)
      name(frame, packet, unixMs, { text: read.serverName, source: 'quic', mayBeOuter: read.mayBeOuter })
  }

  return {
    add(frame: Buffer, packet: IpPacket, unixMs: number): void {
      if (packet.fragment !== 'none') return
      if (packet.protocol === TCP) {
        addTcp(frame, packet, unixMs)
        return
      }
      if (packet.protocol !== UDP) return
      const at = packet.transportAt + 8
      if (packet.srcPort === dnsPort) {
        answer(frame, packet, frame.subarray(at, at + packet.payloadBytes), unixMs)
      } else if (packet.payloadBytes >= shortestInitial && mayBeInitial(frame, at)) {
        addQuic(frame, packet, frame.subarray(at, at + packet.payloadBytes), unixMs)
      }
    },
    /** Streams that are waited for. */
    waiting: (): number => streams.size + quic.size,
  }
}

export type PacketNames = ReturnType<typeof createPacketNames>

function kindOf(frame: Buffer, at: number, packet: IpPacket): Kind | null {
  const first = frame[at]!
  if (first === 22 && frame.length > at + 1 && frame[at + 1] === 3) return 'tls'
  if (packet.srcPort === dnsPort) return 'dns'
  return first >= 67 && first <= 84 && mayBeRequest(frame, at) ? 'http' : null
}

function keyOf(frame: Buffer, packet: IpPacket): string {
  const { addressAt, addressLength, srcPort, dstPort } = packet
  return `${frame.toString('latin1', addressAt, addressAt + 2 * addressLength)}${srcPort * 65_536 + dstPort}`
}

function makeRoom(map: Map<string, unknown>): void {
  if (map.size < mostWaiting) return
  const oldest = map.keys().next().value
  if (oldest !== undefined) map.delete(oldest)
}
