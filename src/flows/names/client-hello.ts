import { mostHeadBytes } from './stream-head.ts'

/** What a client says first. `serverName` as it stands there; `null` when it names none. */
export type ClientHello = { readonly serverName: string | null; readonly mayBeOuter: boolean }

/** `more`: cut off so far; `none`: whatever follows, this is no hello. */
export type Reading<Value> = Value | 'more' | 'none'

const handshakeRecord = 22
const clientHello = 1
const serverNameExtension = 0
/** `encrypted_client_hello`; browsers send one with random content where they have no key (GREASE). */
const echExtension = 0xfe0d

/**
 * A ClientHello within TLS records (RFC 8446 section 5.1); it may be cut into several. `isCut`: no more of it will come, so
 * a name that is there is taken, and whether an encrypted hello would follow is not known.
 */
export function readHelloRecords(bytes: Buffer, isCut = false): Reading<ClientHello> {
  const fragments: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] !== handshakeRecord) return 'none'
    if (bytes.length < at + 5) break
    const length = bytes.readUInt16BE(at + 3)
    if (bytes[at + 1] !== 3 || length === 0 || length > 16_384) return 'none'
    fragments.push(bytes.subarray(at + 5, at + 5 + length))
    at += 5 + length
  }
  return readClientHello(fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments), isCut)
}

/** The handshake message alone (RFC 8446 section 4.1.2), as QUIC carries it. */
export function readClientHello(bytes: Buffer, isCut = false): Reading<ClientHello> {
  if (bytes.length < 4) return bytes.length > 0 && bytes[0] !== clientHello ? 'none' : 'more'
  const length = bytes.readUIntBE(1, 3)
  if (bytes[0] !== clientHello || length > mostHeadBytes) return 'none'
  const isWhole = bytes.length >= 4 + length
  if (!isWhole && !isCut) return 'more'
  const body = bytes.subarray(4, 4 + length)
  // Version and random; then the session id, the cipher suites and the compression methods, each behind its length.
  let at = 34
  if (body.length <= at) return 'none'
  at += 1 + body[at]!
  if (body.length < at + 2) return 'none'
  at += 2 + body.readUInt16BE(at)
  if (body.length <= at) return 'none'
  at += 1 + body[at]!
  return isWhole ? readExtensions(body, at) : readCutExtensions(body, at)
}

function readExtensions(body: Buffer, from: number): Reading<ClientHello> {
  if (body.length === from) return { serverName: null, mayBeOuter: false }
  if (body.length < from + 2) return 'none'
  const end = from + 2 + body.readUInt16BE(from)
  if (end > body.length) return 'none'
  let serverName: string | null = null
  let mayBeOuter = false
  let at = from + 2
  while (at < end) {
    if (end < at + 4) return 'none'
    const type = body.readUInt16BE(at)
    const next = at + 4 + body.readUInt16BE(at + 2)
    if (next > end) return 'none'
    if (type === serverNameExtension) serverName = readServerName(body.subarray(at + 4, next))
    if (type === echExtension) mayBeOuter = true
    at = next
  }
  return { serverName, mayBeOuter }
}

/** As far as they go. */
function readCutExtensions(body: Buffer, from: number): Reading<ClientHello> {
  let at = from + 2
  while (body.length >= at + 4) {
    const next = at + 4 + body.readUInt16BE(at + 2)
    if (next > body.length) return 'none'
    if (body.readUInt16BE(at) === serverNameExtension)
      return { serverName: readServerName(body.subarray(at + 4, next)), mayBeOuter: true }
    at = next
  }
  return 'none'
}

/** RFC 6066 section 3: a list, of which host names are the one kind there is. */
function readServerName(list: Buffer): string | null {
  if (list.length < 5 || list[2] !== 0) return null
  const length = list.readUInt16BE(3)
  return list.length < 5 + length ? null : list.toString('utf8', 5, 5 + length)
}
