/** Object lock: which versions must not go, and which retention may take the place of which. */
import type { DefaultRetention, ObjectRow, Retention } from './rows.ts'

export interface LockOrder {
  readonly nowUnixMs: number
  /** Who asks may lift locks of governance mode, and says that it wants to. */
  readonly bypassGovernance: boolean
}

/** Whether the version may not be deleted for good. A legal hold stands whatever the retention says. */
export function isLocked(row: ObjectRow, { nowUnixMs, bypassGovernance }: LockOrder): boolean {
  if (row.legalHold === 'ON') return true
  if (row.retention === undefined || row.retention.untilUnixMs <= nowUnixMs) return false
  return row.retention.mode === 'COMPLIANCE' || !bypassGovernance
}

/** Whether a retention may be replaced. To lengthen it is always allowed; anything else weakens it. */
export function mayReplaceRetention(
  before: Retention | undefined,
  after: Retention | null,
  { nowUnixMs, bypassGovernance }: LockOrder,
): boolean {
  if (before === undefined || before.untilUnixMs <= nowUnixMs) return true
  if (after?.mode === before.mode && after.untilUnixMs >= before.untilUnixMs) return true
  return before.mode === 'GOVERNANCE' && bypassGovernance
}

const dayMs = 86_400_000

export function retentionFrom({ mode, unit, count }: DefaultRetention, nowUnixMs: number): Retention {
  return { mode, untilUnixMs: nowUnixMs + count * (unit === 'Days' ? 1 : 365) * dayMs }
}
