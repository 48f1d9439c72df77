import { type Envelope, parseEnvelope } from '../../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { type Instruction, openInstruction } from '../../instructions/instruction.ts'
import { orderOf } from '../../instructions/standing.ts'
import { followChain, genesisSet, parseLinks } from '../../verify/approver-chain.ts'
import type { ApproverSet } from '../../verify/approver-set.ts'
import type { Genesis } from '../../verify/genesis.ts'
import { isApproved, judge } from '../../verify/judge.ts'
import { openVerdict, type Verdict } from '../../verify/verdict-document.ts'
import { type BookEntry, fieldsOf, type runsOf, textOf, timeOf } from './books.ts'
import type { SignedOrder, SignedOrders } from './instructions.ts'

/** Where the set that is in force is known from, and what it is; `null`: the entry that says so is in none of the books. */
type Known = { readonly run: number; readonly set: ApproverSet | null }

/** An approver's clock may be this far ahead of the region's. */
const aheadMs = 15 * 60_000

/**
 * Checks the approvals that stand in the books against the tenant's own approvers: a region that writes "approved"
 * into its ledger has not signed with the customer's keys. Each region's verdicts are judged by the set that was in
 * force in its own books when they were entered; a region can show another set only by a longer chain, and one whose
 * books do not begin at their beginning has to show it. `entries` are those of `distinctEntries`, in its order;
 * `countries` of the regions as the customer trusts them. `docs/formats/instruction.md`, "Verdict".
 */
export function createSignedOrders(
  all: readonly BookEntry[],
  runOf: ReturnType<typeof runsOf>,
  { genesis, countries }: { readonly genesis: Genesis; readonly countries: ReadonlyMap<string, string> },
): SignedOrders {
  // In another tenant's book a region could write of this one what it likes, at any time.
  const entries = all.filter(({ tenant }) => tenant === genesis.tenant)
  const drafts = new Map<string, { readonly instruction: Instruction; readonly envelope: Envelope }>()
  const sets = new Map<string, Known>()
  const verdicts = new Map<string, Verdict[]>()
  const withdrawn = new Set<string>()
  const approved = new Map<string, SignedOrder | null>()
  const knownIn = (region: string, seq: number): Known => {
    const run = runOf(genesis.tenant, region, seq)
    const before = sets.get(region)
    const known = before?.run === run ? before : { run, set: run === 0 ? genesisSet(genesis) : null }
    sets.set(region, known)
    return known
  }
  for (const { type, body } of entries) {
    const fields = fieldsOf(body)
    const envelope = type === 'instruction.drafted' ? parseEnvelope(fields.envelope) : null
    const instruction = envelope === null ? null : openInstruction(envelope)
    if (instruction !== null && typeof instruction !== 'string' && instruction.tenant === genesis.tenant)
      drafts.set(instruction.id, { instruction, envelope: envelope! })
  }
  for (const { region, seq, time, type, body } of entries) {
    const { run, set } = knownIn(region, seq)
    const fields = fieldsOf(body)
    // Who joins a region late brings along the changes there were, with the first entry.
    if (type === 'approvers.changed' || (seq === 0 && fields.chain !== undefined)) {
      const links = parseLinks(fields.chain)
      const next = links === null ? 'none' : followChain(genesis, links, nodeVerifyCrypto)
      if (typeof next !== 'string' && next.number > (set?.number ?? -1)) sets.set(region, { run, set: next })
    }
    // What it had approved before, it had.
    if (type === 'delegation.withdrawn') withdrawn.add(`${region} ${textOf(fields.delegation)}`)
    const envelope = /^instruction\.(?:approved|rejected|revoked)$/.test(type)
      ? parseEnvelope(fields.envelope)
      : null
    if (envelope === null || set === null) continue
    const verdict = openVerdict(envelope, set, nodeVerifyCrypto)
    const draft = typeof verdict === 'string' ? undefined : drafts.get(verdict.instruction)
    if (typeof verdict === 'string' || draft === undefined) continue
    const key = `${region} ${verdict.instruction}`
    const said = [...(verdicts.get(key) ?? []), verdict]
    verdicts.set(key, said)
    const order = orderOf(draft.instruction, draft.envelope, set, { id: region, countries })
    if (!isApproved(judge(order, said, set, id => withdrawn.has(`${region} ${id}`)))) continue
    // Not before the last of them signed, whatever the region says of when it heard that.
    const signedUnixMs = Math.max(...said.map(({ timeUnixMs }) => timeUnixMs)) - aheadMs
    const approvedUnixMs = Math.max(timeOf(time) ?? Number.POSITIVE_INFINITY, signedUnixMs)
    const before = approved.get(verdict.instruction)
    if (before === undefined || (before !== null && before.approvedUnixMs > approvedUnixMs))
      approved.set(verdict.instruction, termsOf(draft.instruction, approvedUnixMs))
  }
  return id => approved.get(id) ?? null
}

/** What the approvers signed, and not what a region enters of it. */
function termsOf(instruction: Instruction, approvedUnixMs: number): SignedOrder | null {
  if (instruction.kind !== 'transfer' && instruction.kind !== 'standing-transfer') return null
  const { tenant, from, to, notBeforeUnixMs, expiresUnixMs, limits } = instruction
  return {
    ...{ tenant, fromRegion: from.region, toRegion: to.region },
    ...{ approvedUnixMs, notBeforeUnixMs, expiresUnixMs },
    ...{ limitBytes: limits.bytes, limitObjects: limits.objects },
  }
}
