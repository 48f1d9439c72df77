/** A new version on its way into the catalog: its keys, its sealing, its row and its entry. */
import { createHash } from 'node:crypto'
import { toBase64, toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError, hasCode } from '../core/errors.ts'
import type { OriginId, RandomBytes } from '../core/ids.ts'
import { unwrapDataKey, unwrapManifestKey, wrapDataKey, wrapManifestKey } from '../crypto/data-keys.ts'
import {
  ciphertextSha256,
  encodeManifest,
  type Manifest,
  type ManifestPart,
  manifestKeyOf,
  openManifest,
} from '../crypto/manifest.ts'
import type { Drafted } from '../ledger/drafts.ts'
import { lockEntry } from '../ledger/lock-entry.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { ObjectCopy, ObjectWrite } from '../policy/operations.ts'
import type { CatalogBatch, Put } from '../store/catalog.ts'
import { contentOf, makeContent } from '../store/content.ts'
import { type NewObject, publishObject } from '../store/objects.ts'
import type { Place } from '../store/places.ts'
import type { Checksum, ObjectRow, UploadRow, VersionAttributes } from '../store/rows.ts'
import { openObject, openShort, type PartKey } from '../store/sealed-parts.ts'
import { type CustomerKey, demandFit } from './encryption/customer-key.ts'
import { S3Error } from './errors.ts'
import { findReadable } from './find-readable.ts'
import type { EventName } from './notifications/rules.ts'
import {
  type LocatedBucket,
  newOriginId,
  notifierOf,
  type Publisher,
  type S3Region,
  type S3Services,
} from './operation.ts'
import { withDefaultRetention } from './version-attributes.ts'

/** What it takes to publish a version; not to read it. */
export type PublishKey = Omit<VersionKey, 'dataKey'>

export interface VersionKey extends PartKey {
  readonly bucketKeyId: string
  readonly wrappedDataKey: string
  readonly manifestKey: Uint8Array
}

/** A fresh data key for a new version, wrapped under the bucket's key, and under the customer's if there is one. */
export async function newVersionKey(
  services: S3Services,
  bucket: LocatedBucket,
  customerKey: CustomerKey | null,
): Promise<VersionKey> {
  const { randomBytes } = services
  const { tenant, bucketKeyId } = bucket.row
  const bucketKey = await leaseBucketKey(services, bucket.region, bucketKeyId)
  const origin = newOriginId(randomBytes)
  const dataKey = randomBytes(32)
  const wrapped = wrapDataKey(bucketKey, tenant, origin, dataKey, randomBytes, customerKey?.key ?? null)
  const manifestKey = manifestKeyOf(dataKey)
  return { tenant, origin, dataKey, manifestKey, bucketKeyId, wrappedDataKey: toBase64(wrapped) }
}

/** Kept with an upload under a customer's key, so that it can end without that key. */
export async function keptManifestKey(
  services: S3Services,
  bucket: LocatedBucket,
  key: VersionKey,
): Promise<string> {
  const bucketKey = await leaseBucketKey(services, bucket.region, key.bucketKeyId)
  return toBase64(wrapManifestKey(bucketKey, key.tenant, key.origin, key.manifestKey, services.randomBytes))
}

/** The key that an upload ends with. */
export async function openPublishKey(
  services: S3Services,
  bucket: LocatedBucket,
  row: UploadRow,
): Promise<PublishKey> {
  if (row.wrappedManifestKey === undefined) return openVersionKey(services, bucket, row, null)
  const { originId: origin, bucketKeyId, wrappedDataKey } = row
  const { tenant } = bucket.row
  const bucketKey = await leaseBucketKey(services, bucket.region, bucketKeyId)
  const wrapped = Buffer.from(row.wrappedManifestKey, 'base64')
  const manifestKey = unwrapManifestKey(bucketKey, tenant, origin, wrapped)
  return { tenant, origin, manifestKey, bucketKeyId, wrappedDataKey }
}

