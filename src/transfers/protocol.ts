/** What regions say to each other, over TLS with pinned certificates at both ends (docs/formats/transfer.md). */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '../core/canonical-json.ts'
import type { InstructionId, OriginId } from '../core/ids.ts'

export const maxBatchObjects = 256
export const maxBatchBytes = 256 * 2 ** 20

/** An object as a departure names it, and as the destination must find it. */
export const itemSchema = z.strictObject({
  key: z.string().min(1).max(1024),
  originId: z.string().regex(/^[0-9a-f]{32}$/),
  ciphertextBytes: z.int().min(0),
  ciphertextSha256: z.string().regex(/^[0-9a-f]{64}$/),
  manifestSha256: z.string().regex(/^[0-9a-f]{64}$/),
  rowSha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type TransferItem = Omit<z.infer<typeof itemSchema>, 'originId'> & { readonly originId: OriginId }

const proofSchema = z.strictObject({ receipt: z.string().max(4 << 20), leaf: z.string().max(200) })
export type PeerProof = z.infer<typeof proofSchema>

/** What a peer answers that says no. */
export const refusalSchema = z.object({ rule: z.string(), message: z.string() })

export const offerSchema = z.strictObject({
  instruction: z.unknown(),
  verdicts: z.array(z.unknown()).max(1000),
})
export const batchSchema = z.strictObject({
  items: z.array(itemSchema).min(1).max(maxBatchObjects),
  departure: proofSchema,
})
export const batchAnswerSchema = z.object({ wanted: z.array(z.string()) })
export const closeAnswerSchema = z.object({ arrived: z.array(z.string()), entry: z.string() })
export const arrivalAnswerSchema = z.union([proofSchema, z.object({ state: z.literal('pending') })])
export const challengeSchema = z.strictObject({
  originId: z.string(),
  start: z.int().min(0),
  end: z.int().min(1),
})
export const challengeAnswerSchema = z.object({ sha256: z.string() })
export const endSchema = z.strictObject({
  state: z.enum(['completed', 'failed']),
  reason: z.string().nullable(),
})

/** What comes before an object's ciphertext: u32be length, then this as JSON. */
export const objectHeadSchema = z.strictObject({
  key: z.string().min(1).max(1024),
  row: z.strictObject({
    originId: z.string().regex(/^[0-9a-f]{32}$/),
    sizeBytes: z.int().min(0),
    ciphertextBytes: z.int().min(0),
    etag: z.string().max(100),
    modifiedUnixMs: z.int(),
    headers: z.record(z.string(), z.string()),
    metadata: z.record(z.string(), z.string()),
    checksum: z
      .strictObject({
        algorithm: z.enum(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']),
        value: z.string(),
        type: z.enum(['FULL_OBJECT', 'COMPOSITE']),
      })
      .nullable(),
    bucketKeyId: z.string().max(100),
    wrappedDataKey: z.base64().max(200),
    partCount: z.int().min(1).max(10_000),
    tags: z
      .array(z.strictObject({ key: z.string().max(512), value: z.string().max(1024) }))
      .max(10)
      .readonly()
      .optional(),
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
  }),
  manifest: z.base64().max(2 << 20),
  bucketKey: z.strictObject({
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
  }),
})
export type ObjectHead = z.infer<typeof objectHeadSchema>
export const maxHeadBytes = 4 << 20

/** Binds the departure entry to exactly these objects under exactly these keys. */
export function itemsDigest(items: readonly TransferItem[]): string {
  return createHash('sha256').update(canonicalJson(items)).digest('hex')
}

/** Binds what the manifest does not say of a version (ETag, headers, metadata, wrapped key) to its departure. */
export function rowDigest(row: ObjectHead['row']): string {
  return createHash('sha256').update(canonicalJson(row)).digest('hex')
}

export const paths = {
  offers: '/v1/offers',
  batch: (id: InstructionId, batch: number) => `/v1/transfers/${id}/batches/${batch}`,
  end: (id: InstructionId) => `/v1/transfers/${id}/end`,
}
