/** What a transfer would move, and under which rules, before anybody orders it. Reads only. */
import { concat, utf8 } from '../core/bytes.ts'
import type { RegionId } from '../core/ids.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import { type VerdictJson, verdictJson } from '../policy/packs/verdict-json.ts'
import { type BucketRow, bucketPrefix, decodeRow, type ObjectRow } from '../store/rows.ts'
import { rowsOf } from '../store/rows-of.ts'
import { classLost, lawOf } from './law.ts'
import type { TransferRegion } from './peers.ts'

/** One end, with the bucket that it has. */
export interface DryRunEnd {
  readonly region: Pick<TransferRegion, 'id' | 'country' | 'catalog' | 'packs' | 'lawfulNow'>
  readonly bucket: BucketRow
}

export interface DryRun {
  readonly objects: number
  /** Of ciphertext, as limits count; and of content. */
  readonly bytes: number
  readonly contentBytes: number
  /** The first keys, in their order. */
  readonly first: readonly string[]
  readonly withinLimits: boolean
  /** What each end's packs say, of its own bucket. */
  readonly law: readonly (VerdictJson & { readonly region: RegionId; readonly bucket: string })[]
  /** `null`, or why what would come loses the rules that it is under. */
  readonly classLost: string | null
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
  const base = bucketPrefix(source.bucket.id)
  const range = { prefix: concat(base, utf8(instruction.prefix)) }
  for await (const { key, value } of rowsOf(source.region.catalog, 'objects', range)) {
    const row = decodeRow<ObjectRow>(value)
    objects++
    bytes += row.ciphertextBytes
    contentBytes += row.sizeBytes
    if (first.length < shownKeys) first.push(Buffer.from(key.subarray(base.length)).toString('utf8'))
  }
  const { limits } = instruction
  const withinLimits =
    (limits.objects === null || objects <= limits.objects) && (limits.bytes === null || bytes <= limits.bytes)
  const [from, to] = [source.region.country, destination.region.country]
  const law = [source, destination].map(({ region, bucket }) => {
    const now = region.lawfulNow()
    const { facts, verdict } = lawOf(
      region.packs,
      instruction,
      { from, to, dataClass: bucket.dataClass },
      now,
    )
    return { region: region.id, bucket: bucket.name, ...verdictJson(region.packs, facts, now, verdict) }
  })
  const lost = classLost(source.bucket.dataClass, destination.bucket)
  const allowed = withinLimits && lost === null && law.every(({ outcome }) => outcome === 'allowed')
  return { objects, bytes, contentBytes, first, withinLimits, law, classLost: lost, allowed }
}
