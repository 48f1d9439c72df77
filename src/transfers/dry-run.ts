/** What a transfer would move, and under which rules, before anybody orders it. Reads only. */
import type { CountryCode, RegionId } from '../core/ids.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import { type VerdictJson, verdictJson } from '../policy/packs/verdict-json.ts'
import type { BucketRow } from '../store/rows.ts'
import { lostVersions } from './keeping.ts'
import { classLost, lawOf } from './law.ts'
import { listDigest, pageDigest } from './list.ts'
import type { TransferRegion } from './peers.ts'
import { listedPages } from './plan.ts'

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

export interface DryRun {
  readonly objects: number
  /** Of ciphertext, as limits count; and of content. */
  readonly bytes: number
  readonly contentBytes: number
  /** The first keys, in their order. */
  readonly first: readonly string[]
  readonly withinLimits: boolean
  /** Hex SHA-256 of what would go, for an instruction that is to be bound to exactly this (docs/formats/transfer.md). */
  readonly list: string
  /** What each end says, of its own bucket. */
  readonly law: readonly EndLaw[]
  /** `null`, or why what would come loses the rules that it is under. */
  readonly classLost: string | null
  /** `null`, or why not all versions that would come could stay. */
  readonly versionsLost: string | null
  /** Whether it would be let through as things stand. */
  readonly allowed: boolean
}

const shownKeys = 20

export async function dryRun(
  instruction: TransferInstruction,
  source: DryRunEnd,
  destination: DryRunEnd,
): Promise<DryRun> {
  let objects = 0
  let bytes = 0
  let contentBytes = 0
  const first: string[] = []
  const pages: string[] = []
  const { catalog } = source.region
  for await (const page of listedPages(catalog, source.bucket, instruction)) {
    pages.push(pageDigest(page))
    objects += page.length
    for (const item of page) {
      bytes += item.ciphertextBytes
      contentBytes += item.sizeBytes
      if (first.length < shownKeys) first.push(item.key)
    }
  }
  const { limits } = instruction
  const withinLimits =
    (limits.objects === null || objects <= limits.objects) && (limits.bytes === null || bytes <= limits.bytes)
  const [from, to] = [source.region.country, destination.region.country]
  const law = [
    await lawAt(source, instruction, { from, to }),
    await lawAt(destination, instruction, { from, to }),
  ]
  const lost = classLost(source.bucket, destination.bucket, instruction.prefix)
  const versionsLost = lostVersions(instruction, destination.bucket)
  const allowed =
    withinLimits &&
    lost === null &&
    versionsLost === null &&
    law.every(({ outcome, ownPolicy }) => outcome === 'allowed' && ownPolicy === null)
  const list = listDigest(pages)
  return {
    objects,
    bytes,
    contentBytes,
    first,
    list,
    withinLimits,
    law,
    classLost: lost,
    versionsLost,
    allowed,
  }
}

async function lawAt(
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
