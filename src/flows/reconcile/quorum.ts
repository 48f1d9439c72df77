import { type Envelope, parseEnvelope } from '../../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { type Instruction, openInstruction } from '../../instructions/instruction.ts'
import { orderOf } from '../../instructions/standing.ts'
import { followChain, genesisSet, parseLinks } from '../../verify/approver-chain.ts'
import type { ApproverSet } from '../../verify/approver-set.ts'
import type { Genesis } from '../../verify/genesis.ts'
import { isApproved, judge } from '../../verify/judge.ts'
import { openVerdict, type Verdict } from '../../verify/verdict-document.ts'
import { type BookEntry, fieldsOf, textOf } from './books.ts'
import type { SignedOrder, SignedOrders } from './instructions.ts'

/**
 * Checks the approvals that stand in the books against the tenant's own approvers: a region that writes "approved"
 * into its ledger has not signed with the customer's keys. Each region's verdicts are judged by the set that was in
 * force in its own books when they were entered. `docs/formats/instruction.md`, "Verdict".
 */
export function createSignedOrders(all: readonly BookEntry[], genesis: Genesis): SignedOrders {
  // In another tenant's book a region could write of this one what it likes, at any time.
  const entries = all.filter(({ tenant }) => tenant === genesis.tenant)
  const drafts = new Map<string, { readonly instruction: Instruction; readonly envelope: Envelope }>()
  const countries = new Map<string, string>()
  const sets = new Map<string, ApproverSet>()
  const verdicts = new Map<string, Verdict[]>()
  const withdrawn = new Set<string>()
  const approved = new Map<string, SignedOrder | null>()
  for (const { type, body } of entries) {
    const fields = fieldsOf(body)
    const envelope = type === 'instruction.drafted' ? parseEnvelope(fields.envelope) : null
    const instruction = envelope === null ? null : openInstruction(envelope)
    if (instruction !== null && typeof instruction !== 'string' && instruction.tenant === genesis.tenant)
      drafts.set(instruction.id, { instruction, envelope: envelope! })
  }
  for (const { region, type, body } of entries)
    if (type === 'tenant.joined') countries.set(region, textOf(fieldsOf(body).country) ?? '')
  for (const { region, type, body } of entries) {
    const set = sets.get(region) ?? genesisSet(genesis)
    const fields = fieldsOf(body)
    // Who joins a region late brings along the changes there were.
    if (type === 'approvers.changed' || (type === 'tenant.joined' && fields.chain !== undefined)) {
      const next = followChain(genesis, parseLinks(fields.chain) ?? [], nodeVerifyCrypto)
      if (typeof next !== 'string') sets.set(region, next)
    }
    // What it had approved before, it had.
    if (type === 'delegation.withdrawn') withdrawn.add(`${region} ${textOf(fields.delegation)}`)
    const envelope = /^instruction\.(?:approved|rejected|revoked)$/.test(type)
      ? parseEnvelope(fields.envelope)
      : null
    const verdict = envelope === null ? 'none' : openVerdict(envelope, set, nodeVerifyCrypto)
    const draft = typeof verdict === 'string' ? undefined : drafts.get(verdict.instruction)
    if (typeof verdict === 'string' || draft === undefined) continue
    const key = `${region} ${verdict.instruction}`
    const said = [...(verdicts.get(key) ?? []), verdict]
    verdicts.set(key, said)
    const here = { id: region, countries }
    const order = orderOf(draft.instruction, draft.envelope, set, here)
    if (isApproved(judge(order, said, set, id => withdrawn.has(`${region} ${id}`))))
      approved.set(verdict.instruction, termsOf(draft.instruction))
  }
  return id => approved.get(id) ?? null
}

/** What the approvers signed, and not what a region enters of it. */
function termsOf(instruction: Instruction): SignedOrder | null {
  if (instruction.kind !== 'transfer' && instruction.kind !== 'standing-transfer') return null
  const { tenant, from, to, expiresUnixMs, limits } = instruction
  return { tenant, fromRegion: from.region, toRegion: to.region, expiresUnixMs, limitBytes: limits.bytes }
}
