/**
 * Carries out an instruction of kind `residency`: from its commit on nothing of the bucket is let go elsewhere. What rests
 * elsewhere by then was let through, and stays.
 */
import type { InstructionId } from '../core/ids.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideResidency } from '../policy/decide-residency.ts'
import { findBucket } from '../store/buckets.ts'
import { type BucketRow, bucketRowKey, encodeRow } from '../store/rows.ts'
import type { ClassifyDeps } from './classify.ts'
import { runInRegion } from './run-in-region.ts'

/** Runs until the instruction has ended. */
export function runResidency(deps: ClassifyDeps, id: InstructionId): Promise<void> {
  const { region } = deps
  return runInRegion(deps, id, async ({ instruction, standing }) => {
    if (instruction.kind !== 'residency') return null
    const bucket = await findBucket(region.catalog, instruction.bucket)
    const decision = decideResidency(
      { action: 'residency', terms: instruction },
      {
        region: region.id,
        ledger: region.logKey.name,
        standing,
        bucket: bucket?.row ?? null,
        nowUnixMs: region.lawfulNow(),
      },
    )
    if (isRefusal(decision)) return decision
    const { tenant, was, regions } = decision.op.terms
    const { residency: _, ...rest } = bucket!.row
    const row: BucketRow = { ...rest, ...(regions !== null && { residency: regions }) }
    const body = { instruction: id, bucket: row.name, from: was, to: regions }
    const batch = {
      // Another change of the bucket in between is seen when it is decided anew.
      checks: [{ table: 'buckets' as const, key: bucketRowKey(row.name), expected: bucket!.bytes }],
      puts: [
        { table: 'buckets' as const, key: bucketRowKey(row.name), value: encodeRow(row) },
        region.drafts.draft({ tenant, type: 'bucket.residency', body }).put,
      ],
    }
    return { batch, objects: 1 }
  })
}
