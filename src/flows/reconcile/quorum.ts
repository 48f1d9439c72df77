import { parseEnvelope } from '../../crypto/dsse.ts'
import {
  type Instruction,
  openInstruction,
  openVerdict,
  type Verdict,
} from '../../instructions/instruction.ts'
import type { Genesis } from '../../verify/genesis.ts'
import { type BookEntry, fieldsOf } from './books.ts'
import type { QuorumCheck } from './instructions.ts'

/**
 * Checks the approvals that stand in the books against the tenant's own approvers: a region that writes "approved"
 * into its ledger has not signed with the customer's keys. `docs/formats/instruction.md`, "Verdict".
 */
export function createQuorumCheck(entries: readonly BookEntry[], genesis: Genesis): QuorumCheck {
  const instructions = new Map<string, Instruction>()
  const verdicts: Verdict[] = []
  for (const { type, body } of entries) {
    if (!type.startsWith('instruction.')) continue
    const envelope = parseEnvelope(fieldsOf(body).envelope)
    if (envelope === null) continue
    if (type === 'instruction.drafted') {
      const instruction = openInstruction(envelope)
      if (typeof instruction !== 'string') instructions.set(instruction.id, instruction)
    } else {
      const verdict = openVerdict(envelope, genesis)
      if (typeof verdict !== 'string') verdicts.push(verdict)
    }
  }
  return id => {
    const instruction = instructions.get(id)
    if (instruction === undefined || instruction.tenant !== genesis.tenant) return false
    const approvers = verdicts
      .filter(verdict => verdict.kind === 'approved' && verdict.instruction === id)
      // An approval dated after the instruction's life was given to nothing.
      .filter(({ timeUnixMs }) => timeUnixMs <= instruction.expiresUnixMs)
    return new Set(approvers.map(({ approver }) => approver)).size >= Math.max(1, genesis.quorum)
  }
}
