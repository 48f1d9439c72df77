/**
 * How much a tenant and each of its buckets hold in a region, counted in the batches that change it, and the limits on
 * that. Bytes are plaintext bytes of versions and of parts of open uploads; objects are versions without delete markers.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import type { TenantId } from '../core/ids.ts'
import { type Add, type Catalog, type Check, decodeCounters, encodeCounters, type Put } from './catalog.ts'
import {
  type BucketRow,
  bucketPrefix,
  decodeRow,
  isMarker,
  type PartRow,
  type UploadRow,
  type VersionRow,
} from './rows.ts'
import { rowsOf } from './rows-of.ts'

export interface Usage {
  readonly objects: number
  readonly bytes: number
}

/** `null`: without limit. */
export interface Quota {
  readonly objects: number | null
  readonly bytes: number | null
}

export interface QuotaRow extends Quota {
  readonly v: 1
}

const bucketKey = (bucketId: string): Uint8Array => utf8(`bucket/${bucketId}`)
const tenantKey = (tenant: TenantId): Uint8Array => utf8(`tenant/${tenant}`)
export const tenantQuotaKey = (tenant: TenantId): Uint8Array => utf8(`quota/${tenant}`)

export const unlimited: Quota = { objects: null, bytes: null }

/** What a batch must carry so that it counts, and does not hold when it would exceed a limit. */
export interface Counted {
  readonly checks: readonly Check[]
  readonly adds: readonly Add[]
}

/** Nothing to count costs nothing; the tenant's limit is looked up only for what grows. */
export async function counted(
  catalog: Catalog,
  bucket: BucketRow,
  { objects, bytes }: Usage,
): Promise<Counted> {
  if (objects === 0 && bytes === 0) return { checks: [], adds: [] }
  const grows = objects > 0 || bytes > 0
  const key = tenantQuotaKey(bucket.tenant)
  const found = grows ? await catalog.get('usage', key) : null
  const ofTenant = found === null ? unlimited : decodeRow<QuotaRow>(found)
  const amounts = [objects, bytes]
  const atMost = ({ objects, bytes }: Quota): (number | null)[] => [objects, bytes]
  return {
    checks: found === null ? [] : [{ table: 'usage', key, expected: found }],
    adds: [
      { table: 'usage', key: bucketKey(bucket.id), amounts, atMost: atMost(bucket.quota ?? unlimited) },
      { table: 'usage', key: tenantKey(bucket.tenant), amounts, atMost: atMost(ofTenant) },
    ],
  }
}

/** Whether it was a limit that a batch did not hold for. */
export async function exceedsQuota(catalog: Catalog, { adds }: Counted): Promise<boolean> {
  for (const { table, key, amounts, atMost } of adds) {
    const now = decodeCounters(await catalog.get(table, key))
    for (const [index, amount] of amounts.entries()) {
      const limit = atMost?.[index] ?? null
      if (limit !== null && amount > 0 && (now[index] ?? 0) + amount > limit) return true
    }
  }
  return false
}

export function usageOfBucket(catalog: Catalog, bucket: BucketRow): Promise<Usage> {
  return readUsage(catalog, bucketKey(bucket.id))
}

export function usageOfTenant(catalog: Catalog, tenant: TenantId): Promise<Usage> {
  return readUsage(catalog, tenantKey(tenant))
}

export async function quotaOfTenant(catalog: Catalog, tenant: TenantId): Promise<Quota> {
  const bytes = await catalog.get('usage', tenantQuotaKey(tenant))
  return bytes === null ? unlimited : decodeRow<QuotaRow>(bytes)
}

async function readUsage(catalog: Catalog, key: Uint8Array): Promise<Usage> {
  const [objects = 0, bytes = 0] = decodeCounters(await catalog.get('usage', key))
  return { objects, bytes }
}

