/** SHA-256 of ranges that a source could not foresee asking for, read from where the bytes rest. */
import { createHash } from 'node:crypto'
import { type Manifest, readManifest } from '../crypto/manifest.ts'
import { contentOf } from '../store/content.ts'
import { noncurrentVersions, originIdOf, readCurrent } from '../store/key-versions.ts'
import { type Place, readPlace } from '../store/places.ts'
import { type BucketRow, isMarker, type VersionRow } from '../store/rows.ts'
import type { TransferRegion } from './peers.ts'
import type { ChallengeRange } from './protocol.ts'

type Stores = Pick<TransferRegion, 'catalog' | 'blobs'>

/** In the order asked; `null` where no such version is here. `keyOf`: of what arrived, the key. */
export async function answerChallenge(
  stores: Stores,
  bucket: BucketRow,
  keyOf: (originId: string) => string | null,
  ranges: readonly ChallengeRange[],
): Promise<(string | null)[]> {
  const wanted = new Map<string, Set<string>>()
  for (const [originId] of ranges) {
    const key = keyOf(originId)
    if (key !== null) wanted.set(key, (wanted.get(key) ?? new Set()).add(originId))
  }
  const digests: (string | null)[] = []
  // Versions of a key stand one after the other, and are looked up in one pass over them.
  let lookedKey: string | null = null
  let looked = new Map<string, VersionRow>()
  for (const [originId, start, end] of ranges) {
    const key = keyOf(originId)
    if (key !== null && lookedKey !== key) {
      looked = await findOrigins(stores, bucket, key, wanted.get(key)!)
      lookedKey = key
    }
    const row = key === null ? undefined : looked.get(originId)
    digests.push(row === undefined ? null : await hashRange(stores, row, start, end))
  }
  return digests
}

async function findOrigins(
  { catalog }: Stores,
  bucket: BucketRow,
  key: string,
  origins: ReadonlySet<string>,
): Promise<Map<string, VersionRow>> {
  const found = new Map<string, VersionRow>()
  const look = (row: VersionRow): void => {
    const originId = originIdOf(bucket.id, key, row)
    if (origins.has(originId)) found.set(originId, row)
  }
  for (let tries = 0; tries < 2 && found.size < origins.size; tries++) {
    const current = await readCurrent(catalog, bucket, key)
    if (current === null) break
    look(current.row)
    if (found.size === origins.size || bucket.versioning === undefined) break
    for await (const { row } of noncurrentVersions(catalog, bucket.id, key)) {
      look(row)
      if (found.size === origins.size) break
    }
  }
  return found
}

async function hashRange(
  stores: Stores,
  row: VersionRow,
  start: number,
  end: number,
): Promise<string | null> {
  if (isMarker(row)) return createHash('sha256').digest('hex')
  const content = await contentOf(stores.catalog, row)
  return content === null
    ? null
    : hashCiphertext(stores, readManifest(content.manifest), content.places, start, end)
}

/** SHA-256 of a range of an object's ciphertext, its parts one after the other. */
export async function hashCiphertext(
  stores: Stores,
  manifest: Manifest,
  places: readonly Place[],
  start: number,
  end: number,
): Promise<string> {
  const hash = createHash('sha256')
  let partStart = 0
  for (const [index, part] of manifest.parts.entries()) {
    const from = Math.max(0, start - partStart)
    const to = Math.min(part.cipherBytes, end - partStart)
    if (from < to) {
      await using reader = await readPlace(stores.catalog, stores.blobs, places[index]!, {
        start: from,
        end: to,
      })
      for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) hash.update(chunk)
    }
    partStart += part.cipherBytes
  }
  return hash.digest('hex')
}
