/**
 * Reads back what is stored, version by version, and holds every part's ciphertext against the SHA-256 that its
 * manifest has for it (the ledger's entry commits to both). Needs no key, so it can run day and night; what a disk
 * lost shows here and not on the day when somebody reads it.
 */
import { createHash } from 'node:crypto'
import { hasCode, messageOf } from '../core/errors.ts'
import { readManifest } from '../crypto/manifest.ts'
import type { BlobStore } from './blob-store.ts'
import type { Catalog } from './catalog.ts'
import { contentOf } from './content.ts'
import { isStored, storedVersions } from './fsck-versions.ts'
import { readPlace } from './places.ts'
import type { ObjectRow } from './rows.ts'

export interface ScrubDeps {
  readonly catalog: Catalog
  readonly blobs: BlobStore
  /** Called with bytes as they are read; the scrub goes on when it resolves. */
  readonly pace: (bytes: number) => Promise<void>
  readonly onFault: (fault: ScrubFault) => void
  readonly stopped: () => boolean
}

export interface ScrubFault {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
  readonly what: string
}

export interface ScrubReport {
  readonly versions: number
  readonly bytes: number
  readonly faults: number
  /** False: it was stopped on the way. */
  readonly whole: boolean
}

export async function scrubStore(deps: ScrubDeps): Promise<ScrubReport> {
  let versions = 0
  let bytes = 0
  let faults = 0
  for await (const { bucketId, key, row } of storedVersions(deps.catalog)) {
    if (deps.stopped()) return { versions, bytes, faults, whole: false }
    try {
      bytes += await scrubVersion(deps, row)
      versions++
    } catch (error) {
      if (hasCode(error, 'not-found')) {
        // Replaced while it was read, or moved by compaction: the next round sees what is there then.
        if (await isReplaced(deps, row)) continue
        // Deleted since its row was read, so that it has no bytes to be missing.
        if (!(await isStored(deps.catalog, bucketId, key, row.versionId))) continue
      }
      faults++
      deps.onFault({ bucketId, key, versionId: row.versionId, what: messageOf(error) })
    }
  }
  return { versions, bytes, faults, whole: true }
}

async function scrubVersion({ catalog, blobs, pace }: ScrubDeps, row: ObjectRow): Promise<number> {
  const content = await contentOf(catalog, row)
  if (content === null) return 0
  const { parts } = readManifest(content.manifest)
  if (parts.length !== content.places.length)
    throw new Error('row and manifest differ in the number of parts')
  let bytes = 0
  for (const [index, part] of parts.entries()) {
    const digest = createHash('sha256')
    const place = content.places[index]!
    await using reader = await readPlace(catalog, blobs, place, { start: 0, end: part.cipherBytes })
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) {
      digest.update(chunk)
      bytes += chunk.length
      await pace(chunk.length)
    }
    if (!digest.digest().equals(part.sha256))
      throw new Error(`part ${part.partNumber} is not what was stored: its bytes have another SHA-256`)
  }
  return bytes
}

/** A second look: bytes that are still missing where the row says they are have been lost. */
async function isReplaced({ catalog, blobs }: ScrubDeps, row: ObjectRow): Promise<boolean> {
  const content = await contentOf(catalog, row)
  if (content === null) return true
  for (const place of content.places) {
    try {
      await using _reader = await readPlace(catalog, blobs, place, { start: 0, end: 1 })
    } catch (error) {
      if (hasCode(error, 'not-found')) return false
      throw error
    }
  }
  return true
}
