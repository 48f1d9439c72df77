/**
 * Does a region's store hold together? Every object against the bytes that it names and the entry that it must have,
 * and every stored byte against somebody who names it. No keys are needed: contents stay sealed.
 *
 * Holds a row of memory per live version and blob. Reads a moving store wrongly here and there; what it finds names
 * versions and blobs, so what is found twice stands.
 */
import { createHash } from 'node:crypto'
import { compareBytes, fromUtf8, toHex, utf8 } from '../core/bytes.ts'
import { messageOf } from '../core/errors.ts'
import { ciphertextSha256, readManifest } from '../crypto/manifest.ts'
import type { BlobStore } from './blob-store.ts'
import type { Catalog } from './catalog.ts'
import { contentOf } from './content.ts'
import { fsckVersions, storedVersions } from './fsck-versions.ts'
import { decodeLocation, packedKey } from './packed-blob-store.ts'
import type { Place } from './places.ts'
import {
  type BucketConfigRow,
  type BucketRow,
  decodeRow,
  type ObjectRow,
  type PartRow,
  type UploadRow,
} from './rows.ts'
import { rowsOf } from './rows-of.ts'
import { fsckUsage } from './usage.ts'

export interface StoreReport {
  /** What is wrong, in words. */
  readonly findings: readonly string[]
  /** Stored and named by nobody: what a crash may leave. They take space and do no harm. */
  readonly orphans: readonly string[]
  readonly objects: number
}

/** What an entry, or a draft of one, says of versions. */
export type EnteredVersion =
  | CameIn
  /** A version whose bytes were given up. */
  | { readonly did: 'went'; readonly originId: string }
  /** From here on a version of this bucket may have gone without an entry of its own: an arrival took its place. */
  | { readonly did: 'arrivals'; readonly bucket: string }

/** A version that was stored. */
export interface CameIn {
  readonly did: 'came'
  readonly originId: string
  /** By name. */
  readonly bucket: string
  readonly ciphertextSha256: string
  /** `null` where the entry does not say it. */
  readonly manifestSha256: string | null
}

/** A part's bytes that belong to something other than a version or an upload. */
export interface HeldPart {
  readonly owner: string
  readonly place: Place
  readonly bytes: number
}

interface LiveVersion {
  readonly name: string
  readonly ciphertextSha256: string
  readonly manifestSha256: string
}

