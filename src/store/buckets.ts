/** Buckets of a region, with an index by tenant so that a tenant's list costs its own buckets only. */
import { concat, fromUtf8, utf8 } from '../core/bytes.ts'
import type { BucketName, TenantId } from '../core/ids.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { BucketCreate, BucketUse } from '../policy/operations.ts'
import { type Catalog, type CatalogBatch, type Put, prefixEnd } from './catalog.ts'
import type { KnownBucket } from './objects.ts'
import {
  type BucketRow,
  bucketConfigRowKey,
  bucketPrefix,
  bucketRowKey,
  type ConfigKind,
  decodeRow,
  encodeRow,
} from './rows.ts'

/** No bucket name starts with a zero byte, so index rows never meet bucket rows. */
const indexMark = new Uint8Array([0])
const tenantIndexPrefix = (tenant: TenantId): Uint8Array => concat(indexMark, utf8(tenant))
const tenantIndexKey = (tenant: TenantId, name: BucketName): Uint8Array =>
  concat(tenantIndexPrefix(tenant), utf8(name))

export async function findBucket(
  catalog: Catalog,
  name: BucketName,
  decode: (id: string, bytes: Uint8Array) => BucketRow = (_id, bytes) => decodeRow<BucketRow>(bytes),
): Promise<KnownBucket | null> {
  const bytes = await catalog.get('buckets', bucketRowKey(name))
  return bytes === null ? null : { row: decode(name, bytes), bytes }
}

export interface BucketListQuery {
  /** What the names start with. */
  readonly prefix: string
  /** Listing goes on after this name. */
  readonly after: string
  readonly limit: number
}

/** By name, ascending. */
export async function listBuckets(
  catalog: Catalog,
  tenant: TenantId,
  { prefix, after, limit }: BucketListQuery,
): Promise<BucketRow[]> {
  const index = tenantIndexPrefix(tenant)
  const lower = concat(index, utf8(prefix))
  const behind = concat(index, utf8(after), indexMark)
  const found: BucketRow[] = []
  for (let from = after === '' || Buffer.compare(behind, lower) < 0 ? lower : behind; ; ) {
    const wanted = Math.min(1000, limit - found.length)
    const rows = await catalog.scan('buckets', { from, to: prefixEnd(lower)!, limit: wanted })
    for (const { key } of rows) {
      const bucket = await findBucket(catalog, fromUtf8(key.subarray(index.length)) as BucketName)
      if (bucket !== null) found.push(bucket.row)
    }
    if (rows.length < wanted || found.length >= limit) return found
    from = concat(rows.at(-1)!.key, indexMark)
  }
}

/** False when the name is taken in this region. */
export function createBucket(
  catalog: Catalog,
  _authorized: Authorized<BucketCreate>,
  row: BucketRow,
  also: CatalogBatch,
): Promise<boolean> {
  const key = bucketRowKey(row.name)
  return catalog.commit({
    checks: [{ table: 'buckets', key, expected: null }],
    puts: [
      { table: 'buckets', key, value: encodeRow(row) },
      { table: 'buckets', key: tenantIndexKey(row.tenant, row.name), value: utf8(row.id) },
      ...(also.puts ?? []),
    ],
  })
}

/** False when it is not empty or changed meanwhile. Its configurations go with it. */
export function deleteBucket(
  catalog: Catalog,
  _authorized: Authorized<BucketUse>,
  bucket: KnownBucket,
  entry: Put,
): Promise<boolean> {
  const { row, bytes } = bucket
  const key = bucketRowKey(row.name)
  const configs = Object.keys(row.configs ?? {}) as ConfigKind[]
  return catalog.commit({
    checks: [
      { table: 'buckets', key, expected: bytes },
      { table: 'objects', emptyPrefix: bucketPrefix(row.id) },
      { table: 'markers', emptyPrefix: bucketPrefix(row.id) },
      { table: 'versions', emptyPrefix: bucketPrefix(row.id) },
      { table: 'nullversions', emptyPrefix: bucketPrefix(row.id) },
    ],
    removes: [
      { table: 'buckets', key },
      { table: 'buckets', key: tenantIndexKey(row.tenant, row.name) },
      ...configs.map(kind => ({ table: 'bucketconfigs' as const, key: bucketConfigRowKey(row.id, kind) })),
    ],
    puts: [entry],
  })
}
