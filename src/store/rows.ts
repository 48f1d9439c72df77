/** The rows of a region's catalog that belong to the store, and their keys. JSON values carry `v`, their version. */
import { concat, fromHex, u16be, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { BucketName, InstructionId, OriginId, RegionId, TenantId } from '../core/ids.ts'
import type { Grant } from '../policy/acl.ts'
import type { ClassedPrefix } from '../policy/bucket-classes.ts'
import type { Place } from './places.ts'

export interface BucketRow {
  readonly v: 1
  /** 16 hex digits; a bucket made again under the same name has another, so nothing of the old one shows. */
  readonly id: string
  readonly name: BucketName
  readonly tenant: TenantId
  readonly createdUnixMs: number
  readonly dataClass: string
  /** Prefixes whose keys are of another class, ascending. Left out: none. */
  readonly classes?: readonly ClassedPrefix[]
  readonly etagMode: 'md5' | 'opaque'
  readonly bucketKeyId: string
  /** Those that it had before: versions are under them still. */
  readonly earlierKeys?: readonly string[]
  /** Where its bytes may rest, whatever a transfer says. Left out: wherever an approved transfer brings them. */
  readonly residency?: readonly RegionId[]
  /**
   * SHA-256 of each configuration that the bucket has. One that is not named here is not there, so that a request
   * looks nothing up in vain, and what was parsed can be kept by its hash. Left out: none.
   */
  readonly configs?: Readonly<Partial<Record<ConfigKind, string>>>
  /** Left out: never set. Once set it is never left out again, only suspended. */
  readonly versioning?: 'Enabled' | 'Suspended'
  /** There: object lock is enabled, and stays so. */
  readonly objectLock?: { readonly default?: DefaultRetention }
  /**
   * Others than the owner could ever do anything here, by a policy or an ACL; so objects in it may be theirs. Never
   * taken back. Left out: no.
   */
  readonly shared?: boolean
  /** Left out: none of its own. */
  readonly quota?: { readonly objects: number | null; readonly bytes: number | null }
}

/** How long a new version is locked that comes without a lock of its own. A year has 365 days. */
export interface DefaultRetention {
  readonly mode: LockMode
  readonly unit: 'Days' | 'Years'
  readonly count: number
}

/** Configurations of a bucket, each by the name of S3's subresource. */
export const configKinds = [
  'accelerate',
  'acl',
  'cors',
  'encryption',
  'lifecycle',
  'logging',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'publicAccessBlock',
  'replication',
  'requestPayment',
  'tagging',
  'versioning',
  'website',
] as const
export type ConfigKind = (typeof configKinds)[number]

export interface BucketConfigRow {
  readonly v: 1
  readonly kind: ConfigKind
  /** The document that a GET answers with: checked XML, or JSON as it was sent. */
  readonly body: string
}

/** What a client says of a version beside its content. Not sealed. */
export interface VersionAttributes {
  /** `content-type` and the other headers that S3 stores and returns as they came. */
  readonly headers: Readonly<Record<string, string>>
  /** Without the `x-amz-meta-` in front. */
  readonly metadata: Readonly<Record<string, string>>
  /** In the order in which they were given. Left out: none. */
  readonly tags?: readonly Tag[]
  readonly retention?: Retention
  /** Whose it is, when not the bucket's tenant's. */
  readonly owner?: TenantId
  /** Left out: its owner has full control, and nobody else any. */
  readonly acl?: readonly Grant[]
  /** What clients are told of its encryption. Left out: AES256. */
  readonly encryption?: Encryption
  /** Left out: there never was one. */
  readonly legalHold?: 'ON' | 'OFF'
}

export type Encryption =
  | {
      readonly algorithm: 'aws:kms' | 'aws:kms:dsse'
      /** As it was given. No such key is used here. */
      readonly keyId: string
      readonly bucketKey?: true
      /** Base64, as it was given. */
      readonly context?: string
    }
  /** SSE-C: the data key is wrapped under the customer's key too, of which nothing is kept. */
  | { readonly algorithm: 'customer' }

export interface Tag {
  readonly key: string
  readonly value: string
}

export interface Retention {
  readonly mode: LockMode
  readonly untilUnixMs: number
}
export type LockMode = 'GOVERNANCE' | 'COMPLIANCE'

export interface ObjectRow extends VersionAttributes {
  readonly v: 1
  /** Greater than that of every older version of its key. */
  readonly versionId: string
  /** Written while versioning was enabled: clients know it by its id. Left out: it is the key's null version. */
  readonly versioned?: true
  readonly originId: OriginId
  readonly sizeBytes: number
  readonly ciphertextBytes: number
  readonly etag: string
  readonly modifiedUnixMs: number
  readonly checksum: Checksum | null
  readonly bucketKeyId: string
  /** Base64. */
  readonly wrappedDataKey: string
  readonly partCount: number
  /** Inline for one part; `null` when manifest and places are a row of `manifests`. */
  readonly content: ObjectContent | null
  /** Instruction that brought it here, for what was not stored by a client of this region. */
  readonly arrivedBy: string | null
}

/** A delete marker: a version that has no content and hides the older ones. */
export interface MarkerRow {
  readonly v: 1
  readonly marker: true
  readonly versionId: string
  readonly versioned?: true
  /** Of one that came from another region. */
  readonly originId?: OriginId
  readonly modifiedUnixMs: number
}

export type VersionRow = ObjectRow | MarkerRow

export function isMarker(row: VersionRow): row is MarkerRow {
  return 'marker' in row
}

/** What S3 calls the version. */
export function clientVersionId(row: VersionRow): string {
  return row.versioned === true ? row.versionId : nullVersionId
}
export const nullVersionId = 'null'

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  readonly value: string
  readonly type: 'FULL_OBJECT' | 'COMPOSITE'
}
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'

