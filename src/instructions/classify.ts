/**
 * Carries out an instruction of kind `class`: from its commit on the bucket holds another class of data, for every rule
 * that asks. What was let through before stays where it is.
 */
import type { InstructionId, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import type { DraftBox } from '../ledger/drafts.ts'
import { isRefusal } from '../policy/authorized.ts'
import { withClass } from '../policy/bucket-classes.ts'
import { decideClass } from '../policy/decide-class.ts'
import { findBucket } from '../store/buckets.ts'
import type { Catalog } from '../store/catalog.ts'
import { type BucketRow, bucketRowKey, encodeRow } from '../store/rows.ts'
import type { InstructionBook } from './instruction-book.ts'
import { runInRegion } from './run-in-region.ts'

export interface ClassifyDeps {
  readonly region: {
    readonly id: RegionId
    readonly catalog: Catalog
    readonly drafts: DraftBox
    readonly book: InstructionBook
    readonly logKey: { readonly name: string }
    readonly lawfulNow: Clock
  }
  readonly log: Log
}

/** Runs until the instruction has ended. */
export function runClassification(deps: ClassifyDeps, id: InstructionId): Promise<void> {
  const { region } = deps
  return runInRegion(deps, id, async ({ instruction, standing }) => {
    if (instruction.kind !== 'class') return null
    const bucket = await findBucket(region.catalog, instruction.bucket)
    const decision = decideClass(
      { action: 'class', terms: instruction },
      {
        region: region.id,
        ledger: region.logKey.name,
        standing,
        bucket: bucket?.row ?? null,
        nowUnixMs: region.lawfulNow(),
      },
    )
    if (isRefusal(decision)) return decision
    const { tenant, was, dataClass, prefix } = decision.op.terms
    const row: BucketRow =
      prefix === null
        ? { ...bucket!.row, dataClass }
        : { ...bucket!.row, classes: withClass(bucket!.row, prefix, dataClass) }
    const of = prefix === null ? {} : { prefix }
    const body = { instruction: id, bucket: row.name, from: was, to: dataClass, ...of }
    const batch = {
      // Another change of the bucket in between is seen when it is decided anew.
      checks: [{ table: 'buckets' as const, key: bucketRowKey(row.name), expected: bucket!.bytes }],
      puts: [
        { table: 'buckets' as const, key: bucketRowKey(row.name), value: encodeRow(row) },
        region.drafts.draft({ tenant, type: 'bucket.classified', body }).put,
      ],
    }
    return { batch, objects: 1 }
  })
}
