/** May these people sign for the tenant from now on? Asked by every region of itself, right before it lets them. */
import type { InstructionId, TenantId } from '../core/ids.ts'
import { isoTime } from '../core/time.ts'
import type { Authorized, Refusal } from './authorized.ts'
import { refuseStanding, type Standing } from './decide-transfer.ts'
import { mint, noObligations } from './mint.ts'

export interface ApproversTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
}

export interface ApproversFacts {
  readonly standing: Standing
  /** What speaks against its following the set that is in force; `null`: nothing. */
  readonly notNext: string | null
  /** When it had its quorum, as this region saw it. */
  readonly approvedUnixMs: number
  readonly waitMs: number
  readonly nowUnixMs: number
}

export interface ApproversStep {
  readonly action: 'approvers'
  readonly terms: ApproversTerms
}

export function decideApprovers(
  step: ApproversStep,
  facts: ApproversFacts,
): Authorized<ApproversStep> | Refusal {
  const standing = refuseStanding(step.terms, { ...facts, phase: 'send' })
  if (standing !== null) return standing
  if (facts.notNext !== null)
    return {
      refused: true,
      rule: 'instruction-out-of-scope',
      message: `The change does not follow: ${facts.notNext}.`,
    }
  const from = facts.approvedUnixMs + facts.waitMs
  if (facts.nowUnixMs < from) {
    return {
      refused: true,
      rule: 'instruction-not-yet-valid',
      message: `The change comes into force at ${isoTime(from)}, if nobody stops it until then.`,
    }
  }
  return mint(step, noObligations)
}
