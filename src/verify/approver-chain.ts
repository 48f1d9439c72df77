import { toHex } from '../core/bytes.ts'
import { type Envelope, pae, parseEnvelope } from '../crypto/dsse.ts'
import { type ApproverSet, changedSet, isRecord, readApproversChange } from './approver-set.ts'
import { approverSigned } from './approvers.ts'
import type { Genesis } from './genesis.ts'
import { isApproved, judge } from './judge.ts'
import { approverId } from './key-id.ts'
import { openOrder } from './order-document.ts'
import { openVerdict, type Verdict } from './verdict-document.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** One change of the approvers with what makes it one: the instruction and the approvals that it has. */
export interface ChainLink {
  readonly envelope: Envelope
  readonly approvals: readonly Envelope[]
}

export function genesisSet(genesis: Genesis): ApproverSet {
  const { tenant, approvers, quorum, recovery, rules } = genesis
  return { tenant, number: 0, id: tenant, approvers, quorum, recovery, rules }
}

/** The set after these changes, each judged by the one before it; or which of them nobody may have ordered. */
export function followChain(
  genesis: Genesis,
  links: readonly ChainLink[],
  crypto: VerifyCrypto,
): ApproverSet | string {
  let set = genesisSet(genesis)
  for (const link of links) {
    const next = followLink(set, link, crypto)
    if (typeof next === 'string') return `change ${set.number + 1} of the approvers: ${next}`
    set = next
  }
  return set
}

function followLink(
  before: ApproverSet,
  { envelope, approvals }: ChainLink,
  crypto: VerifyCrypto,
): ApproverSet | string {
  const order = openOrder(envelope, 'approvers', before.tenant, crypto)
  if (typeof order === 'string') return order
  const { id, expiresUnixMs, fields } = order
  const change = readApproversChange(fields)
  if (typeof change === 'string') return change
  const next = changedSet(before, id, change)
  if (typeof next === 'string') return next
  const verdicts = approvals
    .map(approval => openVerdict(approval, before, crypto))
    .filter((verdict): verdict is Verdict => typeof verdict !== 'string')
  const judgement = judge(
    {
      id,
      kind: 'approvers',
      expiresUnixMs,
      drafter: checkedDrafter(envelope, fields.drafter, before, crypto),
      by: change.by,
      isAbroad: false,
    },
    verdicts,
    before,
  )
  if (!isApproved(judgement))
    return `${judgement.approvals} of ${judgement.quorum} ${change.by === 'recovery' ? 'recovery keys' : 'approvers'} have signed for it${judgement.separate ? '' : ', and nobody but who drafted it'}`
  return next
}

/** Hex of the public key of whoever drafted it, if that is who signed it and may draft; else `null`. */
export function checkedDrafter(
  { payloadType, payload, signatures }: Envelope,
  drafter: unknown,
  set: ApproverSet,
  crypto: VerifyCrypto,
): string | null {
  if (typeof drafter !== 'string') return null
  const known = [...set.approvers, ...set.rules.drafters].find(key => approverId(key, crypto) === drafter)
  const [signature, ...more] = signatures
  if (known === undefined || signature === undefined || more.length > 0) return null
  const isTheirs = approverSigned(known, pae(payloadType, payload), signature.signature, crypto)
  return isTheirs ? toHex(known.publicKey) : null
}

/** Links as they stand in entries, or `null`. */
export function parseLinks(value: unknown): ChainLink[] | null {
  if (!Array.isArray(value)) return null
  const links: ChainLink[] = []
  for (const entry of value as unknown[]) {
    if (!isRecord(entry) || !Array.isArray(entry.approvals)) return null
    const envelope = parseEnvelope(entry.envelope)
    const approvals = (entry.approvals as unknown[]).map(parseEnvelope)
    if (envelope === null || approvals.includes(null)) return null
    links.push({ envelope, approvals: approvals as Envelope[] })
  }
  return links
}
