import { toHex } from '../core/bytes.ts'
import { parseIsoTime } from '../core/time.ts'
import { type Envelope, pae, parseEnvelope } from '../crypto/dsse.ts'
import { type ApproverSet, canonicalFields } from './approver-set.ts'
import { type Approver, approverSigned } from './approvers.ts'
import { type Delegation, openDelegation } from './delegation.ts'
import { approverId } from './key-id.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export const verdictTypes = {
  approved: 'application/vnd.holdfast.approval+json',
  rejected: 'application/vnd.holdfast.rejection+json',
  revoked: 'application/vnd.holdfast.revocation+json',
} as const
export type VerdictKind = keyof typeof verdictTypes

export interface Verdict {
  readonly kind: VerdictKind
  /** Id of the instruction. */
  readonly instruction: string
  readonly tenant: string
  readonly reason: string
  readonly timeUnixMs: number
  /** Key id of the approver for whom it counts. */
  readonly approver: string
  /** Hex of that one's public key. */
  readonly approverKey: string
  /** Key id of whose signature it is: the approver's, or of whom that one has let speak for itself. */
  readonly signer: string
  /** Hex of the public key behind `signer`. One key can go by several ids: it is one person all the same. */
  readonly signerKey: string
  /** A recovery key speaks of changes of the approvers only. */
  readonly seat: 'approver' | 'recovery'
  readonly delegation: Delegation | null
}

/**
 * The verdict, if somebody signed it who may speak for the tenant; else what is wrong. Keys and algorithms are the
 * approver set's: whatever the envelope says of its keys is a hint that is not even read. A signature that is the
 * tenant's says nothing yet of what it counts for: `judge` does.
 */
export function openVerdict(envelope: Envelope, set: ApproverSet, crypto: VerifyCrypto): Verdict | string {
  const kind = (Object.keys(verdictTypes) as VerdictKind[]).find(
    name => verdictTypes[name] === envelope.payloadType,
  )
  if (kind === undefined) return 'it is no approval, rejection or revocation'
  const fields = canonicalFields(envelope.payload)
  if (fields === null) return 'its payload is not canonical JSON'
  const names = Object.keys(fields).join()
  const isDelegated = names === 'delegation,instruction,reason,tenant,time,v'
  if (!isDelegated && names !== 'instruction,reason,tenant,time,v')
    return 'it has other fields than the format'
  const { instruction, reason, tenant, v } = fields
  const timeUnixMs = typeof fields.time === 'string' ? parseIsoTime(fields.time) : null
  if (v !== 1) return 'it has another version than 1'
  if (typeof instruction !== 'string' || !/^[0-9a-f]{64}$/.test(instruction)) return 'it names no instruction'
  if (typeof reason !== 'string' || reason.length > 1000) return 'its reason is none, or too long'
  if (timeUnixMs === null) return 'it has no valid time'
  if (tenant !== set.tenant) return 'it is of another tenant'
  if (envelope.signatures.length !== 1) return 'it must carry exactly one signature'
  const message = pae(envelope.payloadType, envelope.payload)
  const { signature } = envelope.signatures[0]!
  const signedBy = (list: readonly Approver[]): { signer: string; signerKey: string } | null => {
    const found = list.find(approver => approverSigned(approver, message, signature, crypto))
    if (found === undefined) return null
    return { signer: approverId(found, crypto), signerKey: toHex(found.publicKey) }
  }
  const said = { kind, instruction, tenant, reason, timeUnixMs }
  if (isDelegated) {
    const inner = parseEnvelope(fields.delegation)
    const delegation = inner === null ? 'it is no envelope' : openDelegation(inner, set, crypto)
    if (typeof delegation === 'string') return `the delegation: ${delegation}`
    const signed = signedBy([delegation.delegate])
    if (signed === null) return 'not signed by whom the delegation names'
    if (timeUnixMs < delegation.notBeforeUnixMs || timeUnixMs >= delegation.expiresUnixMs)
      return 'given outside the time of the delegation'
    const { approver, approverKey } = delegation
    return { ...said, ...signed, approver, approverKey, seat: 'approver', delegation }
  }
  for (const [seat, list] of [
    ['approver', set.approvers],
    ['recovery', set.recovery.approvers],
  ] as const) {
    const own = signedBy(list)
    if (own === null) continue
    return { ...said, ...own, approver: own.signer, approverKey: own.signerKey, seat, delegation: null }
  }
  return 'no approver of the tenant signed it'
}

/** The id of a signed document: lower-case hex of SHA-256 of its PAE. */
export function documentIdOf({ payloadType, payload }: Envelope, crypto: VerifyCrypto): string {
  return toHex(crypto.sha256(pae(payloadType, payload)))
}
