/**
 * Where a part's ciphertext rests: a short one in the catalog (one commit makes it durable with its row), a long
 * one as a blob. This file is the one place that knows both.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import { isHeld } from './backup-hold.ts'
import type { BlobId, BlobReader, BlobStore, ByteRange } from './blob-store.ts'
import type { Add, Catalog, CatalogBatch, Put, Remove } from './catalog.ts'

export interface Place {
  readonly in: 'catalog' | 'blobs'
  readonly id: BlobId
}

/**
 * Ciphertext up to here goes into the catalog: one commit makes it durable, and it fits beside others on a page. What
 * is longer would fill pages of its own, and shares a segment's sync instead.
 */
export const smallBytes = 3 * 1024

/** The row that publishes a short ciphertext along with whatever refers to it. */
export function claimSmall(place: Place, ciphertext: Uint8Array): Put {
  return { table: 'smallblobs', key: utf8(place.id), value: ciphertext }
}

/**
 * The changes that give places up: short ciphertexts go now; blobs, with the rows that say where they are, when the
 * reaper finds that nobody reads them any more.
 */
export function releasePlaces(
  places: readonly Place[],
  nowUnixMs: number,
): Required<Pick<CatalogBatch, 'puts' | 'removes'>> {
  const inCatalog = places.filter(place => place.in === 'catalog')
  const inBlobs = places.filter(place => place.in === 'blobs')
  return {
    puts: inBlobs.map(({ id }) => ({
      table: 'trash' as const,
      key: utf8(id),
      value: utf8(String(nowUnixMs)),
    })),
    removes: [...inCatalog.map(({ id }) => ({ table: 'smallblobs' as const, key: utf8(id) }))],
  }
}

/** Opens a range of a part's ciphertext, wherever it is. Rejects with `not-found` when it was given up meanwhile. */
export async function readPlace(
  catalog: Catalog,
  blobs: BlobStore,
  place: Place,
  range: ByteRange,
): Promise<BlobReader> {
  if (place.in === 'blobs') return blobs.read(place.id, range)
  const bytes = await catalog.get('smallblobs', utf8(place.id))
  if (bytes === null) throw new HoldfastError('not-found', `small blob ${place.id} is not in the catalog`)
  if (bytes.length < range.end) {
    throw new HoldfastError('store-damaged', `small blob ${place.id} is shorter than its record says`)
  }
  let chunk: Uint8Array | null = bytes.subarray(range.start, range.end)
  return {
    async next() {
      const now = chunk
      chunk = null
      return now !== null && now.length > 0 ? now : null
    },
    async [Symbol.asyncDispose]() {},
  }
}

/**
 * Removes the blobs that have been in the trash for `graceMs`, unless a backup holds them. Crash points: between the removal and its commit, the blob is removed again at the
 * next run, which does nothing more.
 */
export async function emptyTrash(
  catalog: Catalog,
  blobs: BlobStore,
  clock: Clock,
  graceMs: number,
): Promise<number> {
  const beforeUnixMs = clock() - graceMs
  let removed = 0
  for (let from: Uint8Array | undefined; ; ) {
    const rows = await catalog.scan('trash', { limit: 500, ...(from && { from }) })
    // After the page and not before: a hold that comes later is of a snapshot that has this page's rows.
    if (await isHeld(catalog, clock())) return removed
    const due = rows.filter(row => Number(fromUtf8(row.value)) <= beforeUnixMs)
    const removes: Remove[] = due.map(({ key }) => ({ table: 'trash', key }))
    const adds: Add[] = []
    for (const { key } of due) {
      const batch = await blobs.remove(fromUtf8(key) as BlobId)
      removes.push(...(batch.removes ?? []))
      adds.push(...(batch.adds ?? []))
    }
    if (due.length > 0) await catalog.commit({ removes, adds })
    removed += due.length
    if (rows.length < 500) return removed
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
}
