/** May the bytes of this bucket rest in these regions from now on? Asked by the region that holds it, right before. */
import type { BucketName, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Authorized, Refusal } from './authorized.ts'
import { refuseStanding, type Standing } from './decide-transfer.ts'
import { mint, noObligations } from './mint.ts'

export interface ResidencyTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly region: RegionId
  readonly bucket: BucketName
  readonly ledger: string
  /** `null`: wherever an approved transfer brings them. */
  readonly regions: readonly RegionId[] | null
  /** What the approvers saw that it is. */
  readonly was: readonly RegionId[] | null
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
}

export interface ResidencyFacts {
  readonly region: RegionId
  readonly ledger: string
  readonly standing: Standing
  readonly bucket: { readonly tenant: TenantId; readonly residency?: readonly RegionId[] } | null
  readonly nowUnixMs: number
}

export interface ResidencyStep {
  readonly action: 'residency'
  readonly terms: ResidencyTerms
}

export function decideResidency(
  step: ResidencyStep,
  facts: ResidencyFacts,
): Authorized<ResidencyStep> | Refusal {
  const { terms } = step
  const { bucket, ledger, region } = facts
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
  if (JSON.stringify(bucket.residency ?? null) !== JSON.stringify(terms.was))
    return outOfScope(`Bytes of ${terms.bucket} may rest elsewhere by now than the approvers were shown.`)
  return mint(step, noObligations)
}
