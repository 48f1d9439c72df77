/** Limits on what tenants and their buckets hold: the operator's to set, entered in the tenant's books. */
import { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import { parseBucketName, parseTenantId, type RegionId, type TenantId } from '../core/ids.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import { findBucket, listBuckets } from '../store/buckets.ts'
import type { Catalog } from '../store/catalog.ts'
import { type BucketRow, bucketRowKey, encodeRow } from '../store/rows.ts'
import { findTenant } from '../store/tenants.ts'
import {
  type Quota,
  type QuotaRow,
  quotaOfTenant,
  tenantQuotaKey,
  unlimited,
  usageOfBucket,
  usageOfTenant,
} from '../store/usage.ts'
import { type ApiRoute, parseBody } from './routes.ts'

export interface QuotaRegion {
  readonly id: RegionId
  readonly catalog: Catalog
  readonly drafts: DraftBox
}

const limit = z.int().min(0).nullable()
const quotaSchema = z.strictObject({
  tenant: z.string(),
  /** Left out: the tenant, in each region by itself. */
  bucket: z.string().optional(),
  objects: limit,
  bytes: limit,
})

const maxRaces = 100
const everyBucket = { prefix: '', after: '', limit: Number.MAX_SAFE_INTEGER }

export function quotaRoutes(regions: ReadonlyMap<RegionId, QuotaRegion>): ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/quotas',
      caller: 'operator',
      summary: 'Limits what a tenant holds in each region, or a bucket; null takes a limit away',
      body: quotaSchema,
      run: async ({ body }) => {
        const { tenant: text, bucket, objects, bytes } = parseBody(quotaSchema, body)
        const tenant = parseTenantId(text)
        if (tenant === null) throw new HoldfastError('bad-input', 'that is no tenant id')
        const quota = { objects, bytes }
        const entered =
          bucket === undefined
            ? await limitTenant(regions, tenant, quota)
            : [await limitBucket(regions, tenant, bucket, quota)]
        return { status: 200, json: { tenant, bucket: bucket ?? null, ...quota }, entered }
      },
    },
    {
      method: 'GET',
      path: '/tenants/{tenant}/usage',
      caller: 'operator',
      summary: 'What a tenant holds, by region and bucket, and its limits',
      run: async ({ path }) => {
        const tenant = parseTenantId(path.tenant ?? '')
        if (tenant === null) throw new HoldfastError('bad-input', 'that is no tenant id')
        return { status: 200, json: { tenant, regions: await usageByRegion(regions, tenant) } }
      },
    },
  ]
}

async function limitTenant(
  regions: ReadonlyMap<RegionId, QuotaRegion>,
  tenant: TenantId,
  quota: Quota,
): Promise<Drafted[]> {
  const entered: Drafted[] = []
  for (const { id, catalog, drafts } of regions.values()) {
    if ((await findTenant(catalog, tenant)) === null) continue
    const row: QuotaRow = { v: 1, ...quota }
    const body = { bucket: null, ...quota, by: { region: id } }
    const entry = drafts.draft({ tenant, type: 'quota.set', body })
    await catalog.commit({
      puts: [{ table: 'usage', key: tenantQuotaKey(tenant), value: encodeRow(row) }, entry.put],
    })
    entered.push(entry)
  }
  if (entered.length === 0) throw new HoldfastError('not-found', 'there is no such tenant')
  return entered
}

async function limitBucket(
  regions: ReadonlyMap<RegionId, QuotaRegion>,
  tenant: TenantId,
  text: string,
  quota: Quota,
): Promise<Drafted> {
  const name = parseBucketName(text)
  for (const { id, catalog, drafts } of regions.values()) {
    for (let race = 0; race < maxRaces; race++) {
      const known = name === null ? null : await findBucket(catalog, name)
      if (known === null || known.row.tenant !== tenant) break
      const { quota: _before, ...row } = known.row
      const isLimited = quota.objects !== null || quota.bytes !== null
      const changed: BucketRow = isLimited ? { ...row, quota } : row
      const body = { bucket: row.name, ...quota, by: { region: id } }
      const entry = drafts.draft({ tenant, type: 'quota.set', body })
      const held = await catalog.commit({
        checks: [{ table: 'buckets', key: bucketRowKey(row.name), expected: known.bytes }],
        puts: [{ table: 'buckets', key: bucketRowKey(row.name), value: encodeRow(changed) }, entry.put],
      })
      if (held) return entry
    }
  }
  throw new HoldfastError('not-found', 'the tenant has no such bucket')
}

async function usageByRegion(
  regions: ReadonlyMap<RegionId, QuotaRegion>,
  tenant: TenantId,
): Promise<object[]> {
  const found: object[] = []
  for (const { id, catalog } of regions.values()) {
    if ((await findTenant(catalog, tenant)) === null) continue
    const buckets: object[] = []
    for (const row of await listBuckets(catalog, tenant, everyBucket))
      buckets.push({ name: row.name, ...(await usageOfBucket(catalog, row)), quota: row.quota ?? unlimited })
    const quota = await quotaOfTenant(catalog, tenant)
    found.push({ region: id, ...(await usageOfTenant(catalog, tenant)), quota, buckets })
  }
  return found
}
