/**
 * FLOE (C2SP FLOE.md): random-access authenticated encryption in segments, AES-256-GCM with
 * HKDF-Expand-SHA-384. This file has the segment functions; who calls them in which order is `sealing.ts`'s.
 *
 * Lengths in bytes: header 74 (10 parameters, 32 IV, 32 header tag); a segment is 4 length, 12 IV, ciphertext,
 * 16 tag. The last segment of a message says its own length, every other has 0xFFFFFFFF and the full length.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import { hmac } from './hmac.ts'

export interface FloeParameters {
  /** ENC_SEG_LEN: length of a full encrypted segment. */
  readonly segmentBytes: number
  /** AEAD_ROTATION_MASK: a new AEAD key each 2^bits segments. 20 in the specification, smaller in its vectors. */
  readonly rotationBits: number
}

export const floeParameters: FloeParameters = { segmentBytes: 65_536, rotationBits: 20 }
export const headerBytes = 74
export const segmentOverheadBytes = 32
const ivBytes = 32
const aeadIvBytes = 12
const tagBytes = 16
const notLast = 0xffff_ffff
const noKey = createSecretKey(Buffer.alloc(32))

export interface FloeState {
  readonly parameters: FloeParameters
  readonly messageKey: Buffer
  readonly iv: Uint8Array
  readonly associatedData: Uint8Array
  /** DERIVE_KEY of the rotation at hand; a message that is read in order derives each key once. */
  rotation: number
  segmentKey: KeyObject
}

export function startEncryption(
  key: Uint8Array,
  associatedData: Uint8Array,
  randomBytes: RandomBytes,
  parameters: FloeParameters = floeParameters,
): { state: FloeState; header: Buffer } {
  const iv = randomBytes(ivBytes)
  const header = Buffer.allocUnsafe(headerBytes)
  encodeParameters(parameters).copy(header)
  header.set(iv, 10)
  floeKdf(parameters, key, iv, associatedData, headerTagPurpose, 32).copy(header, 10 + ivBytes)
  return { state: newState(parameters, key, iv, associatedData), header }
}

export function startDecryption(
  key: Uint8Array,
  associatedData: Uint8Array,
  header: Uint8Array,
  parameters: FloeParameters = floeParameters,
): FloeState {
  if (header.length !== headerBytes) throw damaged('the header is cut short')
  if (encodeParameters(parameters).compare(header, 0, 10) !== 0)
    throw damaged('the header has other parameters')
  // A copy: whoever read the header may use its buffer again.
  const iv = new Uint8Array(header.subarray(10, 10 + ivBytes))
  const expected = floeKdf(parameters, key, iv, associatedData, headerTagPurpose, 32)
  if (!timingSafeEqual(expected, header.subarray(10 + ivBytes)))
    throw damaged('the header tag does not match')
  return newState(parameters, key, iv, associatedData)
}

/**
 * Plaintext must be exactly full unless it is the last segment. `aeadIv` is 12 fresh random bytes. The segment comes
 * in pieces (length and IV, ciphertext, tag), to be written one after the other: joining them would copy it.
 */
export function encryptSegment(
  state: FloeState,
  plaintext: Uint8Array,
  position: number,
  isLast: boolean,
  aeadIv: Uint8Array,
): readonly [Buffer, Buffer, Buffer] {
  const full = state.parameters.segmentBytes - segmentOverheadBytes
  if (isLast ? plaintext.length > full : plaintext.length !== full)
    throw new RangeError('wrong segment length')
  const head = Buffer.allocUnsafe(4 + aeadIvBytes)
  head.writeUInt32BE(isLast ? plaintext.length + segmentOverheadBytes : notLast, 0)
  head.set(aeadIv, 4)
  const cipher = createCipheriv('aes-256-gcm', segmentKey(state, position), aeadIv, {
    authTagLength: tagBytes,
  })
  cipher.setAAD(segmentAad(position, isLast))
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return [head, ciphertext, cipher.getAuthTag()]
}

