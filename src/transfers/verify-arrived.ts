/**
 * The end of a transfer: every version that arrived answers for a range of its ciphertext that the destination could not
 * foresee. One that entered an arrival without keeping the bytes cannot.
 */
import { randomInt } from 'node:crypto'
import { readManifest } from '../crypto/manifest.ts'
import { contentOf } from '../store/content.ts'
import { findOrigin } from '../store/key-versions.ts'
import { type BucketRow, encodeRow, isMarker } from '../store/rows.ts'
import { hashCiphertext } from './answer-challenge.ts'
import { type BatchRow, batchKey } from './batches.ts'
import { addTally } from './progress.ts'
import { type ChallengeRange, challengeLimits, type TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'
import type { Run } from './sender-state.ts'

const challengeBytes = challengeLimits.rangeBytes
/** A request asks for no more than this to be hashed at either end. */
const { requestBytes } = challengeLimits
const named = 5

interface Challenge {
  readonly range: ChallengeRange
  readonly item: TransferItem
  readonly ours: string
}

/** Keys of what is not there as it departed. What the source itself has no more cannot be compared, and is passed over. */
export async function challengeItems(
  run: Run,
  batch: number,
  bucket: BucketRow,
  items: readonly TransferItem[],
): Promise<{ verified: number; wrong: string[] }> {
  const wrong: string[] = []
  let verified = 0
  let asked: Challenge[] = []
  let bytes = 0
  const ask = async (): Promise<void> => {
    const digests = await run.client.challenge(
      batch,
      asked.map(({ range }) => range),
    )
    for (const [index, { item, ours }] of asked.entries()) {
      if (digests[index] === ours) verified++
      else wrong.push(item.key)
    }
    asked = []
    bytes = 0
  }
  for (const item of items) {
    const challenge = await challengeOf(run, bucket, item)
    if (challenge === null) continue
    asked.push(challenge)
    bytes += challenge.range[2] - challenge.range[1]
    if (bytes >= requestBytes) await ask()
  }
  if (asked.length > 0) await ask()
  return { verified, wrong }
}

async function challengeOf(run: Run, bucket: BucketRow, item: TransferItem): Promise<Challenge | null> {
  const { region } = run.deps
  const { originId } = item
  const found = await findOrigin(region.catalog, bucket, item.key, originId)
  if (found === null) return null
  const { row } = found
  const content = isMarker(row) ? null : await contentOf(region.catalog, row)
  if (isMarker(row)) return { item, range: [originId, 0, 0], ours: item.ciphertextSha256 }
  if (content === null) return null
  const start = randomInt(Math.max(1, Math.min(row.ciphertextBytes - 1, 2 ** 47)))
  const end = Math.min(row.ciphertextBytes, start + challengeBytes)
  const ours = await hashCiphertext(region, readManifest(content.manifest), content.places, start, end)
  return { item, range: [originId, start, end], ours }
}

/** Counted once, also where a move was killed in the middle of its deletions and is verified again. */
export async function markVerified(
  { id, deps }: Run,
  batch: BatchRow,
  verified: number,
  state: 'arrived' | 'done',
): Promise<BatchRow> {
  const row: BatchRow = { ...batch, state, isVerified: true }
  await deps.region.catalog.commit({
    puts: [{ table: 'batches', key: batchKey(id, batch.batch), value: encodeRow(row) }],
    adds: batch.isVerified === true ? [] : [addTally(id, { verified })],
  })
  return row
}

export function demandVerified(wrong: readonly string[], region: string): void {
  if (wrong.length === 0) return
  const more = wrong.length > named ? ` and ${wrong.length - named} more` : ''
  throw new TransferRefused(
    'arrival-not-verified',
    `${region} entered the arrival of what it does not have as it departed: ${wrong.slice(0, named).join(', ')}${more}.`,
  )
}
