/**
 * A passkey's signature, checked offline: WebAuthn (Level 2 and 3) section 7.2, "Verifying an Authentication
 * Assertion". There is no random challenge: it is the hash of what is signed, and nonce and expiry are in that. There
 * is no signature counter either: passkeys that are synchronised have none, and a copy of an assertion is the same vote.
 */
import { concat, equalBytes, fromBase64, fromUtf8, toBase64, utf8 } from '../core/bytes.ts'
import { type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { topLevelNames } from './json-names.ts'

export interface Passkey {
  /** A point on P-256, uncompressed. */
  readonly publicKey: Uint8Array
  /** The domain that the passkey was made for. */
  readonly rpId: string
  /** Of the pages that may ask for a signature: 1 to 8, ascending, each as a browser writes it. */
  readonly origins: readonly string[]
}

interface AssertionCrypto {
  sha256(bytes: Uint8Array): Uint8Array
  verifyP256(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}

interface Assertion {
  readonly authenticatorData: Uint8Array
  readonly clientDataJSON: Uint8Array
  readonly signature: Uint8Array
}

export function assertionHolds(
  passkey: Passkey,
  message: Uint8Array,
  bytes: Uint8Array,
  crypto: AssertionCrypto,
): boolean {
  const assertion = readAssertion(bytes)
  if (assertion === null) return false
  const { authenticatorData, clientDataJSON, signature } = assertion
  if (!isClientDataFor(clientDataJSON, passkey, base64url(crypto.sha256(message)))) return false
  if (!isAuthenticatorDataFor(authenticatorData, crypto.sha256(utf8(passkey.rpId)))) return false
  const signed = concat(authenticatorData, crypto.sha256(clientDataJSON))
  return crypto.verifyP256(passkey.publicKey, signed, signature)
}

const assertionFields = 'authenticatorData,clientDataJSON,signature'

function readAssertion(bytes: Uint8Array): Assertion | null {
  const fields = readObject(bytes, parseCanonicalJson)
  if (fields === null || Object.keys(fields).join() !== assertionFields) return null
  const [authenticatorData, clientDataJSON, signature] = Object.values(fields).map(value =>
    typeof value === 'string' ? fromBase64(value) : null,
  )
  if (!authenticatorData || !clientDataJSON || !signature) return null
  return { authenticatorData, clientDataJSON, signature }
}

/** Ten times what browsers write. It bounds how deep it can be nested, past which parsers differ. */
const maxClientDataBytes = 4096

/** Section 5.8.1. Fields that nobody knows yet are passed over; one that stands there twice could be read either way. */
function isClientDataFor(bytes: Uint8Array, { origins }: Passkey, challenge: string): boolean {
  if (bytes.length > maxClientDataBytes) return false
  const client = readObject(bytes, text => {
    const value = JSON.parse(text) as Json
    const names = topLevelNames(text)
    return new Set(names).size === names.length ? value : null
  })
  if (client === null) return false
  if (client.type !== 'webauthn.get') return false
  if (client.challenge !== challenge) return false
  if (typeof client.origin !== 'string' || !origins.includes(client.origin)) return false
  // A page within somebody else's page is where people are made to click on what they do not see.
  if (client.crossOrigin !== undefined && client.crossOrigin !== false) return false
  return client.topOrigin === undefined
}

const flag = {
  userPresent: 0x01,
  userVerified: 0x04,
  backupEligible: 0x08,
  backedUp: 0x10,
  attestedCredential: 0x40,
  extensions: 0x80,
}
/** Section 6.1: rpIdHash (32), flags (1), signature counter (4); then what the flags tell of. */
const headBytes = 37

function isAuthenticatorDataFor(data: Uint8Array, rpIdHash: Uint8Array): boolean {
  if (data.length < headBytes) return false
  if (!equalBytes(data.subarray(0, 32), rpIdHash)) return false
  const flags = data[32]!
  const has = (bit: number): boolean => (flags & bit) !== 0
  if (!has(flag.userPresent)) return false
  if (!has(flag.userVerified)) return false
  if (has(flag.backedUp) && !has(flag.backupEligible)) return false
  // Section 6.1: an assertion carries no credential.
  if (has(flag.attestedCredential)) return false
  return has(flag.extensions) === data.length > headBytes
}

function readObject(
  bytes: Uint8Array,
  parse: (text: string) => Json,
): Readonly<Record<string, Json | undefined>> | null {
  try {
    const value = parse(fromUtf8(bytes))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Readonly<Record<string, Json | undefined>>) : null
  } catch {
    return null
  }
}

/** RFC 4648 section 5, without padding, as a browser writes a challenge. */
export function base64url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

const domain =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const originForm = /^(https|http):\/\/([^:/]+)(?::([1-9][0-9]{0,4}))?$/

export function isRpId(text: string): boolean {
  return domain.test(text)
}

/** One spelling only, the browser's: lower case, no path, no port that the scheme has anyway (WHATWG HTML, "origin"). */
export function isOrigin(text: string): boolean {
  const [, scheme, host, port] = originForm.exec(text) ?? []
  if (scheme === undefined || !isRpId(host!)) return false
  if (Number(port ?? 1) > 65_535 || port === (scheme === 'https' ? '443' : '80')) return false
  return scheme === 'https' || host === 'localhost'
}
