/**
 * The versions of a batch on their way: short ones many to a request, a long one in a request of its own. Before each
 * the instruction is judged again, and the request ends early where it was paused or another step has failed.
 */
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { readManifest } from '../crypto/manifest.ts'
import { contentOf, type FoundContent } from '../store/content.ts'
import { findOrigin, readCurrent, readNoncurrent } from '../store/key-versions.ts'
import { readPlace } from '../store/places.ts'
import {
  type BucketKeyRow,
  type BucketRow,
  decodeRow,
  isMarker,
  type ShreddedKeyRow,
  type VersionRow,
} from '../store/rows.ts'
import type { DepartingItem } from './departure.ts'
import { frameHead } from './frame.ts'
import { lostIn } from './keeping.ts'
import { paceOf } from './pace.ts'
import type { Head, ObjectHead, RefusedObject, TransferItem } from './protocol.ts'
import { sentRow } from './scope.ts'
import { demandGoing, type Run } from './sender-state.ts'

/** An item that departed in this run or, after a start, one before: then its version is looked for. */
export type SentItem = TransferItem & Partial<Pick<DepartingItem, 'versionId'>>

const shortBytes = 8 * 2 ** 20
const requestBytes = 16 * 2 ** 20
const requestsAtOnce = 4
const pausedMs = 500
const chunkBytes = 256 * 1024

/** What did not make it, and why. */
export async function sendObjects(
  run: Run,
  batch: number,
  items: readonly SentItem[],
): Promise<Map<string, string>> {
  const missing = new Map<string, string>()
  const queue = requestsOf(items)
  const worker = async (): Promise<void> => {
    for (let request = queue.shift(); request !== undefined; request = queue.shift())
      await sendRequest(run, batch, request, missing)
  }
  await Promise.all(Array.from({ length: requestsAtOnce }, worker))
  return missing
}

function requestsOf(items: readonly SentItem[]): SentItem[][] {
  const requests: SentItem[][] = []
  let last: SentItem[] = []
  let bytes = requestBytes
  for (const item of items) {
    // A long one goes alone: others go on beside it.
    const isLong = item.ciphertextBytes > shortBytes
    bytes += item.ciphertextBytes
    if (isLong || bytes > requestBytes) {
      last = []
      requests.push(last)
      bytes = isLong ? requestBytes : item.ciphertextBytes
    }
    last.push(item)
  }
  return requests
}

async function sendRequest(
  run: Run,
  batch: number,
  items: SentItem[],
  missing: Map<string, string>,
): Promise<void> {
  const left = [...items]
  while (left.length > 0) {
    await whilePaused(run)
    using _slot = await run.requests.take()
    demandGoing(run)
    const isLong = left.length === 1 && left[0]!.ciphertextBytes > shortBytes
    const refused = isLong
      ? await sendLong(run, batch, left, missing)
      : await run.client.sendObjects(batch, frames(run, left, missing))
    for (const { originId, rule, message } of refused) missing.set(originId, `${rule}: ${message}`)
    demandGoing(run)
  }
}

/** Opened before the request begins: its length is told. */
async function sendLong(
  run: Run,
  batch: number,
  left: SentItem[],
  missing: Map<string, string>,
): Promise<RefusedObject[]> {
  const { bucket } = await run.standing()
  const { bytesPerSecond } = await paceOf(run.deps.region.catalog, run.id)
  const item = left.shift()!
  const found = await open(run, bucket.row, item)
  if (typeof found === 'string') {
    missing.set(item.originId, found)
    return []
  }
  const head = frameHead(found.head)
  async function* frame(): AsyncGenerator<Uint8Array, void> {
    yield head
    for await (const chunk of ciphertext(run, found as OpenVersion)) yield* paced(run, chunk, bytesPerSecond)
  }
  return run.client.sendObjects(batch, frame(), head.length + item.ciphertextBytes)
}

/** Returns once it may go on. Judged all the while: a revocation ends a paused transfer too. */
export async function whilePaused(run: Run): Promise<void> {
  const { deps, id } = run
  while ((await paceOf(deps.region.catalog, id)).paused) {
    demandGoing(run)
    await run.standing()
    await deps.sleep(pausedMs)
  }
}

