import { fromUtf8, toHex } from '../../core/bytes.ts'
import { type Envelope, pae, parseEnvelope } from '../../crypto/dsse.ts'
import type { Trust } from '../../verify/trust.ts'
import type { VerifyCrypto } from '../../verify/verify-crypto.ts'
import { type BookEntry, fieldsOf, textOf } from './books.ts'
import type { QuorumCheck } from './instructions.ts'

const instructionType = 'application/vnd.holdfast.instruction+json'
const approvalType = 'application/vnd.holdfast.approval+json'

/**
 * Checks the approvals that stand in the books against the tenant's own approvers: a region that writes "approved"
 * into its ledger has not signed with the customer's keys. `docs/formats/instruction.md`, "Verdict".
 */
export function createQuorumCheck(
  entries: readonly BookEntry[],
  trust: Trust,
  crypto: VerifyCrypto,
): QuorumCheck {
  const { approvers, quorum } = trust.genesis
  const drafted = new Set<string>()
  const signers = new Map<string, Set<string>>()
  for (const entry of entries) {
    if (entry.type !== 'instruction.drafted' && entry.type !== 'instruction.approved') continue
    const body = fieldsOf(entry.body)
    const id = textOf(body.instruction)
    const envelope = parseEnvelope(body.envelope)
    if (id === null || envelope === null) continue
    const message = pae(envelope.payloadType, envelope.payload)
    if (entry.type === 'instruction.drafted') {
      if (envelope.payloadType === instructionType && toHex(crypto.sha256(message)) === id) drafted.add(id)
      continue
    }
    if (envelope.payloadType !== approvalType || !approves(envelope, id, trust.tenant)) continue
    const found = signers.get(id) ?? new Set<string>()
    signers.set(id, found)
    for (const { publicKey } of approvers) {
      const signed = envelope.signatures.some(({ signature }) =>
        crypto.verifyEd25519(publicKey, message, signature),
      )
      if (signed) found.add(toHex(publicKey))
    }
  }
  return id => drafted.has(id) && (signers.get(id)?.size ?? 0) >= Math.max(1, quorum)
}

function approves(envelope: Envelope, id: string, tenant: string): boolean {
  try {
    const payload = fieldsOf(JSON.parse(fromUtf8(envelope.payload)))
    return payload.instruction === id && payload.tenant === tenant
  } catch {
    return false
  }
}