/** Where the bytes are: the authenticated manifest (base64) and the place of each of its parts, in its order. */
export interface ObjectContent {
  readonly manifest: string
  readonly places: readonly Place[]
  /** Of an upload of several parts: each one's checksum, of the version's algorithm. Left out: not kept. */
  readonly partChecksums?: readonly string[]
}

export interface UploadRow extends VersionAttributes {
  readonly v: 1
  readonly uploadId: string
  readonly originId: OriginId
  readonly bucketKeyId: string
  readonly wrappedDataKey: string
  readonly startedUnixMs: number
  /** Who began it, when that was not the root of the bucket's tenant. */
  readonly initiator?: { readonly id: string; readonly name: string }
  readonly checksumAlgorithm: ChecksumAlgorithm | null
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | null
  /** Base64. Of an upload under a customer's key, which is not at hand when the upload ends. */
  readonly wrappedManifestKey?: string
}

export interface PartRow {
  readonly v: 1
  readonly partNumber: number
  readonly sizeBytes: number
  readonly ciphertextBytes: number
  readonly headerTag: string
  readonly sha256: string
  readonly md5: string
  /** Of the upload's algorithm, or CRC64NVME where it has none. */
  readonly checksum: string | null
  readonly modifiedUnixMs: number
  readonly place: Place
}

export interface BucketKeyRow {
  readonly v: 1
  readonly bucketKeyId: string
  readonly tenant: TenantId
  readonly checkValue: string
  readonly wrapped: {
    readonly holderKeyId: string
    readonly ciphertext: string
    readonly initializationVector: string
    readonly authenticationTag: string
  }
}

/** What is left of a bucket key that was destroyed on an instruction. */
export interface ShreddedKeyRow {
  readonly v: 1
  readonly bucketKeyId: string
  readonly tenant: TenantId
  readonly shredded: InstructionId
}

export const bucketRowKey = (name: BucketName): Uint8Array => utf8(name)
export const bucketPrefix = (bucketId: string): Uint8Array => fromHex(bucketId)!
export const bucketConfigRowKey = (bucketId: string, kind: ConfigKind): Uint8Array =>
  concat(fromHex(bucketId)!, utf8(kind))
export const objectRowKey = (bucketId: string, key: string): Uint8Array =>
  Buffer.concat([Buffer.from(bucketId, 'hex'), Buffer.from(key)])
/** The manifest of a version of more than one part. */
export const manifestRowKey = (versionId: string): Uint8Array => utf8(versionId)
const separator = new Uint8Array([0])
/** Sorted by key, then by upload id (which sorts by time), as ListMultipartUploads wants it. */
export const uploadRowKey = (bucketId: string, key: string, uploadId: string): Uint8Array =>
  concat(fromHex(bucketId)!, utf8(key), separator, utf8(uploadId))
export const partRowKey = (uploadId: string, partNumber: number): Uint8Array =>
  concat(utf8(uploadId), u16be(partNumber))
export const partPrefix = (uploadId: string): Uint8Array => utf8(uploadId)

export function encodeRow(row: { readonly v: 1 }): Uint8Array {
  return Buffer.from(JSON.stringify(row))
}

function utf8Of(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString('utf8')
}

export function decodeRow<Row extends { readonly v: 1 }>(bytes: Uint8Array): Row {
  const row = JSON.parse(utf8Of(bytes)) as Row
  if (row.v !== 1)
    throw new HoldfastError('format-unknown', `a catalog row has version ${row.v}; this version reads 1`)
  return row
}