export function decryptSegment(
  state: FloeState,
  segment: Uint8Array,
  position: number,
  isLast: boolean,
): Buffer {
  const { segmentBytes } = state.parameters
  if (segment.length < segmentOverheadBytes || segment.length > segmentBytes)
    throw damaged('a segment is cut short')
  const view = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength)
  const said = view.readUInt32BE(0)
  if (isLast ? said !== segment.length : said !== notLast || segment.length !== segmentBytes) {
    throw damaged(`segment ${position} does not stand where it was sealed`)
  }
  const iv = view.subarray(4, 4 + aeadIvBytes)
  const decipher = createDecipheriv('aes-256-gcm', segmentKey(state, position), iv, {
    authTagLength: tagBytes,
  })
  decipher.setAAD(segmentAad(position, isLast))
  decipher.setAuthTag(view.subarray(segment.length - tagBytes))
  const plaintext = decipher.update(view.subarray(4 + aeadIvBytes, segment.length - tagBytes))
  try {
    decipher.final()
  } catch (error) {
    throw new HoldfastError(
      'sealed-damaged',
      `segment ${position} does not authenticate`,
      { position },
      error,
    )
  }
  return plaintext
}

export function headerTagOf(header: Uint8Array): Uint8Array {
  return new Uint8Array(header.subarray(10 + ivBytes, headerBytes))
}

function newState(
  parameters: FloeParameters,
  key: Uint8Array,
  iv: Uint8Array,
  associatedData: Uint8Array,
): FloeState {
  const messageKey = floeKdf(parameters, key, iv, associatedData, messageKeyPurpose, 48)
  return { parameters, messageKey, iv, associatedData, rotation: -1, segmentKey: noKey }
}

function segmentKey(state: FloeState, position: number): KeyObject {
  const span = 2 ** state.parameters.rotationBits
  const rotation = Math.floor(position / span)
  if (state.rotation !== rotation) {
    const purpose = Buffer.allocUnsafe(12)
    purpose.write('DEK:', 0, 'ascii')
    purpose.writeBigUInt64BE(BigInt(rotation) * BigInt(span), 4)
    // As a key object: handed over as bytes, a key costs more to take in than a small segment to seal.
    state.segmentKey = createSecretKey(
      floeKdf(state.parameters, state.messageKey, state.iv, state.associatedData, purpose, 32),
    )
    state.rotation = rotation
  }
  return state.segmentKey
}

const firstAads = [0, 1].map(last => Buffer.of(0, 0, 0, 0, 0, 0, 0, 0, last))

function segmentAad(position: number, isLast: boolean): Buffer {
  if (position === 0) return firstAads[isLast ? 1 : 0]!
  const aad = Buffer.allocUnsafe(9)
  aad.writeUInt32BE(Math.floor(position / 2 ** 32), 0)
  aad.writeUInt32BE(position % 2 ** 32, 4)
  aad[8] = isLast ? 1 : 0
  return aad
}

const headerTagPurpose = Buffer.from('HEADER_TAG:', 'ascii')
const messageKeyPurpose = Buffer.from('MESSAGE_KEY:', 'ascii')
const firstBlock = Buffer.from([1])

/**
 * FLOE_KDF: HKDF-Expand (RFC 5869 section 2.3) over parameters ‖ IV ‖ purpose ‖ AAD. No output here is longer than
 * one block of SHA-384 (48), so the expansion is a single HMAC over info ‖ 0x01.
 */
function floeKdf(
  parameters: FloeParameters,
  key: Uint8Array,
  iv: Uint8Array,
  associatedData: Uint8Array,
  purpose: Uint8Array,
  length: number,
): Buffer {
  return hmac('sha384', key, encodeParameters(parameters), iv, purpose, associatedData, firstBlock).subarray(
    0,
    length,
  )
}

const encodedDefault = encodeFresh(floeParameters)

function encodeParameters(parameters: FloeParameters): Buffer {
  return parameters === floeParameters ? encodedDefault : encodeFresh(parameters)
}

/** AEAD id 0, KDF id 0, ENC_SEG_LEN, FLOE_IV_LEN. */
function encodeFresh(parameters: FloeParameters): Buffer {
  const out = Buffer.alloc(10)
  out.writeUInt32BE(parameters.segmentBytes, 2)
  out.writeUInt32BE(ivBytes, 6)
  return out
}

function damaged(what: string): HoldfastError {
  return new HoldfastError('sealed-damaged', what)
}
