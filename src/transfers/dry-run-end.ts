/** What an end would say to a transfer, from what it knows itself. Reads only. */
import type { CountryCode, RegionId } from '../core/ids.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import type { ClassedBucket } from '../policy/bucket-classes.ts'
import { type VerdictJson, verdictJson } from '../policy/packs/verdict-json.ts'
import type { BucketRow } from '../store/rows.ts'
import { lostVersions } from './keeping.ts'
import { classLost, lawOf } from './law.ts'
import type { TransferRegion } from './peers.ts'

/** One end, with the bucket that it has. */
export interface DryRunEnd {
  readonly region: Pick<TransferRegion, 'id' | 'country' | 'catalog' | 'packs' | 'lawfulNow' | 'book'>
  readonly bucket: BucketRow
}

/** What an end's packs say, and why the tenant's own policy refuses it there; `null`: it does not. */
export interface EndLaw extends VerdictJson {
  readonly region: RegionId
  readonly bucket: string
  readonly ownPolicy: string | null
}

/** What only the destination can say. */
export interface TheirEnd {
  readonly law: EndLaw
  /** `null`, or why what would come loses the rules that it is under. */
  readonly classLost: string | null
  /** `null`, or why not all versions that would come could stay. */
  readonly versionsLost: string | null
  /** Id of the document that the tenant's set of approvers is from there. */
  readonly head: string
}

export async function destinationSays(
  end: DryRunEnd,
  instruction: TransferInstruction,
  from: { readonly country: CountryCode; readonly bucket: ClassedBucket },
): Promise<TheirEnd> {
  return {
    law: await lawAt(end, instruction, { from: from.country, to: end.region.country }),
    classLost: classLost(from.bucket, end.bucket, instruction.prefix),
    versionsLost: lostVersions(instruction, end.bucket),
    head: (await end.region.book.approvers.setOf(instruction.tenant)).id,
  }
}

export async function lawAt(
  { region, bucket }: DryRunEnd,
  instruction: TransferInstruction,
  countries: { readonly from: CountryCode; readonly to: CountryCode },
): Promise<EndLaw> {
  const now = region.lawfulNow()
  const set = await region.book.approvers.setOf(instruction.tenant)
  const places = { here: region.id, ...countries, bucket, set }
  const { facts, verdict, own } = lawOf(region.packs, instruction, places, now)
  return {
    ...{ region: region.id, bucket: bucket.name, ownPolicy: own?.refusal ?? null },
    ...verdictJson(region.packs, facts, now, verdict),
  }
}