/** Takes from `left` what it has sent or found missing; ends early at a pause. */
async function* frames(
  run: Run,
  left: SentItem[],
  missing: Map<string, string>,
): AsyncGenerator<Uint8Array, void> {
  const { catalog } = run.deps.region
  const { id } = run
  let held: Uint8Array[] = []
  let heldBytes = 0
  for (let item = left[0]; item !== undefined; item = left[0]) {
    const { bucket } = await run.standing()
    const { paused, bytesPerSecond } = await paceOf(catalog, id)
    if (paused || run.stopping.signal.aborted) break
    const found = await open(run, bucket.row, item)
    left.shift()
    if (typeof found === 'string') {
      missing.set(item.originId, found)
      continue
    }
    held.push(frameHead(found.head))
    heldBytes += held.at(-1)!.length
    for await (const chunk of ciphertext(run, found)) {
      held.push(chunk)
      heldBytes += chunk.length
      if (heldBytes < chunkBytes) continue
      yield* paced(run, Buffer.concat(held, heldBytes), bytesPerSecond)
      held = []
      heldBytes = 0
    }
  }
  if (heldBytes > 0) yield* paced(run, Buffer.concat(held, heldBytes), null)
}

/** In pieces that leave within the second: a slow transfer must not look like one that has stopped. */
async function* paced(
  { deps, throttle, own, meter }: Run,
  bytes: Uint8Array,
  bytesPerSecond: number | null,
): AsyncGenerator<Uint8Array, void> {
  const slowest = Math.min(
    bytesPerSecond ?? Number.POSITIVE_INFINITY,
    deps.bytesPerSecond || Number.POSITIVE_INFINITY,
  )
  const piece = Math.max(4096, Math.min(bytes.length, Math.floor(slowest / 4)))
  for (let at = 0; at < bytes.length; at += piece) {
    // A piece that is small may still be waiting for the socket when the next is asked for.
    const chunk = piece < bytes.length ? Buffer.from(bytes.subarray(at, at + piece)) : bytes
    if (deps.isStopped?.()) throw new HoldfastError('shutting-down', 'the executor stops')
    await own.take(chunk.length, bytesPerSecond)
    await throttle.take(chunk.length, deps.bytesPerSecond)
    meter.count(chunk.length)
    yield chunk
  }
}

interface OpenVersion {
  readonly head: Head
  /** `null`: a delete marker. */
  readonly content: FoundContent | null
}

const gone = 'replaced or deleted at the source since it departed'

async function open(run: Run, bucket: BucketRow, item: SentItem): Promise<OpenVersion | string> {
  const { catalog, lawfulNow } = run.deps.region
  const row = await findVersion(run, bucket, item)
  if (row === null) return gone
  const content = isMarker(row) ? null : await contentOf(catalog, row)
  const keyBytes = isMarker(row) ? null : await catalog.get('bucketkeys', utf8(row.bucketKeyId))
  const sent = sentRow(bucket.id, item.key, row, content?.partChecksums ?? null)
  const lost = lostIn(sent, run.keeping(), lawfulNow())
  if (lost !== null) return `${lost.rule}: ${lost.message}`
  if (isMarker(row)) return { head: { key: item.key, row: sent } as Head, content: null }
  if (content === null || keyBytes === null) return gone
  const bucketKey = decodeRow<BucketKeyRow | ShreddedKeyRow>(keyBytes)
  if ('shredded' in bucketKey) return 'its key was destroyed on an instruction'
  const head: ObjectHead = {
    key: item.key,
    row: sent as ObjectHead['row'],
    manifest: Buffer.from(content.manifest).toString('base64'),
    bucketKey,
  }
  return { head, content }
}

async function findVersion(run: Run, bucket: BucketRow, item: SentItem): Promise<VersionRow | null> {
  const { catalog } = run.deps.region
  const { key, versionId, originId } = item
  if (versionId !== undefined) {
    const current = await readCurrent(catalog, bucket, key)
    if (current?.row.versionId === versionId) return current.row
    const older =
      bucket.versioning === undefined ? null : await readNoncurrent(catalog, bucket.id, key, versionId)
    if (older !== null) return older.row
  }
  return (await findOrigin(catalog, bucket, key, originId))?.row ?? null
}

async function* ciphertext(run: Run, { content }: OpenVersion): AsyncGenerator<Uint8Array, void> {
  if (content === null) return
  const { catalog, blobs } = run.deps.region
  for (const [index, part] of readManifest(content.manifest).parts.entries()) {
    const place = content.places[index]!
    const whole = place.in === 'blobs' ? await blobs.readWhole(place.id, part.cipherBytes) : null
    if (whole !== null) {
      yield whole
      continue
    }
    await using reader = await readPlace(catalog, blobs, place, { start: 0, end: part.cipherBytes })
    // A chunk that is short waits for others, or for the socket: copied, for the reader fills its buffer again.
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next())
      yield chunk.length < chunkBytes ? Buffer.from(chunk) : chunk
  }
}
