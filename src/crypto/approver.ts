/**
 * The algorithms that an approver may sign with: the one table. Algorithm and key come from the tenant's approver set;
 * an envelope never chooses. Nothing here needs Node: the cryptography is passed in.
 * `docs/formats/instruction.md`, "Algorithms".
 */
import { concat, utf8 } from '../core/bytes.ts'
import { canonicalJson, type Json } from '../core/canonical-json.ts'
import { isP256Point, rsaKeyFault } from './public-keys.ts'
import { assertionHolds, isOrigin, isRpId, type Passkey } from './webauthn.ts'

export type Approver = KeyApprover | PasskeyApprover

export interface KeyApprover {
  readonly algorithm: 'ed25519' | 'ecdsa-p256-sha256' | 'rsa-pss-sha256'
  /** In the one encoding of its algorithm. */
  readonly publicKey: Uint8Array
}

export interface PasskeyApprover extends Passkey {
  readonly algorithm: 'webauthn-es256'
}

/** What of the verifier's port (`VerifyCrypto`) it takes. */
export interface ApproverCrypto {
  sha256(bytes: Uint8Array): Uint8Array
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  verifyP256(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  verifyRsaPss(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}

interface AlgorithmRow<Of extends Approver> {
  /** What is wrong with the bytes as a public key, or `null`. */
  readonly keyFault: (publicKey: Uint8Array) => string | null
  /** What stands beside algorithm and public key, or what is wrong with it. */
  readonly readTerms: (fields: Readonly<Record<string, unknown>>) => TermsOf<Of> | string
  readonly terms: (approver: Of) => TermsOf<Of>
  readonly holds: (
    approver: Of,
    message: Uint8Array,
    signature: Uint8Array,
    crypto: ApproverCrypto,
  ) => boolean
}

type TermsOf<Of extends Approver> = Omit<Of, 'algorithm' | 'publicKey'>
type Row<Name extends Approver['algorithm']> = AlgorithmRow<Extract<Approver, { algorithm: Name }>>

const noTerms = { readTerms: () => ({}), terms: () => ({}) }
const pointFault = (key: Uint8Array): string | null =>
  isP256Point(key) ? null : 'is no uncompressed point of 65 bytes on the curve P-256'

const algorithms: { readonly [Name in Approver['algorithm']]: Row<Name> } = {
  ed25519: {
    ...noTerms,
    keyFault: key => (key.length === 32 ? null : 'is not of 32 bytes'),
    holds: ({ publicKey }, message, signature, crypto) => crypto.verifyEd25519(publicKey, message, signature),
  },
  'ecdsa-p256-sha256': {
    ...noTerms,
    keyFault: pointFault,
    holds: ({ publicKey }, message, signature, crypto) => crypto.verifyP256(publicKey, message, signature),
  },
  'rsa-pss-sha256': {
    ...noTerms,
    keyFault: rsaKeyFault,
    holds: ({ publicKey }, message, signature, crypto) => crypto.verifyRsaPss(publicKey, message, signature),
  },
  'webauthn-es256': {
    keyFault: pointFault,
    readTerms: readPasskeyTerms,
    terms: ({ origins, rpId }) => ({ origins, rpId }),
    holds: assertionHolds,
  },
}

/** The approver that a JSON object describes, which must have no other fields than the format; or what is wrong. */
export function readApprover(
  fields: Readonly<Record<string, unknown>>,
  publicKey: Uint8Array | null,
): Approver | string {
  const { algorithm } = fields
  if (typeof algorithm !== 'string' || !Object.hasOwn(algorithms, algorithm))
    return 'an approver has an unknown algorithm'
  const row = algorithms[algorithm as Approver['algorithm']]
  if (publicKey === null) return 'an approver has no public key in lower-case hex'
  const fault = row.keyFault(publicKey)
  if (fault !== null) return `the ${algorithm} key of an approver ${fault}`
  const terms = row.readTerms(fields)
  if (typeof terms === 'string') return `an approver ${terms}`
  const names = ['algorithm', 'publicKey', ...Object.keys(terms)].sort()
  if (Object.keys(fields).sort().join() !== names.join())
    return 'an approver has other fields than the format'
  return { algorithm, publicKey, ...terms } as Approver
}

/** What stands beside algorithm and public key in its JSON. */
export function approverTerms(approver: Approver): { readonly [field: string]: Json } {
  return rowOf(approver).terms(approver)
}

/** Whether it is the approver's signature over the message. MUST NOT throw: anything else is nobody's signature. */
export function approverHolds(
  approver: Approver,
  message: Uint8Array,
  signature: Uint8Array,
  crypto: ApproverCrypto,
): boolean {
  return rowOf(approver).holds(approver, message, signature, crypto)
}

/** What the key id is the SHA-256 of. A passkey's says for whom it signs: the same key for another site is another. */
export function keyIdPreimage(approver: Approver): Uint8Array {
  const { algorithm, publicKey } = approver
  const terms = approverTerms(approver)
  const rest = Object.keys(terms).length === 0 ? '' : `\0${canonicalJson(terms)}`
  return concat(utf8(`holdfast/approver/v1\0${algorithm}\0`), publicKey, utf8(rest))
}

function rowOf<Of extends Approver>({ algorithm }: Of): AlgorithmRow<Of> {
  // The table's type pairs each name with its row, which is lost when it is looked up.
  return algorithms[algorithm] as unknown as AlgorithmRow<Of>
}

const maxOrigins = 8

function readPasskeyTerms({
  origins,
  rpId,
}: Readonly<Record<string, unknown>>): TermsOf<PasskeyApprover> | string {
  if (typeof rpId !== 'string' || !isRpId(rpId)) return 'has no rpId: a domain in lower case'
  if (!Array.isArray(origins) || origins.length < 1 || origins.length > maxOrigins)
    return `has no list of 1 to ${maxOrigins} origins`
  const list = origins as unknown[]
  if (!list.every(origin => typeof origin === 'string' && isOrigin(origin)))
    return 'has an origin that is not https://host[:port] or http://localhost[:port], as browsers write it'
  if (list.some((origin, at) => at > 0 && (origin as string) <= (list[at - 1] as string)))
    return 'has origins that do not ascend'
  return { origins: list as string[], rpId }
}