/** A bucket that is gone, with its uploads, counts nothing. */
export async function forgetBucketUsage(catalog: Catalog, bucketId: string): Promise<void> {
  await catalog.commit({ removes: [{ table: 'usage', key: bucketKey(bucketId) }] })
}

const countedKey = utf8('usage')
const countedFormat = utf8('1')

/**
 * Counts what a catalog of before holds, once. To be awaited before anything changes it. Crash points: until its one
 * batch is there nothing is counted, and the next start counts again.
 */
export async function countOnce(catalog: Catalog): Promise<void> {
  if ((await catalog.get('meta', countedKey)) !== null) return
  const puts: Put[] = []
  for (const [key, { objects, bytes }] of await sumUp(catalog))
    puts.push({ table: 'usage', key: utf8(key), value: encodeCounters([objects, bytes]) })
  await catalog.commit({ puts: [...puts, { table: 'meta', key: countedKey, value: countedFormat }] })
}

/** What is counted otherwise than it is. Of buckets that are gone nothing is said: their rows may stay after a crash. */
export async function fsckUsage(catalog: Catalog): Promise<string[]> {
  const findings: string[] = []
  // Not counted yet: the next start does it.
  if ((await catalog.get('meta', countedKey)) === null) return findings
  const sums = await sumUp(catalog)
  for (const [name, { objects, bytes }] of sums) {
    const [objectsCounted = 0, bytesCounted = 0] = decodeCounters(await catalog.get('usage', utf8(name)))
    if (objectsCounted !== objects || bytesCounted !== bytes)
      findings.push(
        `${name} holds ${objects} objects, ${bytes} bytes; ${objectsCounted} and ${bytesCounted} are counted`,
      )
  }
  for await (const { key, value } of rowsOf(catalog, 'usage', { prefix: utf8('tenant/') })) {
    const name = fromUtf8(key)
    if (!sums.has(name) && decodeCounters(value).some(counter => counter !== 0))
      findings.push(`${name} holds nothing, and is counted as if it did`)
  }
  return findings
}

/** By key of the table: what the counters must be. */
async function sumUp(catalog: Catalog): Promise<Map<string, Usage>> {
  const tenants = new Map<string, TenantId>()
  for await (const { key, value } of rowsOf(catalog, 'buckets')) {
    if (key[0] === 0) continue
    const { id, tenant } = decodeRow<BucketRow>(value)
    tenants.set(id, tenant)
  }
  const sums = new Map<string, { objects: number; bytes: number }>()
  const add = (bucketId: string, objects: number, bytes: number): void => {
    const tenant = tenants.get(bucketId)
    if (tenant === undefined) return
    for (const key of [`bucket/${bucketId}`, `tenant/${tenant}`]) {
      const sum = sums.get(key) ?? { objects: 0, bytes: 0 }
      sums.set(key, { objects: sum.objects + objects, bytes: sum.bytes + bytes })
    }
  }
  const idBytes = bucketPrefix('0'.repeat(16)).length
  const bucketOf = (key: Uint8Array): string =>
    Buffer.from(key.buffer, key.byteOffset, idBytes).toString('hex')
  for (const table of ['objects', 'versions'] as const) {
    for await (const { key, value } of rowsOf(catalog, table)) {
      const row = decodeRow<VersionRow>(value)
      if (!isMarker(row)) add(bucketOf(key), 1, row.sizeBytes)
    }
  }
  const uploads = new Map<string, string>()
  for await (const { key, value } of rowsOf(catalog, 'uploads'))
    uploads.set(decodeRow<UploadRow>(value).uploadId, bucketOf(key))
  for await (const { key, value } of rowsOf(catalog, 'parts')) {
    const uploadId = Buffer.from(key.buffer, key.byteOffset, key.length - 2).toString()
    const bucketId = uploads.get(uploadId)
    if (bucketId !== undefined) add(bucketId, 0, decodeRow<PartRow>(value).sizeBytes)
  }
  return sums
}
