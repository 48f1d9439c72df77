import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

/** What protects a client's Initial packets. Whoever saw the first of them has it: it is made of a connection id. */
export type InitialKeys = { readonly key: Buffer; readonly iv: Buffer; readonly mask: Buffer }

type Version = {
  readonly salt: Buffer
  readonly prefix: string
  /** The long header's two bits of type that say Initial. */
  readonly initialType: number
}

/** RFC 9001 section 5.2; RFC 9369 sections 3.2 and 3.3. */
const versions: ReadonlyMap<number, Version> = new Map([
  [
    0x0000_0001,
    { salt: Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex'), prefix: 'quic', initialType: 0 },
  ],
  [
    0x6b33_43cf,
    {
      salt: Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex'),
      prefix: 'quicv2',
      initialType: 1,
    },
  ],
])

const tagBytes = 16
/** Packets in one datagram; of these, one level of keys is all that can be read here. */
const mostPackets = 4
const mostIdBytes = 20

/** True when a datagram may begin with an Initial packet of a version that is read here. */
export function mayBeInitial(bytes: Buffer, at: number): boolean {
  if (bytes.length < at + 7 || (bytes[at]! & 0xc0) !== 0xc0) return false
  const version = versions.get(bytes.readUInt32BE(at + 1))
  return version !== undefined && ((bytes[at]! >> 4) & 3) === version.initialType
}

export function initialKeys(version: number, destinationId: Buffer): InitialKeys | null {
  const known = versions.get(version)
  if (known === undefined) return null
  const initial = createHmac('sha256', known.salt).update(destinationId).digest()
  const secret = expand(initial, 'client in', 32)
  return {
    key: expand(secret, `${known.prefix} key`, 16),
    iv: expand(secret, `${known.prefix} iv`, 12),
    mask: expand(secret, `${known.prefix} hp`, 16),
  }
}

/** HKDF-Expand-Label of RFC 8446 section 7.1 with no context; one block of SHA-256 is always enough here. */
function expand(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1')
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
  return createHmac('sha256', secret).update(info).digest().subarray(0, length)
}

/** One opened packet: what its frames are, and with which keys it opened. */
export type OpenedInitial = { readonly keys: InitialKeys; readonly frames: Buffer }

/**
 * The client's Initial packets in a datagram (RFC 9000 section 17.2.2). `known`: the keys that opened an earlier one of
 * the connection, for the client changes the id that keys are made of once the server has answered.
 */
export function openInitials(datagram: Buffer, known: InitialKeys | null): OpenedInitial[] {
  const opened: OpenedInitial[] = []
  let at = 0
  let keys = known
  for (let i = 0; i < mostPackets && mayBeInitial(datagram, at); i++) {
    const packet = readLongHeader(datagram, at)
    if (packet === null) break
    const tried = keys === null ? null : openPacket(datagram, packet, keys)
    let frames = tried
    if (frames === null) {
      const own = initialKeys(packet.version, packet.destinationId)!
      frames = openPacket(datagram, packet, own)
      if (frames !== null) keys = own
    }
    if (frames !== null && keys !== null) opened.push({ keys, frames })
    at = packet.end
  }
  return opened
}

type LongHeader = {
  readonly from: number
  readonly version: number
  readonly destinationId: Buffer
  /** Where the packet number begins, which is protected, and where the packet ends. */
  readonly numberAt: number
  readonly end: number
}

function readLongHeader(bytes: Buffer, from: number): LongHeader | null {
  const version = bytes.readUInt32BE(from + 1)
  const idLength = bytes[from + 5]!
  let at = from + 6 + idLength
  if (idLength > mostIdBytes || bytes.length <= at || bytes[at]! > mostIdBytes) return null
  const destinationId = bytes.subarray(from + 6, at)
  at += 1 + bytes[at]!
  const token = readVarint(bytes, at)
  if (token === null) return null
  const length = readVarint(bytes, token.next + token.value)
  if (length === null) return null
  const numberAt = length.next
  const end = numberAt + length.value
  return end > bytes.length || length.value < 4 + tagBytes
    ? null
    : { from, version, destinationId, numberAt, end }
}

/** Takes off header and packet protection (RFC 9001 sections 5.3 and 5.4); `null`: not with these keys. */
function openPacket(bytes: Buffer, packet: LongHeader, keys: InitialKeys): Buffer | null {
  const { from, numberAt, end } = packet
  const sample = bytes.subarray(numberAt + 4, numberAt + 20)
  if (sample.length < 16) return null
  const cipher = createCipheriv('aes-128-ecb', keys.mask, null)
  const mask = cipher.update(sample)
  const first = bytes[from]! ^ (mask[0]! & 0x0f)
  const numberLength = (first & 3) + 1
  // A copy: the frame is the capture's, and may be read again.
  const header = Buffer.from(bytes.subarray(from, numberAt + numberLength))
  header[0] = first
  const nonce = Buffer.from(keys.iv)
  for (let i = 0; i < numberLength; i++) {
    const at = numberAt - from + i
    header[at]! ^= mask[1 + i]!
    // The first packets of a connection: the number is short, and what is sent of it is all of it.
    nonce[nonce.length - numberLength + i]! ^= header[at]!
  }
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce)
  decipher.setAAD(header)
  decipher.setAuthTag(bytes.subarray(end - tagBytes, end))
  try {
    return Buffer.concat([
      decipher.update(bytes.subarray(numberAt + numberLength, end - tagBytes)),
      decipher.final(),
    ])
  } catch {
    return null
  }
}

/** The pieces of the handshake in a packet's frames (RFC 9000 section 19); what follows a frame of another kind is left. */
export function* cryptoFrames(frames: Buffer): Generator<{ offset: number; data: Buffer }> {
  let at = 0
  const next = (): number => {
    const read = readVarint(frames, at)
    if (read === null) return -1
    at = read.next
    return read.value
  }
  while (at < frames.length) {
    const type = frames[at++]!
    if (type === 0 || type === 1) continue // PADDING, PING
    if (type === 2 || type === 3) {
      // ACK: largest, delay, number of ranges, first range; then two numbers a range, and three counts for ECN.
      next()
      next()
      const ranges = next()
      next()
      for (let left = ranges * 2 + (type === 3 ? 3 : 0); left > 0; left--) if (next() < 0) return
      continue
    }
    if (type !== 6) return
    const offset = next()
    const length = next()
    if (offset < 0 || length < 0 || at + length > frames.length) return
    yield { offset, data: frames.subarray(at, at + length) }
    at += length
  }
}

/** RFC 9000 section 16; numbers beyond 32 bits are longer than any packet, and are refused. */
function readVarint(bytes: Buffer, at: number): { value: number; next: number } | null {
  if (at >= bytes.length) return null
  const length = 1 << (bytes[at]! >> 6)
  if (bytes.length < at + length) return null
  if (length < 8) {
    const value = bytes.readUIntBE(at, length) & (2 ** (8 * length - 2) - 1)
    return { value, next: at + length }
  }
  if ((bytes.readUInt32BE(at) & 0x3fff_ffff) !== 0) return null
  return { value: bytes.readUInt32BE(at + 4), next: at + 8 }
}
