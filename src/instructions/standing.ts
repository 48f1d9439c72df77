/** What a region holds of an instruction's drafter and verdicts, by the tenant's set of approvers. */
import { HoldfastError } from '../core/errors.ts'
import type { Envelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { Standing } from '../policy/decide-transfer.ts'
import { checkedDrafter } from '../verify/approver-chain.ts'
import type { ApproverSet } from '../verify/approver-set.ts'
import { judge, type Order } from '../verify/judge.ts'
import type { Verdict } from '../verify/verdict-document.ts'
import type { Instruction } from './instruction.ts'
import type { InstructionRow, InstructionState, KnownInstruction } from './instruction-book.ts'

const maxAheadMs = 15 * 60e3
export const endStates: readonly InstructionState[] = [
  'completed',
  'failed',
  'expired',
  'revoked',
  'rejected',
]

export interface Here {
  readonly id: string
  /** Where the regions are that this one knows, itself included. */
  readonly countries: ReadonlyMap<string, string>
}

export function orderOf(instruction: Instruction, envelope: Envelope, set: ApproverSet, here: Here): Order {
  const { id, kind, expiresUnixMs, drafter } = instruction
  return {
    id,
    kind,
    expiresUnixMs,
    drafter: checkedDrafter(envelope, drafter, set, nodeVerifyCrypto),
    by: kind === 'approvers' ? instruction.change.by : 'approvers',
    isAbroad: isAbroad(instruction, here),
  }
}

/** What is not known to be at home is abroad. */
function isAbroad(instruction: Instruction, { id, countries }: Here): boolean {
  const home = countries.get(id)
  switch (instruction.kind) {
    case 'transfer':
    case 'standing-transfer': {
      const from = countries.get(instruction.from.region)
      return from === undefined || from !== countries.get(instruction.to.region)
    }
    case 'access':
      return instruction.operator.country !== home
    case 'disclose':
      return instruction.recipient.country !== home
    default:
      return false
  }
}

/** A draft is anybody's who may speak for the tenant, unless the tenant wants to know whose. */
export function checkDrafter(instruction: Instruction, envelope: Envelope, set: ApproverSet): void {
  const { drafter } = instruction
  if (drafter !== null && checkedDrafter(envelope, drafter, set, nodeVerifyCrypto) === null) {
    throw new HoldfastError(
      'not-verified',
      'the instruction: it is not signed by the drafter that it names, or that one may not draft for the tenant',
    )
  }
  const isRecovery = instruction.kind === 'approvers' && instruction.change.by === 'recovery'
  if (drafter === null && set.rules.separateDuties && !isRecovery) {
    throw new HoldfastError(
      'bad-input',
      'the instruction: the tenant’s rules want its drafter named and the draft signed (--drafter KEY)',
    )
  }
}

/** What counts for nothing is refused, so that nobody believes to have said something. */
export function checkSeat({ seat, kind, delegation }: Verdict, { instruction }: KnownInstruction): void {
  const refuse = (what: string): never => {
    throw new HoldfastError('not-verified', `the verdict: ${what}`)
  }
  const byRecovery = instruction.kind === 'approvers' && instruction.change.by === 'recovery'
  if (seat === 'recovery' && !byRecovery && (instruction.kind !== 'approvers' || kind !== 'revoked'))
    refuse('a recovery key changes the approvers and stops a change, and says nothing of other instructions')
  if (seat === 'approver' && byRecovery) refuse('only recovery keys speak of a recovery')
  if (delegation === null) return
  if (instruction.kind === 'approvers') refuse('nobody can pass on who may change the approvers')
  if (delegation.kinds !== null && !delegation.kinds.includes(instruction.kind))
    refuse(`the delegation is not for instructions of kind ${instruction.kind}`)
}

export function standingOf(
  order: Order,
  row: InstructionRow,
  verdicts: readonly Verdict[],
  set: ApproverSet,
  withdrawn: ReadonlySet<string>,
): Standing {
  const judgement = judge(order, verdicts, set, id => withdrawn.has(id))
  return {
    ...judgement,
    rejected: row.state === 'rejected' || (row.state === 'drafted' && judgement.rejected),
    revoked: row.state === 'revoked' || judgement.revoked,
    ended: endStates.includes(row.state),
  }
}

/**
 * An approval may come in advance of the instruction's life and not after it; one from the future was dated by a
 * clock that is wrong, or by somebody who saves it up. A revocation counts at any time.
 */
export function checkTime(verdict: Verdict, { instruction }: KnownInstruction, nowUnixMs: number): void {
  const { delegation } = verdict
  // Its own date is the delegate's word; what counts as well is when it is said.
  if (delegation !== null && nowUnixMs >= delegation.expiresUnixMs)
    throw new HoldfastError('not-verified', 'the verdict: the delegation has expired')
  if (verdict.kind === 'revoked') return
  if (verdict.timeUnixMs > nowUnixMs + maxAheadMs)
    throw new HoldfastError(
      'not-verified',
      'the verdict: its time is more than 15 minutes ahead of this region’s',
    )
  if (verdict.timeUnixMs >= instruction.expiresUnixMs)
    throw new HoldfastError('not-verified', 'the verdict: the instruction has expired')
}