export async function fsckStore(
  stores: { readonly catalog: Catalog; readonly blobs: BlobStore },
  entered: AsyncIterable<EnteredVersion>,
  held: AsyncIterable<HeldPart>,
): Promise<StoreReport> {
  const { catalog } = stores
  const findings: string[] = []
  const places = await listPlaces(stores)
  const claim = (owner: string, place: Place, bytes: number): void => {
    const fault = places.claim(place, bytes)
    if (fault !== null)
      findings.push(`${owner}: ${place.in === 'blobs' ? 'blob' : 'small blob'} ${place.id} ${fault}`)
  }

  const buckets = new Map<string, string>()
  const configs = new Map<string, string>()
  for await (const { key, value } of rowsOf(catalog, 'buckets')) {
    if (key[0] === 0) continue
    const row = decodeRow<BucketRow>(value)
    buckets.set(row.id, row.name)
    for (const [kind, hash] of Object.entries(row.configs ?? {})) configs.set(`${row.id}/${kind}`, hash)
  }
  for await (const { key, value } of rowsOf(catalog, 'bucketconfigs')) {
    const id = toHex(key.subarray(0, 8))
    const { kind, body } = decodeRow<BucketConfigRow>(value)
    const name = `${kind} of bucket ${buckets.get(id) ?? id}`
    const hash = configs.get(`${id}/${fromUtf8(key.subarray(8))}`)
    if (hash === undefined) findings.push(`${name}: the bucket does not name it`)
    else if (hash !== createHash('sha256').update(body).digest('hex'))
      findings.push(`${name}: it is another document than the bucket names`)
    configs.delete(`${id}/${kind}`)
  }
  for (const missing of configs.keys()) findings.push(`configuration ${missing} is missing`)

  let objects = 0
  const live = new Map<string, LiveVersion>()
  const manifests = new Set<string>()
  findings.push(...(await fsckVersions(catalog, id => buckets.get(id) ?? null)))
  findings.push(...(await fsckUsage(catalog)))
  for await (const { bucketId, key, row, isCurrent } of storedVersions(catalog)) {
    if (isCurrent) objects++
    const bucket = buckets.get(bucketId)
    const name = `${bucket ?? '?'}/${key} (${row.versionId})`
    if (bucket === undefined && isCurrent) findings.push(`${name}: its bucket is gone`)
    if ((await catalog.get('bucketkeys', utf8(row.bucketKeyId))) === null)
      findings.push(`${name}: bucket key ${row.bucketKeyId} is missing`)
    if (row.content === null) manifests.add(row.versionId)
    try {
      const found = await checkContent(catalog, row, (place, bytes) => claim(name, place, bytes))
      live.set(row.originId, { name, ...found })
    } catch (error) {
      findings.push(`${name}: ${messageOf(error)}`)
    }
  }

  const uploads = new Set<string>()
  for await (const { value } of rowsOf(catalog, 'uploads')) uploads.add(decodeRow<UploadRow>(value).uploadId)
  for await (const { key, value } of rowsOf(catalog, 'parts')) {
    const uploadId = fromUtf8(key.subarray(0, key.length - 2))
    const part = decodeRow<PartRow>(value)
    const name = `part ${part.partNumber} of upload ${uploadId}`
    if (!uploads.has(uploadId)) findings.push(`${name}: its upload is gone`)
    claim(name, part.place, part.ciphertextBytes)
  }

  for await (const { owner, place, bytes } of held) claim(owner, place, bytes)

  await demandEntries(live, entered, findings)

  const orphans = places.unclaimed()
  for await (const { key } of rowsOf(catalog, 'manifests')) {
    const versionId = fromUtf8(key)
    if (!manifests.has(versionId)) orphans.push(`manifest of ${versionId}`)
  }
  findings.push(...places.trashedInUse(), ...(await fsckPacked(catalog)))
  return { findings, orphans, objects }
}

/** Row, manifest and places must tell of the same bytes. */
async function checkContent(
  catalog: Catalog,
  row: ObjectRow,
  claim: (place: Place, bytes: number) => void,
): Promise<Omit<LiveVersion, 'name'>> {
  const content = await contentOf(catalog, row)
  if (content === null) throw new Error('its manifest is missing')
  const { parts, origin } = readManifest(content.manifest)
  if (origin !== row.originId) throw new Error('the manifest is of another version')
  if (parts.length !== row.partCount || content.places.length !== parts.length)
    throw new Error('row, manifest and places differ in the number of parts')
  let plainBytes = 0
  let cipherBytes = 0
  for (const [index, part] of parts.entries()) {
    plainBytes += part.plainBytes
    cipherBytes += part.cipherBytes
    claim(content.places[index]!, part.cipherBytes)
  }
  if (plainBytes !== row.sizeBytes || cipherBytes !== row.ciphertextBytes)
    throw new Error('row and manifest differ in the number of bytes')
  return {
    ciphertextSha256: ciphertextSha256(parts),
    manifestSha256: createHash('sha256').update(content.manifest).digest('hex'),
  }
}

/**
 * A version that nothing entered got in past the books, one that is gone without an entry went out past them: somebody
 * wrote to the catalog.
 */
async function demandEntries(
  live: ReadonlyMap<string, LiveVersion>,
  entered: AsyncIterable<EnteredVersion>,
  findings: string[],
): Promise<void> {
  const missing = new Map(live)
  // A version can come back: a move to another region and one from there. It comes as often as it goes, or once more.
  const balance = new Map<string, { times: number; bucket: string }>()
  const count = (originId: string, times: number, bucket: string): void => {
    const before = balance.get(originId)
    const after = (before?.times ?? 0) + times
    if (after === 0) balance.delete(originId)
    else balance.set(originId, { times: after, bucket: before?.bucket || bucket })
  }
  const overwritten = new Set<string>()
  for await (const entry of entered) {
    if (entry.did === 'arrivals') overwritten.add(entry.bucket)
    if (entry.did === 'went') count(entry.originId, -1, '')
    if (entry.did !== 'came') continue
    const version = live.get(entry.originId)
    if (version === undefined) {
      count(entry.originId, 1, entry.bucket)
      continue
    }
    missing.delete(entry.originId)
    const same =
      entry.ciphertextSha256 === version.ciphertextSha256 &&
      (entry.manifestSha256 === null || entry.manifestSha256 === version.manifestSha256)
    if (!same) findings.push(`${version.name}: its entry is of other bytes`)
  }
  for (const { name } of missing.values()) findings.push(`${name}: it is in no entry`)
  for (const [originId, { times, bucket }] of balance)
    if (times > 0 && !live.has(originId) && !overwritten.has(bucket))
      findings.push(
        `version ${originId} of bucket ${bucket}: it was entered, and is neither here nor deleted`,
      )
}