/** The data key of a version or an upload that exists. AccessDenied when the customer's key is not the right one. */
export async function openVersionKey(
  services: S3Services,
  bucket: LocatedBucket,
  row: { readonly originId: OriginId; readonly bucketKeyId: string; readonly wrappedDataKey: string },
  customerKey: CustomerKey | null,
): Promise<VersionKey> {
  const { tenant } = bucket.row
  const { originId: origin, bucketKeyId, wrappedDataKey } = row
  const bucketKey = await leaseBucketKey(services, bucket.region, bucketKeyId)
  const wrapped = Buffer.from(wrappedDataKey, 'base64')
  try {
    const dataKey = unwrapDataKey(bucketKey, tenant, origin, wrapped, customerKey?.key ?? null)
    return { tenant, origin, dataKey, manifestKey: manifestKeyOf(dataKey), bucketKeyId, wrappedDataKey }
  } catch (error) {
    if (hasCode(error, 'not-verified')) throw new S3Error('AccessDenied')
    throw error
  }
}

async function leaseBucketKey(services: S3Services, region: S3Region, bucketKeyId: string): Promise<Buffer> {
  const bytes = await region.catalog.get('bucketkeys', utf8(bucketKeyId))
  if (bytes === null)
    throw new HoldfastError('store-damaged', `bucket key ${bucketKeyId} is not in the catalog`)
  const key = services.decodeBucketKey(bucketKeyId, bytes)
  if ('shredded' in key)
    throw new S3Error(
      'AccessDenied',
      `The key was destroyed on instruction ${key.shredded}: what is under it cannot be read any more. For what is to come: holdfast instruct key --act rotate --bucket …`,
    )
  return region.leases.open(key, 'customer-initiated-access')
}

export interface FinishedVersion {
  readonly key: PublishKey
  readonly parts: readonly ManifestPart[]
  readonly places: readonly Place[]
  readonly claims: readonly Put[]
  readonly etag: string
  readonly checksum: Checksum | null
  /** Of an upload of several parts. */
  readonly partChecksums?: readonly string[] | null
  readonly attributes: VersionAttributes
  readonly copiedFrom: { bucket: string; key: string; originId: OriginId } | null
  readonly also?: CatalogBatch
  readonly countedBytes?: number
  readonly condition?: (current: ObjectRow | null) => void
}

/** Publishes and enters; resolves when both are durable. */
export async function publishVersion(
  context: Publisher,
  authorized: Authorized<ObjectWrite | ObjectCopy>,
  bucket: LocatedBucket,
  objectKey: string,
  version: FinishedVersion,
): Promise<ObjectRow> {
  const { clock, randomBytes } = context.services
  const { key, parts, etag } = version
  const nowUnixMs = clock()
  const manifest = encodeManifest({ tenant: key.tenant, origin: key.origin, parts }, key.manifestKey)
  const row: NewObject['row'] = {
    originId: key.origin,
    sizeBytes: sum(parts, part => part.plainBytes),
    ciphertextBytes: sum(parts, part => part.cipherBytes),
    etag: etagOf(etag, version.attributes, bucket, randomBytes),
    modifiedUnixMs: nowUnixMs,
    ...withDefaultRetention(version.attributes, bucket, nowUnixMs),
    checksum: version.checksum,
    bucketKeyId: key.bucketKeyId,
    wrappedDataKey: key.wrappedDataKey,
    partCount: parts.length,
    arrivedBy: null,
  }
  // A lost race drafts again; the entry that counts is the last one.
  let entered: Drafted | null = null
  const entry = ({ versionId }: ObjectRow, replaced: ObjectRow | null): Put => {
    entered = bucket.region.drafts.draft({
      tenant: key.tenant,
      type: 'object.put',
      body: {
        bucket: bucket.row.name,
        key: objectKey,
        versionId,
        originId: key.origin,
        sizeBytes: row.sizeBytes,
        ciphertextBytes: row.ciphertextBytes,
        ciphertextSha256: ciphertextSha256(parts),
        manifestSha256: createHash('sha256').update(manifest).digest('hex'),
        etag: row.etag,
        bucketKeyId: key.bucketKeyId,
        parts: parts.length,
        copiedFrom: version.copiedFrom,
        replaced: replaced?.originId ?? null,
        lock: row.retention === undefined && row.legalHold === undefined ? null : lockEntry(row),
        by: { accessKeyId: context.identity.accessKeyId },
      },
    })
    return entered.put
  }
  const notifier = await notifierOf(context, bucket)
  const object: NewObject = {
    bucket,
    key: objectKey,
    row,
    content: makeContent(manifest, version.places, version.partChecksums ?? null),
    claims: version.claims,
    entry,
    ...(version.also && { also: version.also }),
    ...(version.countedBytes !== undefined && { countedBytes: version.countedBytes }),
    ...(version.condition && { condition: version.condition }),
    ...(notifier && { events: row => notifier.puts(creationOf(context, version), objectKey, row) }),
  }
  const written = await publishObject(bucket.region.catalog, { clock, randomBytes }, authorized, object)
  if (written === 'bucket-gone') throw new S3Error('NoSuchBucket')
  if (written === 'upload-gone') throw new S3Error('NoSuchUpload')
  if (written === 'over-quota') throw new S3Error('QuotaExceeded')
  if (entered !== null) context.entered(entered)
  return written
}

