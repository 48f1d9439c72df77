/** May these entries be erased, now? Asked by the region that holds them, right before it does. */
import type { EntryId, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Authorized, Refusal } from './authorized.ts'
import { refuseStanding, type Standing } from './decide-transfer.ts'
import { mint, noObligations } from './mint.ts'

export interface EraseTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly region: RegionId
  /** Sequence number and id, ascending. */
  readonly entries: readonly (readonly [seq: number, id: EntryId])[]
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
}

export interface EraseFacts {
  readonly region: RegionId
  readonly standing: Standing
  /** What speaks against it, by entry; found by whoever holds the entries. */
  readonly objections: readonly string[]
  readonly nowUnixMs: number
}

export interface EraseStep {
  readonly action: 'erase'
  readonly terms: EraseTerms
}

/** All of it or nothing: one entry that must stay refuses the whole instruction. */
export function decideErase(step: EraseStep, facts: EraseFacts): Authorized<EraseStep> | Refusal {
  const { terms } = step
  const standing = refuseStanding(terms, { ...facts, phase: 'send' })
  if (standing !== null) return standing
  const [objection] = facts.objections
  const outOfScope = (message: string): Refusal => ({
    refused: true,
    rule: 'instruction-out-of-scope',
    message,
  })
  if (terms.region !== facts.region)
    return outOfScope(`The instruction is for ${terms.region}, not for ${facts.region}.`)
  if (objection !== undefined) return outOfScope(objection)
  return mint(step, noObligations)
}
