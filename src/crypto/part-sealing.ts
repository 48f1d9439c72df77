/**
 * One part of an object as one FLOE message (docs/formats/sealed-object.md): a sealer that is fed plaintext of any
 * chunking, and an opener that is fed ciphertext from a segment's start on.
 */
import { createHash, type Hash, hash } from 'node:crypto'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { OriginId, RandomBytes, TenantId } from '../core/ids.ts'
import {
  decryptSegment,
  encryptSegment,
  type FloeState,
  floeParameters,
  headerBytes,
  headerTagOf,
  segmentOverheadBytes,
  startDecryption,
  startEncryption,
} from './floe.ts'

export const segmentPlainBytes = floeParameters.segmentBytes - segmentOverheadBytes
const domain = utf8('holdfast/part/v1\0')

export function partAssociatedData(tenant: TenantId, origin: OriginId, partNumber: number): Uint8Array {
  const out = Buffer.allocUnsafe(domain.length + 32 + 16 + 4)
  out.set(domain)
  out.write(tenant, domain.length, 'hex')
  out.write(origin, domain.length + 32, 'hex')
  out.writeUInt32BE(partNumber, domain.length + 48)
  return out
}

/** Ciphertext length of a part of `plainBytes`: exact in numbers up to 2^53. */
export function sealedLength(plainBytes: number): number {
  const segments = Math.max(1, Math.ceil(plainBytes / segmentPlainBytes))
  return headerBytes + plainBytes + segments * segmentOverheadBytes
}

export interface SealedPart {
  readonly plainBytes: number
  readonly cipherBytes: number
  readonly headerTag: Uint8Array
  readonly sha256: Uint8Array
}

export interface PartSealer {
  /** Takes plaintext; returns what can be written now, in order. Keeps at most one segment back. */
  update(plaintext: Uint8Array): Buffer[]
  /** The last segment. The sealer is used up. */
  finish(): { chunks: Buffer[]; part: SealedPart }
}

export function createPartSealer(
  dataKey: Uint8Array,
  associatedData: Uint8Array,
  randomBytes: RandomBytes,
): PartSealer {
  const { state, header } = startEncryption(dataKey, associatedData, randomBytes)
  const digest: Hash = createHash('sha256').update(header)
  let pendingHeader: Buffer | null = header
  let held: Uint8Array = new Uint8Array(0)
  // Collects small chunks; allocated only when a caller's chunk does not fill a segment by itself.
  let collected: Buffer | null = null
  let collectedBytes = 0
  let position = 0
  let plainBytes = 0
  let cipherBytes = headerBytes

  const seal = (chunks: Buffer[], plaintext: Uint8Array, isLast: boolean): void => {
    for (const piece of encryptSegment(state, plaintext, position, isLast, randomBytes(12))) {
      digest.update(piece)
      cipherBytes += piece.length
      chunks.push(piece)
    }
    position++
  }

  const withHeader = (chunks: Buffer[]): Buffer[] => {
    if (pendingHeader === null) return chunks
    chunks.unshift(pendingHeader)
    pendingHeader = null
    return chunks
  }

  return {
    update(plaintext) {
      plainBytes += plaintext.length
      const chunks: Buffer[] = []
      let rest = plaintext
      while (rest.length > 0) {
        // A full segment is sealed only once it is known that more follows: the last one is sealed differently.
        if (collectedBytes === segmentPlainBytes) {
          seal(chunks, collected!, false)
          collectedBytes = 0
        }
        if (held.length > 0) {
          seal(chunks, held, false)
          held = new Uint8Array(0)
        }
        if (collectedBytes === 0 && rest.length >= segmentPlainBytes) {
          const whole = rest.subarray(0, segmentPlainBytes)
          rest = rest.subarray(segmentPlainBytes)
          if (rest.length > 0) seal(chunks, whole, false)
          else held = whole.slice()
          continue
        }
        collected ??= Buffer.allocUnsafe(segmentPlainBytes)
        const take = Math.min(rest.length, segmentPlainBytes - collectedBytes)
        collected.set(rest.subarray(0, take), collectedBytes)
        collectedBytes += take
        rest = rest.subarray(take)
      }
      return withHeader(chunks)
    },

    finish() {
      const last = held.length > 0 ? held : (collected ?? new Uint8Array(0)).subarray(0, collectedBytes)
      const chunks: Buffer[] = withHeader([])
      seal(chunks, last, true)
      const part = { plainBytes, cipherBytes, headerTag: headerTagOf(header), sha256: digest.digest() }
      return { chunks, part }
    },
  }
}

/** A part of one segment, in one piece: what most objects are. The same format as of the sealer, at half its cost. */
export function sealShort(
  dataKey: Uint8Array,
  associatedData: Uint8Array,
  randomBytes: RandomBytes,
  plaintext: Uint8Array,
): { ciphertext: Buffer; part: SealedPart } {
  const { state, header } = startEncryption(dataKey, associatedData, randomBytes)
  const ciphertext = Buffer.concat([header, ...encryptSegment(state, plaintext, 0, true, randomBytes(12))])
  const part = {
    plainBytes: plaintext.length,
    cipherBytes: ciphertext.length,
    headerTag: headerTagOf(header),
    sha256: Buffer.from(hash('sha256', ciphertext, 'binary'), 'binary'),
  }
  return { ciphertext, part }
}

/**
 * Opens segments of a part whose true ciphertext length is known from the authenticated manifest. `fromSegment` is
 * where the ciphertext that will be fed begins.
 */
export function createPartOpener(
  dataKey: Uint8Array,
  associatedData: Uint8Array,
  header: Uint8Array,
  part: Pick<SealedPart, 'cipherBytes' | 'headerTag'>,
  fromSegment = 0,
): (ciphertext: Uint8Array) => Buffer[] {
  const state: FloeState = startDecryption(dataKey, associatedData, header)
  // The manifest names the message that belongs here: another one under the same key and AAD is a swapped part.
  if (Buffer.compare(headerTagOf(header), part.headerTag) !== 0) {
    throw new HoldfastError('sealed-damaged', 'the part is not the one that the manifest names')
  }
  const { segmentBytes } = floeParameters
  const bodyBytes = part.cipherBytes - headerBytes
  const lastSegment = Math.ceil(bodyBytes / segmentBytes) - 1
  let position = fromSegment
  const nothing = Buffer.alloc(0)
  let held: Buffer = nothing

  return ciphertext => {
    const chunks: Buffer[] = []
    let rest = held.length === 0 ? ciphertext : Buffer.concat([held, ciphertext])
    for (;;) {
      const isLast = position === lastSegment
      const wanted = isLast ? bodyBytes - lastSegment * segmentBytes : segmentBytes
      if (position > lastSegment) {
        if (rest.length > 0) throw new HoldfastError('sealed-damaged', 'bytes stand after the last segment')
        break
      }
      if (rest.length < wanted) break
      chunks.push(decryptSegment(state, rest.subarray(0, wanted), position, isLast))
      rest = rest.subarray(wanted)
      position++
    }
    held = rest.length === 0 ? nothing : Buffer.from(rest)
    return chunks
  }
}