/** What a blob's row says and what the segment's index says must be one thing: compaction moves what the index names. */
async function fsckPacked(catalog: Catalog): Promise<string[]> {
  const findings: string[] = []
  for await (const { key, value } of rowsOf(catalog, 'packed')) {
    const row = await catalog.get('blobs', value)
    const place = row === null ? null : decodeLocation(row).place
    if (place === null || compareBytes(packedKey(place), key) !== 0)
      findings.push(`blob ${fromUtf8(value)}: a segment's index names it where it is not`)
  }
  for await (const { key, value } of rowsOf(catalog, 'blobs')) {
    const { place } = decodeLocation(value)
    if (place === null) continue
    const id = await catalog.get('packed', packedKey(place))
    if (id === null || compareBytes(id, key) !== 0)
      findings.push(`blob ${fromUtf8(key)}: its segment's index does not name it`)
  }
  return findings
}

interface PlaceLedger {
  /** What is wrong with the place, if anything. */
  claim(place: Place, bytes: number): string | null
  unclaimed(): string[]
  trashedInUse(): string[]
}

interface StoredBlob {
  /** `null`: its row is there and its file is not. */
  fileBytes: number | null
  hasRow: boolean
  claimed: boolean
  trashed: boolean
}

async function listPlaces({
  catalog,
  blobs,
}: {
  readonly catalog: Catalog
  readonly blobs: BlobStore
}): Promise<PlaceLedger> {
  const small = new Map<string, { readonly bytes: number; claimed: boolean }>()
  const large = new Map<string, StoredBlob>()
  const blobOf = (id: string): StoredBlob => {
    let blob = large.get(id)
    if (blob === undefined)
      large.set(id, (blob = { fileBytes: null, hasRow: false, claimed: false, trashed: false }))
    return blob
  }
  for await (const { id, bytes } of blobs.list()) blobOf(id).fileBytes = bytes
  for await (const { key } of rowsOf(catalog, 'blobs')) blobOf(fromUtf8(key)).hasRow = true
  for await (const { key } of rowsOf(catalog, 'trash')) blobOf(fromUtf8(key)).trashed = true
  for await (const { key, value } of rowsOf(catalog, 'smallblobs'))
    small.set(fromUtf8(key), { bytes: value.length, claimed: false })

  return {
    claim(place, bytes) {
      if (place.in === 'catalog') {
        const found = small.get(place.id)
        if (found === undefined) return 'is missing'
        if (found.claimed) return 'is used twice'
        found.claimed = true
        return found.bytes === bytes ? null : `has ${found.bytes} bytes where ${bytes} belong`
      }
      const found = large.get(place.id)
      if (found === undefined || found.fileBytes === null) return 'is missing'
      if (found.claimed) return 'is used twice'
      found.claimed = true
      if (!found.hasRow) return 'has no row'
      return found.fileBytes === bytes ? null : `has ${found.fileBytes} bytes where ${bytes} belong`
    },

    unclaimed() {
      const orphans: string[] = []
      for (const [id, { claimed }] of small) if (!claimed) orphans.push(`small blob ${id}`)
      for (const [id, { claimed, trashed }] of large) if (!claimed && !trashed) orphans.push(`blob ${id}`)
      return orphans
    },

    trashedInUse() {
      const used = [...large].filter(([, { claimed, trashed }]) => claimed && trashed)
      return used.map(([id]) => `blob ${id}: it is in the trash and in use`)
    },
  }
}
