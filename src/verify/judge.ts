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
  const quorum = order.by === 'recovery' ? set.recovery.quorum : quorumFor(set, order.kind, order.isAbroad)
  // Nor does a deputy of whoever drafted it count as another: its key may lie in the same drawer.
  const isAnother = ({ approverKey, signerKey }: Verdict): boolean =>
    order.drafter !== null && approverKey !== order.drafter && signerKey !== order.drafter
  // Recovery is for when the others are gone or turned: who drafted it says nothing there.
  const isSeparate = !set.rules.separateDuties || order.by === 'recovery' || approvals.some(isAnother)
  return {
    approvals: mostVotes(approvals),
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

/**
 * How many approvals there are at most of which no two are one approver's and no two by one key: whatever order they
 * come in, every region and every verifier counts the same. (A matching, found by augmenting paths.)
 */
function mostVotes(approvals: readonly Verdict[]): number {
  const speakers = new Map<string, Verdict[]>()
  for (const each of approvals) speakers.set(each.approver, [...(speakers.get(each.approver) ?? []), each])
  /** Whose vote a key gives, by key. */
  const given = new Map<string, string>()
  const find = (approver: string, tried: Set<string>): boolean =>
    speakers.get(approver)!.some(({ signerKey }) => {
      if (tried.has(signerKey)) return false
      tried.add(signerKey)
      const other = given.get(signerKey)
      if (other !== undefined && !find(other, tried)) return false
      given.set(signerKey, approver)
      return true
    })
  return [...speakers.keys()].filter(approver => find(approver, new Set())).length
}

export function isApproved({ approvals, quorum, separate }: Judgement): boolean {
  return approvals >= quorum && separate
}
