import type { InstructionId, TenantId } from '../core/ids.ts'

/** What every instruction says, of whatever kind. */
export interface InstructionTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
  readonly purpose: string
  /** Origin of a log, of a transfer its source's: an instruction for one ledger means nothing to another. */
  readonly ledger: string
  /** Key id of whoever drafted and signed it; `null`: nobody says. */
  readonly drafter: string | null
}
