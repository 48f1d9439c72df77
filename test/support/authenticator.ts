/** A passkey in software, which signs whatever it is asked to: WebAuthn section 6.3.3, without a browser around it. */
import { hash } from 'node:crypto'
import { concat, toBase64, u32be, utf8 } from '../../src/core/bytes.ts'
import type { PasskeyApprover } from '../../src/crypto/approver.ts'
import { generatePrivateKey, type PrivateKey } from '../../src/crypto/signatures.ts'

export const flags = {
  present: 0x01,
  verified: 0x04,
  eligible: 0x08,
  backedUp: 0x10,
  credential: 0x40,
  extensions: 0x80,
}

/** What is not as an honest browser and an honest authenticator have it. */
export interface AssertionChange {
  /** Merged into the client data; `undefined` leaves a field out. */
  readonly client?: Readonly<Record<string, unknown>>
  /** In place of the client data's text. */
  readonly clientText?: (right: string) => string | Uint8Array
  readonly rpId?: string
  readonly flags?: number
  /** What follows the head of the authenticator's data. */
  readonly tail?: Uint8Array
  readonly authenticatorData?: (right: Uint8Array) => Uint8Array
  /** What is signed. */
  readonly signed?: (right: Uint8Array) => Uint8Array
  readonly der?: (right: Uint8Array) => Uint8Array
  /** The bytes that go into the envelope. */
  readonly text?: (right: string) => string
}

export interface Authenticator {
  readonly approver: PasskeyApprover
  readonly key: PrivateKey
  assert(message: Uint8Array, change?: AssertionChange): Uint8Array
}

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')

export function createAuthenticator(
  rpId = 'approve.example',
  origins: readonly string[] = ['https://approve.example', 'https://www.approve.example:8443'],
): Authenticator {
  const key = generatePrivateKey('ecdsa-p256-sha256')
  const approver: PasskeyApprover = { algorithm: 'webauthn-es256', publicKey: key.publicKey, rpId, origins }
  const assert = (message: Uint8Array, change: AssertionChange = {}): Uint8Array => {
    const client = JSON.stringify({
      type: 'webauthn.get',
      challenge: Buffer.from(sha256(message)).toString('base64url'),
      origin: origins[0],
      crossOrigin: false,
      ...change.client,
    })
    const made = change.clientText?.(client) ?? client
    const clientDataJSON = typeof made === 'string' ? utf8(made) : made
    const head = new Uint8Array([change.flags ?? flags.present | flags.verified])
    const data = concat(sha256(utf8(change.rpId ?? rpId)), head, u32be(7), change.tail ?? new Uint8Array())
    const authenticatorData = change.authenticatorData?.(data) ?? data
    const right = concat(authenticatorData, sha256(clientDataJSON))
    const der = key.sign(change.signed?.(right) ?? right)
    const text = `{"authenticatorData":"${toBase64(authenticatorData)}","clientDataJSON":"${toBase64(clientDataJSON)}","signature":"${toBase64(change.der?.(der) ?? der)}"}`
    return utf8(change.text?.(text) ?? text)
  }
  return { approver, key, assert }
}
