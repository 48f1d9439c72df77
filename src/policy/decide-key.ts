/** May this bucket get a new key, or lose those that it has? Asked by the region that holds it, right before. */
import type { BucketName, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Authorized, Refusal } from './authorized.ts'
import { refuseStanding, type Standing } from './decide-transfer.ts'
import { mint, noObligations } from './mint.ts'

export interface KeyTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly region: RegionId
  readonly bucket: BucketName
  readonly ledger: string
  /** `rotate`: what is written from then on is under a new key. `shred`: nobody reads what is there ever again. */
  readonly act: 'rotate' | 'shred'
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
}

export interface KeyFacts {
  readonly region: RegionId
  readonly ledger: string
  readonly standing: Standing
  readonly bucket: { readonly tenant: TenantId } | null
  /** A version in the bucket that is under a key that is not the bucket's own; `null`: there is none. */
  readonly foreign: string | null
  readonly nowUnixMs: number
}

export interface KeyStep {
  readonly action: 'key'
  readonly terms: KeyTerms
}

export function decideKey(step: KeyStep, facts: KeyFacts): Authorized<KeyStep> | Refusal {
  const { terms } = step
  const { bucket, foreign, ledger, region } = facts
  const standing = refuseStanding(terms, { ...facts, phase: 'send' })
  if (standing !== null) return standing
  const outOfScope = (message: string): Refusal => ({
    refused: true,
    rule: 'instruction-out-of-scope',
    message,
  })
  if (terms.region !== region) return outOfScope(`The instruction is for ${terms.region}, not for ${region}.`)
  if (terms.ledger !== ledger)
    return outOfScope(`The instruction is for the ledger ${terms.ledger}, not for this one.`)
  if (bucket === null || bucket.tenant !== terms.tenant)
    return outOfScope(`The tenant has no bucket ${terms.bucket} in ${region}.`)
  // It would be called shredded, and could be read.
  if (terms.act === 'shred' && foreign !== null)
    return outOfScope(
      `${terms.bucket} holds versions that came by a transfer and are under another bucket's key, such as ${foreign}. Delete those first.`,
    )
  return mint(step, noObligations)
}
