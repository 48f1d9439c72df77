/** May this bucket be of another class of data from now on? Asked by the region that holds it, right before it does. */
import type { BucketName, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Authorized, Refusal } from './authorized.ts'
import { type ClassedBucket, classOfKey } from './bucket-classes.ts'
import type { DataClass } from './data-classes.ts'
import { refuseStanding, type Standing } from './decide-transfer.ts'
import { mint, noObligations } from './mint.ts'

/** Each is looked at for every transfer. */
const maxPrefixes = 100

export interface ClassTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly region: RegionId
  readonly bucket: BucketName
  /** Of the keys that begin so; `null`: of all that no prefix says otherwise of. */
  readonly prefix: string | null
  /** What the approvers saw that it is. */
  readonly was: string
  readonly dataClass: DataClass
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
}

export interface ClassFacts {
  readonly region: RegionId
  readonly ledger: string
  readonly standing: Standing
  readonly bucket: (ClassedBucket & { readonly tenant: TenantId }) | null
  readonly nowUnixMs: number
}

export interface ClassStep {
  readonly action: 'class'
  readonly terms: ClassTerms & { readonly ledger: string }
}

export function decideClass(step: ClassStep, facts: ClassFacts): Authorized<ClassStep> | Refusal {
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
  const is = terms.prefix === null ? bucket.dataClass : classOfKey(bucket, terms.prefix)
  if (is !== terms.was)
    return outOfScope(
      `${terms.bucket}${terms.prefix === null ? '' : `/${terms.prefix}*`} holds ${is} data, and not ${terms.was} data as the approvers were shown.`,
    )
  const isNew = terms.prefix !== null && !bucket.classes?.some(({ prefix }) => prefix === terms.prefix)
  if (isNew && (bucket.classes?.length ?? 0) >= maxPrefixes)
    return outOfScope(`${terms.bucket} has classes for ${maxPrefixes} prefixes, and cannot have more.`)
  return mint(step, noObligations)
}
