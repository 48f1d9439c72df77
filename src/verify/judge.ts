import type { ApproverSet } from './approver-set.ts'
import { quorumFor } from './approver-set.ts'
import type { Verdict } from './verdict-document.ts'

/** What of an instruction its approvals are judged by. */
export interface Order {
  readonly id: string
  readonly kind: string
  readonly expiresUnixMs: number
  /** Hex of the public key of whoever drafted it, once that signature has been checked; `null`: nobody says. */
  readonly drafter: string | null
  /** Of kind `approvers`: whose signatures it takes. */
  readonly by: 'approvers' | 'recovery'
  /** Whether its effect is in another country than the one it is given to. */
  readonly isAbroad: boolean
}

export interface Judgement {
  /** How many approvals count. */
  readonly approvals: number
  readonly quorum: number
  /** False: the one who drafted it is all who approved, or is not named, and the tenant's rules want another. */
  readonly separate: boolean
  readonly rejected: boolean
  readonly revoked: boolean
}

/**
 * What the verdicts come to, by the tenant's set. A quorum counts people and not signatures: one key is one vote,
 * whoever else it speaks for, and one approver is one vote, whoever speaks for it.
 */
export function judge(
  order: Order,
  verdicts: readonly Verdict[],
  set: ApproverSet,
  isWithdrawn: (delegation: string) => boolean = () => false,
): Judgement {
  const seat = order.by === 'recovery' ? 'recovery' : 'approver'
  const about = verdicts.filter(({ instruction }) => instruction === order.id)
  const counts = (verdict: Verdict): boolean => {
    const { delegation } = verdict
    if (verdict.seat !== seat) return false
    if (delegation === null) return true
    if (order.kind === 'approvers' || isWithdrawn(delegation.id)) return false
    return delegation.kinds === null || delegation.kinds.includes(order.kind)
  }
  const approvals = about.filter(
    verdict => verdict.kind === 'approved' && verdict.timeUnixMs < order.expiresUnixMs && counts(verdict),
  )
  const voted = new Set<string>()
  const signed = new Set<string>()
  // Those who speak for themselves first, so that nobody's own vote is used up by another's.
  for (const own of [true, false])
    for (const { approver, signerKey, delegation } of approvals) {
      if ((delegation === null) !== own || voted.has(approver) || signed.has(signerKey)) continue
      voted.add(approver)
      signed.add(signerKey)
    }
  const quorum = order.by === 'recovery' ? set.recovery.quorum : quorumFor(set, order.kind, order.isAbroad)
  const others = [...signed].filter(key => key !== order.drafter)
  // Recovery is for when the others are gone or turned: who drafted it says nothing there.
  const isSeparate =
    !set.rules.separateDuties || order.by === 'recovery' || (order.drafter !== null && others.length > 0)
  return {
    approvals: voted.size,
    // A recovery set without keys lets nobody through.
    quorum: Math.max(1, quorum),
    separate: isSeparate,
    rejected: about.some(verdict => verdict.kind === 'rejected' && counts(verdict)),
    // A change of the approvers can be stopped by a recovery key too: it may be the thieves' change.
    revoked: about.some(
      verdict =>
        verdict.kind === 'revoked' &&
        (counts(verdict) || (order.kind === 'approvers' && verdict.seat === 'recovery')),
    ),
  }
}

export function isApproved({ approvals, quorum, separate }: Judgement): boolean {
  return approvals >= quorum && separate
}
