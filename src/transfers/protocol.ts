/** What regions say to each other, over TLS with pinned certificates at both ends (docs/formats/transfer.md). */
import { z } from 'zod'
import { canonicalJson } from '../core/canonical-json.ts'
import type { InstructionId, OriginId } from '../core/ids.ts'
import { sha256Hex } from '../crypto/sigv4.ts'

/**
 * A batch: short enough for its departure, arrival and voids to be an entry each (a mebibyte), for the request that
 * announces it (eight), and for one transaction at the destination that nobody else waits for long.
 */
export const batchLimits = { objects: 2048, bytes: 256 * 2 ** 20, keyBytes: 2 ** 20 } as const

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const originId = z.string().regex(/^[0-9a-f]{32}$/)

/**
 * A version as a departure names it, and as the destination must find it. Here and in rows fields stand in canonical
 * order: what is parsed is hashed next, and needs no sorting.
 */
export const itemSchema = z.strictObject({
  ciphertextBytes: z.int().min(0),
  ciphertextSha256: sha256,
  key: z.string().min(1).max(1024),
  manifestSha256: sha256,
  originId,
  rowSha256: sha256,
})
export type TransferItem = Omit<z.infer<typeof itemSchema>, 'originId'> & { readonly originId: OriginId }

const proofSchema = z.strictObject({ receipt: z.string().max(4 << 20), leaf: z.string().max(200) })
export type PeerProof = z.infer<typeof proofSchema>

/** What a peer answers that says no. */
export const refusalSchema = z.object({ rule: z.string(), message: z.string() })

export const offerSchema = z.strictObject({
  instruction: z.unknown(),
  verdicts: z.array(z.unknown()).max(1000),
  /** Of an instruction that is bound to a list: the digests of its pages, in their order. */
  pages: z.array(sha256).max(100_000).nullable(),
})
/** What the destination's bucket can keep. */
export const offerAnswerSchema = z.object({
  bucket: z.object({ versions: z.boolean(), locks: z.boolean(), acls: z.boolean(), publicAcls: z.boolean() }),
})
export type Keeping = z.infer<typeof offerAnswerSchema>['bucket']

export const batchSchema = z.strictObject({
  items: z.array(itemSchema).min(1).max(batchLimits.objects),
  departure: proofSchema,
})
export const batchAnswerSchema = z.object({ wanted: z.array(z.string()) })
/** Objects that were refused for themselves; the others of the request are stored. */
export const objectsAnswerSchema = z.object({
  refused: z.array(z.object({ originId: z.string(), rule: z.string(), message: z.string() })),
})
export type RefusedObject = z.infer<typeof objectsAnswerSchema>['refused'][number]
export const closeAnswerSchema = z.object({ arrived: z.array(z.string()), entry: z.string() })
export const arrivalAnswerSchema = z.union([proofSchema, z.object({ state: z.literal('pending') })])
/** What one version answers for, and all of a request. */
export const challengeLimits = { rangeBytes: 64 * 1024, requestBytes: 16 * 2 ** 20 } as const
export const challengeSchema = z.strictObject({
  ranges: z
    .array(z.tuple([originId, z.int().min(0), z.int().min(0)]))
    .max(batchLimits.objects)
    .refine(areShort, 'more is asked than a challenge is for'),
})

function areShort(ranges: readonly ChallengeRange[]): boolean {
  const bytes = ranges.map(([, start, end]) => end - start)
  const most = challengeLimits.requestBytes + challengeLimits.rangeBytes
  return (
    bytes.every(each => each <= challengeLimits.rangeBytes) &&
    bytes.reduce((sum, each) => sum + each, 0) <= most
  )
}
/** Of each range its SHA-256; `null` where there is no such version. */
export const challengeAnswerSchema = z.object({ digests: z.array(sha256.nullable()) })
export type ChallengeRange = readonly [originId: string, start: number, end: number]
export const endSchema = z.strictObject({
  state: z.enum(['completed', 'failed']),
  reason: z.string().nullable(),
})

const permission = z.enum(['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'])
const grantee = z.union([
  z.strictObject({ tenant: sha256 }),
  z.strictObject({ group: z.enum(['AllUsers', 'AuthenticatedUsers', 'LogDelivery']) }),
])

