/** Objects of the model, as a client’s requests would leave them. */
import { createHash } from 'node:crypto'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { newSortableId, type OriginId, type TenantId } from '../../src/core/ids.ts'
import { encodeManifest } from '../../src/crypto/manifest.ts'
import type { DraftBox } from '../../src/ledger/drafts.ts'
import type { BlobId } from '../../src/store/blob-store.ts'
import type { CatalogBatch, Put } from '../../src/store/catalog.ts'
import { encodeRow, type ObjectRow, objectRowKey } from '../../src/store/rows.ts'
import type { Chance } from './random.ts'
import { bucketIds } from './transfer-parts.ts'

export interface Stored {
  readonly key: string
  readonly originId: string
  readonly sha256: string
}

export interface MadeObject extends Stored {
  readonly row: ObjectRow
  readonly puts: readonly Put[]
  readonly manifestSha256: string
  readonly blob: string
}

export function makeObject(tenant: TenantId, key: string, chance: Chance, nowUnixMs: number): MadeObject {
  const random = (length: number): Uint8Array => chance.bytes(length)
  const originId = toHex(random(16)) as OriginId
  const ciphertext = random(20 + chance.below(200))
  const sha256 = createHash('sha256').update(ciphertext).digest()
  const part = {
    ...{ partNumber: 1, plainBytes: 10, cipherBytes: ciphertext.length, headerTag: random(32) },
    sha256: new Uint8Array(sha256),
  }
  const manifest = encodeManifest({ tenant, origin: originId, parts: [part] }, random(32))
  const blob = newSortableId(nowUnixMs, random)
  const row: ObjectRow = {
    ...{ v: 1, versionId: newSortableId(nowUnixMs, random), originId, sizeBytes: 10 },
    ...{ ciphertextBytes: ciphertext.length, etag: 'e', modifiedUnixMs: nowUnixMs, checksum: null },
    ...{ bucketKeyId: 'bucket-key', wrappedDataKey: 'AAAA', partCount: 1, arrivedBy: null },
    ...{ headers: {}, metadata: {} },
    content: { manifest: manifest.toString('base64'), places: [{ in: 'catalog', id: blob as BlobId }] },
  }
  const puts: Put[] = [
    { table: 'smallblobs', key: utf8(blob), value: ciphertext },
    { table: 'objects', key: objectRowKey(bucketIds['in-mumbai'], key), value: encodeRow(row) },
  ]
  const manifestSha256 = createHash('sha256').update(manifest).digest('hex')
  return { key, originId, sha256: toHex(sha256), row, puts, manifestSha256, blob }
}

/** As a client's PUT or DELETE would leave it. */
export function replace(
  tenant: TenantId,
  drafts: DraftBox,
  old: Stored & { blob?: string },
  fresh: MadeObject | null,
): CatalogBatch {
  const key = objectRowKey(bucketIds['in-mumbai'], old.key)
  const removes = [
    ...(old.blob === undefined ? [] : [{ table: 'smallblobs' as const, key: utf8(old.blob) }]),
    ...(fresh === null ? [{ table: 'objects' as const, key }] : []),
  ]
  if (fresh === null) {
    const body = {
      bucket: 'source',
      key: old.key,
      versionId: 'v',
      originId: old.originId as OriginId,
      instruction: null,
    }
    const entry = drafts.draft({
      tenant,
      type: 'object.deleted',
      body: { ...body, by: { accessKeyId: 'AK' } },
    })
    return { removes, puts: [entry.put] }
  }
  return { removes, puts: [...fresh.puts, putEntry(tenant, drafts, fresh)] }
}

export function putEntry(
  tenant: TenantId,
  drafts: DraftBox,
  { key, row, sha256, manifestSha256 }: MadeObject,
): Put {
  const { versionId, originId, sizeBytes, ciphertextBytes, etag, bucketKeyId } = row
  return drafts.draft({
    tenant,
    type: 'object.put',
    body: {
      ...{ bucket: 'source', key, versionId, originId, sizeBytes, ciphertextBytes, ciphertextSha256: sha256 },
      ...{ manifestSha256, etag, bucketKeyId, parts: 1, copiedFrom: null, replaced: null, lock: null },
      by: { accessKeyId: 'AK' },
    },
  }).put
}