/** What says nothing of the content says nothing of it to those who do not have its key either. */
function etagOf(
  md5: string,
  { encryption }: VersionAttributes,
  { row }: LocatedBucket,
  randomBytes: RandomBytes,
): string {
  if (row.etagMode === 'opaque') return toHex(randomBytes(16))
  return encryption === undefined ? md5 : md5.replace(/^[0-9a-f]{32}/, toHex(randomBytes(16)))
}

function creationOf({ request }: Publisher, { copiedFrom, also }: FinishedVersion): EventName {
  if (copiedFrom !== null) return 'ObjectCreated:Copy'
  if (also !== undefined) return 'ObjectCreated:CompleteMultipartUpload'
  return request.method === 'POST' ? 'ObjectCreated:Post' : 'ObjectCreated:Put'
}

export interface OpenedVersion {
  readonly row: ObjectRow
  readonly manifest: Manifest
  readonly partChecksums: readonly string[] | null
  /** Plaintext of `[start, end)`. */
  read(start: number, end: number): AsyncGenerator<Buffer, void>
  /** All of it in one piece when it is short; `null` when it is not. */
  readShort(): Promise<Buffer | null>
}

/**
 * Opens what a key holds now, or the version of that id. One that is replaced while it is looked up is looked up
 * again.
 */
export async function openVersion(
  services: S3Services,
  bucket: LocatedBucket,
  objectKey: string,
  versionId: string | null,
  customerKey: CustomerKey | null,
): Promise<OpenedVersion> {
  const { catalog } = bucket.region
  for (let attempt = 0; attempt < 100; attempt++) {
    const row = await findReadable(bucket, objectKey, versionId)
    demandFit(row.encryption, customerKey)
    const content = await contentOf(catalog, row)
    if (content === null) continue
    const key = await openVersionKey(services, bucket, row, customerKey)
    const manifest = openManifest(content.manifest, key.dataKey, { tenant: key.tenant, origin: key.origin })
    const bytes = sum(manifest.parts, part => part.plainBytes)
    if (bytes !== row.sizeBytes)
      throw new HoldfastError('sealed-damaged', 'the record has another size than the manifest')
    return {
      row,
      manifest,
      partChecksums: content.partChecksums,
      readShort: () => openShort(bucket.region, manifest, content.places, key.dataKey),
      read: (start, end) => openObject(bucket.region, manifest, content.places, key.dataKey, start, end),
    }
  }
  throw new S3Error('SlowDown')
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
