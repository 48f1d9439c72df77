/** What a key that is kept elsewhere is to sign, in a file; and its signature, as other tools write it, on the way back. */
import { hash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { fromBase64, toBase64, utf8 } from '../core/bytes.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { readInteger } from '../crypto/big-integer.ts'
import { printEcdsaSignature, readEcdsaSignature } from '../crypto/der.ts'
import { type Envelope, pae, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { keyIdOf } from '../crypto/signatures.ts'
import { base64url } from '../crypto/webauthn.ts'
import { canonicalFields } from '../verify/approver-set.ts'
import { type Approver, parseApproverSet } from '../verify/approvers.ts'
import { openVerdict } from '../verify/verdict-document.ts'
import { fetchApproverSets, type RegionSet } from './approver-set.ts'
import { customerFiles } from './customer-folder.ts'
import type { Orderer } from './order.ts'

const format = 'holdfast/sign-request/v1'

const schema = z.object({
  format: z.literal(format),
  approver: z.string().regex(/^[0-9a-f]{64}$/),
  algorithm: z.string().nullable(),
  payloadType: z.string(),
  payload: z.string(),
})

export interface SignRequest {
  /** Nobody has signed it yet. */
  readonly draft: Envelope
  /** Key id of who is to sign. */
  readonly approver: string
  /** Says only how other tools write a signature; `null` when nobody here knows the key. */
  readonly algorithm: string | null
}

export function printSignRequest({ draft, approver, algorithm }: SignRequest): string {
  const message = pae(draft.payloadType, draft.payload)
  const digest = hash('sha256', message, 'buffer')
  const { payload, payloadType } = printEnvelope(draft)
  const request = {
    format,
    approver,
    algorithm,
    payloadType,
    payload,
    // What follows is computed from the two above, for tools that cannot.
    pae: toBase64(message),
    sha256: digest.toString('hex'),
    challenge: base64url(digest),
  }
  return `${JSON.stringify(request, null, 2)}\n`
}

export function readSignRequest(path: string): SignRequest {
  const parsed = schema.safeParse(parseJson(readFileSync(path)))
  if (!parsed.success) throw new HoldfastError('bad-input', `${path}: ${z.prettifyError(parsed.error)}`)
  const { payload, payloadType, approver, algorithm } = parsed.data
  const draft = parseEnvelope({ payload, payloadType, signatures: [] })
  if (draft === null) throw new HoldfastError('bad-input', `${path}: its payload is not base64`)
  return { draft, approver, algorithm }
}

/** The one encoding that an envelope has, of what the algorithm's tools write. */
export function signatureOf(bytes: Uint8Array, algorithm: string | null): Uint8Array {
  if (algorithm === 'webauthn-es256') return assertionOf(bytes)
  // PKCS #11 (section 6.3.1) has r and s side by side, OpenSSL and the clouds have DER.
  if (algorithm === 'ecdsa-p256-sha256' && bytes.length === 64 && readEcdsaSignature(bytes) === null)
    return printEcdsaSignature({ r: readInteger(bytes.subarray(0, 32)), s: readInteger(bytes.subarray(32)) })
  return bytes
}

/** `PublicKeyCredential.toJSON()` of a browser (WebAuthn Level 3, section 5.1), or the three fields by themselves. */
function assertionOf(bytes: Uint8Array): Uint8Array {
  const parsed = credentialSchema.safeParse(parseJson(bytes))
  if (!parsed.success)
    throw new HoldfastError('bad-input', `no assertion of a passkey: ${z.prettifyError(parsed.error)}`)
  const { authenticatorData, clientDataJSON, signature } = parsed.data
  return utf8(canonicalJson({ authenticatorData, clientDataJSON, signature }))
}

const base64Field = z.string().transform((text, context) => {
  const standard = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')
  const bytes = fromBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='))
  if (bytes !== null) return toBase64(bytes)
  context.addIssue('not base64')
  return z.NEVER
})
const assertionSchema = z.object({
  authenticatorData: base64Field,
  clientDataJSON: base64Field,
  signature: base64Field,
})
const credentialSchema = z.union([
  z.object({ response: assertionSchema }).transform(({ response }) => response),
  assertionSchema,
])

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return null
  }
}

/** The approvers by the customer's own trust file; `null` when there is none, and so nothing to check against. */
export async function knownSets(orderer: Orderer): Promise<RegionSet[] | null> {
  return existsSync(customerFiles(orderer.folder).trust) ? fetchApproverSets(orderer) : null
}

/** The key of this id among those who may say something, or to whom `draft` lends a vote. */
export function findApprover(sets: readonly RegionSet[], draft: Envelope, keyId: string): Approver | null {
  const lent = parseEnvelope(canonicalFields(draft.payload)?.delegation)
  const delegate = parseApproverSet([lent && canonicalFields(lent.payload)?.delegate], 1)
  const known = sets.flatMap(({ set }) => [...set.approvers, ...set.recovery.approvers])
  const all = typeof delegate === 'string' ? known : [...known, ...delegate.approvers]
  return all.find(approver => keyIdOf(approver) === keyId) ?? null
}

/** Refuses what no region would take, before anybody sees it; a region that is a change behind may still. */
export function demandSigned(sets: readonly RegionSet[], envelope: Envelope, keyId: string): void {
  const opened = sets.map(({ set }) => openVerdict(envelope, set, nodeVerifyCrypto))
  const taken = opened.find(each => typeof each !== 'string')
  if (taken === undefined) throw new HoldfastError('not-verified', `the signature: ${opened[0]}`)
  if (taken.signer !== keyId)
    throw new HoldfastError('not-verified', `the signature is by ${taken.signer}, and not by ${keyId}`)
}
