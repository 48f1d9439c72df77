/** Which approvals an entry carries: as many as it takes, for each is a document whose length its signer chooses. */
import { type EnvelopeJson, parseEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { isApproved, judge } from '../verify/judge.ts'
import { openVerdict, type Verdict, verdictTypes } from '../verify/verdict-document.ts'
import type { KnownInstruction } from './instruction-book.ts'
import { orderOf } from './standing.ts'

/** The shortest ones that are a quorum; all, where none of them is. */
export function enoughApprovals(
  { envelopes, instruction, row, set, withdrawn }: KnownInstruction,
  here: Parameters<typeof orderOf>[3],
): readonly EnvelopeJson[] {
  const approvals = envelopes.filter(({ payloadType }) => payloadType === verdictTypes.approved)
  const order = orderOf(instruction, parseEnvelope(row.envelope)!, set, here)
  const taken: EnvelopeJson[] = []
  const verdicts: Verdict[] = []
  for (const json of approvals.toSorted((a, b) => lengthOf(a) - lengthOf(b))) {
    const verdict = openVerdict(parseEnvelope(json)!, set, nodeVerifyCrypto)
    if (typeof verdict === 'string') continue
    taken.push(json)
    verdicts.push(verdict)
    // Withdrawn ones would be passed over by whoever reads them.
    if (isApproved(judge(order, verdicts, set, id => withdrawn.has(id)))) return taken
  }
  return approvals
}

const lengthOf = (json: EnvelopeJson): number => JSON.stringify(json).length
