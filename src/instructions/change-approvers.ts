/**
 * Carries out an instruction of kind `approvers`: 72 hours after this region saw its quorum, unless somebody stopped it.
 * Every region does so by itself and by its own clock; between two that are not at the same change yet, nothing goes
 * abroad (`transfers/knowledge.ts`).
 */

import type { InstructionId, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { DraftBox } from '../ledger/drafts.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideApprovers } from '../policy/decide-approvers.ts'
import { approversWaitMs, changedSet } from '../verify/approver-set.ts'
import type { LinkJson } from './approver-chain.ts'
import { enoughApprovals } from './enough-approvals.ts'
import type { InstructionBook } from './instruction-book.ts'
import { runInRegion } from './run-in-region.ts'

export interface ChangeApproversDeps {
  readonly region: {
    readonly id: RegionId
    readonly drafts: DraftBox
    readonly book: InstructionBook
    readonly lawfulNow: Clock
  }
  readonly log: Log
}

/** Runs until the instruction has ended; called no sooner than it is due. */
export function runChangeOfApprovers(deps: ChangeApproversDeps, id: InstructionId): Promise<void> {
  const { region } = deps
  return runInRegion(deps, id, async current => {
    const { instruction, row } = current
    if (instruction.kind !== 'approvers') return null
    const before = await region.book.approvers.setOf(row.tenant)
    const next = changedSet(before, id, instruction.change)
    // Once it runs its time has come; `since` is then when that was seen.
    const isRunning = row.state === 'running'
    const decision = decideApprovers(
      { action: 'approvers', terms: instruction },
      {
        standing: current.standing,
        notNext: typeof next === 'string' ? next : null,
        approvedUnixMs: row.sinceUnixMs ?? row.draftedUnixMs,
        waitMs: isRunning ? 0 : approversWaitMs,
        nowUnixMs: region.lawfulNow(),
      },
    )
    if (isRefusal(decision)) return decision
    const approvals = enoughApprovals(current, { id: region.id, countries: new Map() })
    const link: LinkJson = { envelope: row.envelope, approvals }
    const { number } = instruction.change
    const { check, put } = region.book.approvers.append(row.tenant, number, id, link)
    const chain = [...(await region.book.approvers.linksOf(row.tenant)), link]
    const body = { instruction: id, number, chain }
    const entry = region.drafts.draft({ tenant: row.tenant, type: 'approvers.changed', body })
    return { batch: { checks: [check], puts: [put, entry.put] }, objects: 1 }
  })
}
