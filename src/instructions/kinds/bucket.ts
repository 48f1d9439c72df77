/** What changes a bucket and moves nothing: its class of data, where its bytes may rest, its key. */
import { z } from 'zod'
import type { BucketName, RegionId } from '../../core/ids.ts'
import { dataClasses } from '../../policy/data-classes.ts'
import type { ClassTerms } from '../../policy/decide-class.ts'
import type { KeyTerms } from '../../policy/decide-key.ts'
import type { ResidencyTerms } from '../../policy/decide-residency.ts'
import { bucket, common, prefix, region } from '../fields.ts'
import type { InstructionTerms } from '../terms.ts'

export interface ClassInstruction extends ClassTerms, InstructionTerms {
  readonly kind: 'class'
}

/** From then on bytes of the bucket may rest in these regions only, whatever a transfer says. */
export interface ResidencyInstruction extends ResidencyTerms, InstructionTerms {
  readonly kind: 'residency'
  readonly ledger: string
}

export interface KeyInstruction extends KeyTerms, InstructionTerms {
  readonly kind: 'key'
  readonly ledger: string
}

export const classSchema = z.strictObject({
  ...common,
  bucket,
  class: z.enum(dataClasses),
  kind: z.literal('class'),
  /** Of the keys that begin so; left out, of the bucket. */
  prefix: prefix.min(1).optional(),
  region,
  was: z.string().min(1).max(64),
})

const regions = z.array(region).min(1).max(64).nullable()
export const residencySchema = z.strictObject({
  ...common,
  bucket,
  kind: z.literal('residency'),
  region,
  regions,
  was: regions,
})

export const keySchema = z.strictObject({
  ...common,
  act: z.enum(['rotate', 'shred']),
  bucket,
  kind: z.literal('key'),
  region,
})

export function readKey(data: z.infer<typeof keySchema>, terms: InstructionTerms): KeyInstruction {
  return {
    ...terms,
    kind: data.kind,
    region: data.region as RegionId,
    bucket: data.bucket as BucketName,
    act: data.act,
  }
}

export function readClass(
  data: z.infer<typeof classSchema>,
  terms: InstructionTerms,
): ClassInstruction | string {
  if (data.class === data.was) return 'it changes nothing'
  return {
    ...terms,
    kind: data.kind,
    region: data.region as RegionId,
    bucket: data.bucket as BucketName,
    prefix: data.prefix ?? null,
    was: data.was,
    dataClass: data.class,
  }
}

export function readResidency(
  data: z.infer<typeof residencySchema>,
  terms: InstructionTerms,
): ResidencyInstruction | string {
  for (const list of [data.regions, data.was]) {
    if (list === null) continue
    if (list.some((id, at) => at > 0 && id <= list[at - 1]!)) return 'its regions do not ascend'
    if (!list.includes(data.region)) return 'a bucket’s bytes rest in its own region in any case'
  }
  if (JSON.stringify(data.regions) === JSON.stringify(data.was)) return 'it changes nothing'
  return {
    ...terms,
    kind: data.kind,
    region: data.region as RegionId,
    bucket: data.bucket as BucketName,
    regions: data.regions as readonly RegionId[] | null,
    was: data.was as readonly RegionId[] | null,
  }
}
