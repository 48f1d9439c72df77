import { fromUtf8, toHex } from '../core/bytes.ts'
import { type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { type Envelope, pae } from '../crypto/dsse.ts'
import { type ApproverRules, noRules, parseRules } from './approver-set.ts'
import { type Approver, approverSigned, parseApproverSet } from './approvers.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export const genesisPayloadType = 'application/vnd.holdfast.genesis+json'

/** Who may sign for a tenant from the start; `docs/formats/instruction.md`, "Genesis". */
export interface Genesis {
  /** The id of the document: 64 hex digits. */
  readonly tenant: string
  readonly name: string
  readonly created: string
  readonly approvers: readonly Approver[]
  readonly quorum: number
  readonly recovery: { readonly approvers: readonly Approver[]; readonly quorum: number }
  readonly rules: ApproverRules
}

/**
 * The genesis, or what is wrong with it. Every approver must have signed: a provider that slips a key of its own
 * among the approvers gets another tenant id, and cannot name a customer's key that did not agree.
 */
export function openGenesis(envelope: Envelope, crypto: VerifyCrypto): Genesis | string {
  if (envelope.payloadType !== genesisPayloadType) return 'the genesis has another payload type'
  const message = pae(envelope.payloadType, envelope.payload)
  const genesis = parseGenesis(envelope.payload, toHex(crypto.sha256(message)))
  if (typeof genesis === 'string') return genesis
  for (const [at, approver] of genesis.approvers.entries()) {
    // `keyid` is a hint and not consulted; the lists are short.
    const signed = envelope.signatures.some(({ signature }) =>
      approverSigned(approver, message, signature, crypto),
    )
    if (!signed) return `the genesis is not signed by its approver ${at + 1}`
  }
  return genesis
}

function parseGenesis(payload: Uint8Array, tenant: string): Genesis | string {
  const value = parseCanonical(payload)
  if (!isRecord(value)) return 'the genesis is not a canonical JSON object'
  const { rules: given, ...rest } = value
  if (Object.keys(rest).join() !== 'approvers,created,name,nonce,quorum,recovery,v') {
    return 'the genesis has other fields than the format'
  }
  const { v, name, created, nonce, recovery } = value
  if (v !== 1) return 'the genesis has another version than 1'
  if (typeof name !== 'string') return 'the genesis has no name'
  if (typeof created !== 'string' || parseIsoTime(created) === null) return 'the genesis has no valid time'
  if (typeof nonce !== 'string' || !/^[0-9a-f]{32}$/.test(nonce)) return 'the genesis has no nonce'
  const main = parseApproverSet(value.approvers, value.quorum)
  if (typeof main === 'string') return `the genesis: ${main}`
  if (main.quorum === 0) return 'the genesis has no approvers'
  if (!isRecord(recovery) || Object.keys(recovery).join() !== 'approvers,quorum') {
    return 'the genesis has no recovery set'
  }
  const spare = parseApproverSet(recovery.approvers, recovery.quorum)
  if (typeof spare === 'string') return `the recovery set: ${spare}`
  // A genesis of before has none, and says so by leaving them out.
  const rules = given === undefined ? noRules : parseRules(given, main)
  if (typeof rules === 'string') return `the genesis: ${rules}`
  if (rules.keepsPolicy) return 'the genesis keeps a policy, and there is none before it'
  return { tenant, name, created, ...main, recovery: spare, rules }
}

function parseCanonical(payload: Uint8Array): Json | null {
  try {
    return parseCanonicalJson(fromUtf8(payload))
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is { readonly [field: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
