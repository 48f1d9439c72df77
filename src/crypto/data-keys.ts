/** Wrapping of data keys under a bucket key (docs/formats/sealed-object.md). */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { OriginId, RandomBytes, TenantId } from '../core/ids.ts'
import { hmac } from './hmac.ts'

const kekDomain = utf8('holdfast/kek/v1\0')
const aadDomain = utf8('holdfast/data-key/v1\0')
const checkPurpose = utf8('holdfast/check-value/v1')
const wrappedBytes = 12 + 32 + 16

export function wrapDataKey(
  bucketKey: Uint8Array,
  tenant: TenantId,
  origin: OriginId,
  dataKey: Uint8Array,
  randomBytes: RandomBytes,
): Buffer {
  const binding = Buffer.from(tenant + origin, 'hex')
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', kek(bucketKey, binding), nonce)
  cipher.setAAD(Buffer.concat([aadDomain, binding]))
  const ciphertext = cipher.update(dataKey)
  cipher.final()
  return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()])
}

export function unwrapDataKey(
  bucketKey: Uint8Array,
  tenant: TenantId,
  origin: OriginId,
  wrapped: Uint8Array,
): Buffer {
  if (wrapped.length !== wrappedBytes) throw refused()
  const binding = Buffer.from(tenant + origin, 'hex')
  const decipher = createDecipheriv('aes-256-gcm', kek(bucketKey, binding), wrapped.subarray(0, 12))
  decipher.setAAD(Buffer.concat([aadDomain, binding]))
  decipher.setAuthTag(wrapped.subarray(44))
  const dataKey = decipher.update(wrapped.subarray(12, 44))
  try {
    decipher.final()
  } catch (error) {
    throw refused(error)
  }
  return dataKey
}

/** First 8 bytes in hex: tells a re-created key of the same name from the one that was deleted. */
export function checkValue(bucketKey: Uint8Array): string {
  return toHex(hmac('sha256', bucketKey, checkPurpose).subarray(0, 8))
}

/** A key of its own for each version: random nonces under one bucket key would meet after 2^32 versions. */
function kek(bucketKey: Uint8Array, binding: Uint8Array): KeyObject {
  return createSecretKey(hmac('sha256', bucketKey, kekDomain, binding))
}

function refused(cause?: unknown): HoldfastError {
  return new HoldfastError('sealed-damaged', 'the wrapped data key does not authenticate', {}, cause)
}
