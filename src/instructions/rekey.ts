/**
 * Carries out an instruction of kind `key`: a new bucket key for what is written from then on, or the end of all that the
 * bucket has. Copies in other regions have the wrapped key of their own, and backups of before hold it: those end with the
 * key holder's key, or with an instruction there.
 *
 * Crash points: a new key is made before the commit that uses it; one that no commit used is known to the holder's journal
 * alone, and wraps nothing.
 */
import { utf8 } from '../core/bytes.ts'
import type { InstructionId, TenantId } from '../core/ids.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideKey } from '../policy/decide-key.ts'
import { findBucket } from '../store/buckets.ts'
import type { Catalog, CatalogBatch, Put } from '../store/catalog.ts'
import { keysOf, noForeignArrivalSince } from '../store/foreign-keys.ts'
import { storedVersions } from '../store/fsck-versions.ts'
import {
  type BucketKeyRow,
  type BucketRow,
  bucketRowKey,
  encodeRow,
  type ShreddedKeyRow,
} from '../store/rows.ts'
import type { ClassifyDeps } from './classify.ts'
import { runInRegion } from './run-in-region.ts'

export interface RekeyDeps extends ClassifyDeps {
  /** Has the tenant's key holder wrap a new key. */
  readonly newBucketKey: (tenant: TenantId, instruction: InstructionId) => Promise<Omit<BucketKeyRow, 'v'>>
}

/** Runs until the instruction has ended; rejects while the key holder cannot be reached. */
export function runRekeying(deps: RekeyDeps, id: InstructionId): Promise<void> {
  const { region } = deps
  const { catalog, drafts } = region
  return runInRegion(deps, id, async ({ instruction, row: current, standing }) => {
    if (instruction.kind !== 'key') return null
    const bucket = await findBucket(catalog, instruction.bucket)
    const isShredding = instruction.act === 'shred'
    const noneSince =
      bucket === null || !isShredding ? null : await noForeignArrivalSince(catalog, bucket.row)
    const decision = decideKey(
      { action: 'key', terms: instruction },
      {
        region: region.id,
        ledger: region.logKey.name,
        standing,
        bucket: bucket?.row ?? null,
        foreign: bucket === null || !isShredding ? null : await foreignIn(catalog, bucket.row),
        nowUnixMs: region.lawfulNow(),
      },
    )
    if (isRefusal(decision)) return decision
    // It runs from here on; what is done is made in the next round, once.
    if (current.state === 'approved') return { batch: {}, objects: 0 }
    const { row, bytes } = bucket!
    const { tenant } = decision.op.terms
    const check = { table: 'buckets' as const, key: bucketRowKey(row.name), expected: bytes }
    if (isShredding) {
      const keys = keysOf(row)
      const puts = keys.map((bucketKeyId): Put => {
        const gone: ShreddedKeyRow = { v: 1, bucketKeyId, tenant, shredded: id }
        return { table: 'bucketkeys', key: utf8(bucketKeyId), value: encodeRow(gone) }
      })
      const body = { instruction: id, bucket: row.name, bucketKeyIds: keys }
      const entry = drafts.draft({ tenant, type: 'bucketkey.shredded', body })
      return { batch: { checks: [check, noneSince!], puts: [...puts, entry.put] }, objects: keys.length }
    }
    const key = await deps.newBucketKey(tenant, id)
    const { bucketKeyId, checkValue, wrapped } = key
    const next: BucketRow = { ...row, bucketKeyId, earlierKeys: keysOf(row) }
    const made = { bucket: row.name, bucketKeyId, holderKeyId: wrapped.holderKeyId, checkValue }
    const keyRow: BucketKeyRow = { v: 1, ...key }
    const batch: CatalogBatch = {
      checks: [check],
      puts: [
        { table: 'buckets', key: bucketRowKey(row.name), value: encodeRow(next) },
        { table: 'bucketkeys', key: utf8(bucketKeyId), value: encodeRow(keyRow) },
        drafts.draft({ tenant, type: 'bucketkey.created', body: { ...made, instruction: id } }).put,
      ],
    }
    return { batch, objects: 1 }
  })
}

async function foreignIn(catalog: Catalog, bucket: BucketRow): Promise<string | null> {
  const own = new Set(keysOf(bucket))
  for await (const { key, row } of storedVersions(catalog, bucket.id))
    if (!own.has(row.bucketKeyId)) return key
  return null
}
