import { equalBytes, toHex } from '../core/bytes.ts'
import { parseIsoTime } from '../core/time.ts'
import { type Envelope, pae } from '../crypto/dsse.ts'
import { type ApproverSet, canonicalFields, instructionKinds } from './approver-set.ts'
import { type Approver, approverSigned, parseApproverSet } from './approvers.ts'
import { approverId } from './key-id.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export const delegationPayloadType = 'application/vnd.holdfast.delegation+json'
export const withdrawalPayloadType = 'application/vnd.holdfast.delegation-withdrawal+json'

/** A leave, a holiday: who is away longer is replaced. */
const maxDelegationMs = 31 * 86_400e3

/** One approver lets another person speak for it for a while. `docs/formats/instruction.md`, "Delegation". */
export interface Delegation {
  readonly id: string
  readonly tenant: string
  /** Key id of whose vote it is. */
  readonly approver: string
  /** Hex of that one's public key. */
  readonly approverKey: string
  readonly delegate: Approver
  /** `null`: every kind but `approvers`, which nobody can pass on. */
  readonly kinds: readonly string[] | null
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
  readonly reason: string
}

/** The delegation, if one of the tenant's approvers signed it; else what is wrong. */
export function openDelegation(
  envelope: Envelope,
  set: ApproverSet,
  crypto: VerifyCrypto,
): Delegation | string {
  if (envelope.payloadType !== delegationPayloadType) return 'it has another payload type'
  const fields = canonicalFields(envelope.payload)
  if (fields === null) return 'its payload is not canonical JSON'
  if (
    Object.keys(fields).join() !== 'approver,delegate,expires,kinds,nonce,notBefore,reason,tenant,v' ||
    fields.v !== 1
  )
    return 'it has other fields than the format'
  const { approver, kinds, nonce, reason, tenant } = fields
  if (tenant !== set.tenant) return 'it is of another tenant'
  if (typeof nonce !== 'string' || !/^[0-9a-f]{32}$/.test(nonce)) return 'it has no nonce'
  if (typeof reason !== 'string' || reason.length > 1000) return 'its reason is none, or too long'
  const notBefore = typeof fields.notBefore === 'string' ? parseIsoTime(fields.notBefore) : null
  const expires = typeof fields.expires === 'string' ? parseIsoTime(fields.expires) : null
  if (notBefore === null || expires === null || expires <= notBefore) return 'its times are none'
  if (expires - notBefore > maxDelegationMs) return 'it is valid for more than 31 days'
  if (kinds !== null) {
    if (!Array.isArray(kinds) || kinds.length === 0) return 'its kinds are none'
    const known = instructionKinds.filter(kind => kind !== 'approvers') as readonly string[]
    if (!kinds.every(kind => typeof kind === 'string' && known.includes(kind)))
      return 'it names a kind that nobody can pass on, or that is none'
  }
  const parsed = parseApproverSet([fields.delegate], 1)
  if (typeof parsed === 'string') return `the delegate: ${parsed}`
  const delegate = parsed.approvers[0]!
  // Who has a vote already would have two. By the key: under another algorithm, or for another site, it has another id.
  if (set.approvers.some(known => equalBytes(known.publicKey, delegate.publicKey)))
    return 'the delegate is an approver already'
  const giver = set.approvers.find(known => approverId(known, crypto) === approver)
  if (giver === undefined) return 'who gives it is no approver of the tenant'
  const message = pae(envelope.payloadType, envelope.payload)
  const [signature, ...more] = envelope.signatures
  if (signature === undefined || more.length > 0) return 'it must carry exactly one signature'
  if (!approverSigned(giver, message, signature.signature, crypto)) return 'not signed by who gives it'
  return {
    id: toHex(crypto.sha256(message)),
    tenant,
    approver: approver as string,
    approverKey: toHex(giver.publicKey),
    delegate,
    kinds: kinds as readonly string[] | null,
    notBeforeUnixMs: notBefore,
    expiresUnixMs: expires,
    reason,
  }
}

/** Id of the delegation that an approver takes back, anybody's; or what is wrong. */
export function openWithdrawal(
  envelope: Envelope,
  set: ApproverSet,
  crypto: VerifyCrypto,
): { readonly delegation: string; readonly approver: string; readonly reason: string } | string {
  if (envelope.payloadType !== withdrawalPayloadType) return 'it has another payload type'
  const fields = canonicalFields(envelope.payload)
  if (fields === null || Object.keys(fields).join() !== 'delegation,reason,tenant,time,v' || fields.v !== 1)
    return 'it has other fields than the format'
  const { delegation, reason, tenant, time } = fields
  if (tenant !== set.tenant) return 'it is of another tenant'
  if (typeof delegation !== 'string' || !/^[0-9a-f]{64}$/.test(delegation)) return 'it names no delegation'
  if (typeof reason !== 'string' || reason.length > 1000) return 'its reason is none, or too long'
  if (typeof time !== 'string' || parseIsoTime(time) === null) return 'it has no valid time'
  if (envelope.signatures.length !== 1) return 'it must carry exactly one signature'
  const message = pae(envelope.payloadType, envelope.payload)
  const { signature } = envelope.signatures[0]!
  const found = set.approvers.find(approver => approverSigned(approver, message, signature, crypto))
  if (found === undefined) return 'no approver of the tenant signed it'
  return { delegation, approver: approverId(found, crypto), reason }
}