/** Until the year 9999: what a date can be printed of. */
const moment = z.int().min(0).max(253_402_300_799_999)
/** As much as a request's headers can hold, with room. */
const maxDescribedBytes = 64 * 1024
const described = z
  .record(z.string(), z.string())
  .refine(fields => JSON.stringify(fields).length <= maxDescribedBytes, 'longer than headers can be')

const objectRowSchema = z.strictObject({
  acl: z.array(z.strictObject({ grantee, permission })).max(100).readonly().optional(),
  bucketKeyId: z.string().max(100),
  checksum: z
    .strictObject({
      algorithm: z.enum(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']),
      type: z.enum(['FULL_OBJECT', 'COMPOSITE']),
      value: z.string(),
    })
    .nullable(),
  ciphertextBytes: z.int().min(0),
  encryption: z
    .union([
      z.strictObject({
        algorithm: z.enum(['aws:kms', 'aws:kms:dsse']),
        keyId: z.string().max(2048),
        bucketKey: z.literal(true).optional(),
        context: z.string().max(8192).optional(),
      }),
      z.strictObject({ algorithm: z.literal('customer') }),
    ])
    .optional(),
  etag: z.string().max(100),
  headers: described,
  legalHold: z.enum(['ON', 'OFF']).optional(),
  metadata: described,
  modifiedUnixMs: moment,
  originId,
  owner: sha256.optional(),
  partChecksums: z.array(z.string().max(100)).max(10_000).optional(),
  partCount: z.int().min(1).max(10_000),
  retention: z.strictObject({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), untilUnixMs: moment }).optional(),
  sizeBytes: z.int().min(0),
  tags: z
    .array(z.strictObject({ key: z.string().max(512), value: z.string().max(1024) }))
    .max(10)
    .readonly()
    .optional(),
  wrappedDataKey: z.base64().max(200),
})
export type SentObjectRow = z.infer<typeof objectRowSchema>

/** A delete marker has a place among the versions of its key, and no bytes. */
const markerRowSchema = z.strictObject({ marker: z.literal(true), modifiedUnixMs: moment, originId })
export type SentRow = SentObjectRow | z.infer<typeof markerRowSchema>

const bucketKeySchema = z.strictObject({
  v: z.literal(1),
  bucketKeyId: z.string().max(100),
  tenant: z.string(),
  checkValue: z.string().max(64),
  wrapped: z.strictObject({
    holderKeyId: z.string().max(128),
    ciphertext: z.base64().max(8192),
    initializationVector: z.base64().max(64),
    authenticationTag: z.base64().max(64),
  }),
})

/** What comes before a version's ciphertext: u32be length, then this as JSON. */
export const headSchema = z.union([
  z.strictObject({
    key: z.string().min(1).max(1024),
    row: objectRowSchema,
    manifest: z.base64().max(2 << 20),
    bucketKey: bucketKeySchema,
  }),
  z.strictObject({ key: z.string().min(1).max(1024), row: markerRowSchema }),
])
export type ObjectHead = Extract<z.infer<typeof headSchema>, { manifest: string }>
export type MarkerHead = Exclude<z.infer<typeof headSchema>, { manifest: string }>
export type Head = ObjectHead | MarkerHead
export const maxHeadBytes = 4 << 20
/** Of a batch: thousands of short objects, or one of thousands of parts. All are held at once when it is published. */
export const maxHeadsBytes = 64 << 20

export function isMarkerHead(head: Head): head is MarkerHead {
  return 'marker' in head.row
}

/** Binds the departure entry to exactly these versions under exactly these keys. */
export function itemsDigest(items: readonly TransferItem[]): string {
  return sha256Hex(canonicalJson(items))
}

/** Binds what the manifest does not say of a version (ETag, headers, metadata, locks, wrapped key) to its departure. */
export function rowDigest(row: SentRow): string {
  return sha256Hex(canonicalJson(row))
}

const start = '/v2/transfers'
export const paths = {
  offers: '/v2/offers',
  batch: (id: InstructionId, batch: number) => `${start}/${id}/batches/${batch}`,
  end: (id: InstructionId) => `${start}/${id}/end`,
}
export const pathPattern =
  /^\/v2\/transfers\/([0-9a-f]{64})\/(end|batches\/(\d{1,9})(?:\/(objects|close|arrival|challenge))?)$/
