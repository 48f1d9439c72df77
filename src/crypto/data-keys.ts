/** Wrapping of data keys under a bucket key (docs/formats/sealed-object.md). */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { OriginId, RandomBytes, TenantId } from '../core/ids.ts'
import { hmac } from './hmac.ts'

const kekDomain = utf8('holdfast/kek/v1\0')
const dataKeyDomain = utf8('holdfast/data-key/v1\0')
const manifestKeyDomain = utf8('holdfast/upload-manifest-key/v1\0')
const customerDomain = utf8('holdfast/customer-key/v1\0')
const checkPurpose = utf8('holdfast/check-value/v1')
const keyBytes = 32
/** What wrapping adds: nonce and tag. */
const overheadBytes = 12 + 16

/** With a customer's key the data key is wrapped under that first: then it takes both to open it. */
export function wrapDataKey(
  bucketKey: Uint8Array,
  tenant: TenantId,
  origin: OriginId,
  dataKey: Uint8Array,
  randomBytes: RandomBytes,
  customerKey: Uint8Array | null = null,
): Buffer {
  const binding = Buffer.from(tenant + origin, 'hex')
  const inner =
    customerKey === null
      ? dataKey
      : seal(customerKek(customerKey, binding), customerDomain, binding, dataKey, randomBytes)
  return seal(kek(bucketKey, binding), dataKeyDomain, binding, inner, randomBytes)
}

/** Throws `not-verified` when only the customer's key is the wrong one. */
export function unwrapDataKey(
  bucketKey: Uint8Array,
  tenant: TenantId,
  origin: OriginId,
  wrapped: Uint8Array,
  customerKey: Uint8Array | null = null,
): Buffer {
  const layers = customerKey === null ? 1 : 2
  if (wrapped.length !== keyBytes + layers * overheadBytes) throw refused()
  const binding = Buffer.from(tenant + origin, 'hex')
  const inner = open(kek(bucketKey, binding), dataKeyDomain, binding, wrapped)
  if (customerKey === null) return inner
  try {
    return open(customerKek(customerKey, binding), customerDomain, binding, inner)
  } catch (error) {
    throw new HoldfastError('not-verified', 'the customer’s key does not open the data key', {}, error)
  }
}

/**
 * An upload under a customer's key ends without that key, and its manifest is made then: so the manifest's key, from
 * which the data key does not follow, is kept with the upload.
 */
export function wrapManifestKey(
  bucketKey: Uint8Array,
  tenant: TenantId,
  origin: OriginId,
  manifestKey: Uint8Array,
  randomBytes: RandomBytes,
): Buffer {
  const binding = Buffer.from(tenant + origin, 'hex')
  return seal(kek(bucketKey, binding), manifestKeyDomain, binding, manifestKey, randomBytes)
}

export function unwrapManifestKey(
  bucketKey: Uint8Array,
  tenant: TenantId,
  origin: OriginId,
  wrapped: Uint8Array,
): Buffer {
  const binding = Buffer.from(tenant + origin, 'hex')
  return open(kek(bucketKey, binding), manifestKeyDomain, binding, wrapped)
}

/** First 8 bytes in hex: tells a re-created key of the same name from the one that was deleted. */
export function checkValue(bucketKey: Uint8Array): string {
  return toHex(hmac('sha256', bucketKey, checkPurpose).subarray(0, 8))
}

/** AES-256-GCM: nonce, ciphertext, tag. */
function seal(
  key: KeyObject,
  domain: Uint8Array,
  binding: Uint8Array,
  secret: Uint8Array,
  randomBytes: RandomBytes,
): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.concat([domain, binding]))
  const ciphertext = cipher.update(secret)
  cipher.final()
  return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()])
}

function open(key: KeyObject, domain: Uint8Array, binding: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length < overheadBytes) throw refused()
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
  decipher.setAAD(Buffer.concat([domain, binding]))
  decipher.setAuthTag(sealed.subarray(sealed.length - 16))
  const secret = decipher.update(sealed.subarray(12, sealed.length - 16))
  try {
    decipher.final()
  } catch (error) {
    throw refused(error)
  }
  return secret
}

/** A key of its own for each version: random nonces under one bucket key would meet after 2^32 versions. */
function kek(bucketKey: Uint8Array, binding: Uint8Array): KeyObject {
  return createSecretKey(hmac('sha256', bucketKey, kekDomain, binding))
}

function customerKek(customerKey: Uint8Array, binding: Uint8Array): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', customerKey, binding, customerDomain, keyBytes)))
}

function refused(cause?: unknown): HoldfastError {
  return new HoldfastError('sealed-damaged', 'the wrapped data key does not authenticate', {}, cause)
}
