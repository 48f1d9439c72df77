/**
 * Whether an instruction still stands, asked at every object. To judge it means opening signatures, which costs a
 * millisecond; so a judgement is kept for as long as the rows that it was made from are the same bytes, the instruction
 * has not expired, and no longer than a second (what else bears on it: the chain of approvers, dates of the law). A
 * revocation is such a row, so it is seen at the next object after the turn of the event loop in which it was committed.
 */
import { equalBytes, utf8 } from '../core/bytes.ts'
import type { BucketName, InstructionId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { type Catalog, prefixEnd } from '../store/catalog.ts'
import { bucketRowKey } from '../store/rows.ts'

export interface StandingOf {
  readonly catalog: Catalog
  readonly id: InstructionId
  /** This end's. */
  readonly bucket: BucketName
  readonly expiresUnixMs: number
  readonly lawfulNow: Clock
}

const keptMs = 1000

/** `judge` throws where the instruction does not stand. */
export function createStanding<Judgement>(
  { catalog, id, bucket, expiresUnixMs, lawfulNow }: StandingOf,
  judge: () => Promise<Judgement>,
): () => Promise<Judgement> {
  let kept: { judgement: Judgement; rows: readonly Uint8Array[]; atUnixMs: number } | null = null
  // What is committed becomes visible between two turns of the event loop, so rows are compared once in each.
  let isCompared = false
  const turnOver = (): void => {
    isCompared = false
  }

  const rowsNow = async (): Promise<Uint8Array[]> => {
    const row = utf8(id)
    const verdicts = await catalog.scan('verdicts', { from: row, to: prefixEnd(row)!, limit: 1000 })
    return [
      (await catalog.get('instructions', row)) ?? new Uint8Array(0),
      (await catalog.get('buckets', bucketRowKey(bucket))) ?? new Uint8Array(0),
      ...verdicts.map(({ value }) => value),
    ]
  }

  const isTimely = (atUnixMs: number): boolean =>
    kept !== null && atUnixMs < expiresUnixMs && atUnixMs - kept.atUnixMs < keptMs

  return async () => {
    const atUnixMs = lawfulNow()
    if (isCompared && isTimely(atUnixMs)) return kept!.judgement
    // Before it is judged: what changes meanwhile makes the next look judge again.
    const rows = await rowsNow()
    if (
      isTimely(atUnixMs) &&
      rows.length === kept!.rows.length &&
      rows.every((row, index) => equalBytes(row, kept!.rows[index]!))
    ) {
      isCompared = true
      process.nextTick(turnOver)
      return kept!.judgement
    }
    kept = null
    const judgement = await judge()
    kept = { judgement, rows, atUnixMs }
    isCompared = false
    return judgement
  }
}
