/** Where a tenant's buckets may send their notifications: registered by the tenant, in the region of the buckets. */
import { createHash, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import { parseRegionId, type RegionId, type TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { DraftBox } from '../ledger/drafts.ts'
import type { Catalog } from '../store/catalog.ts'
import { encodeRow } from '../store/rows.ts'
import { accountOf, findTenant } from '../store/tenants.ts'
import { findWebhook, listWebhooks, type WebhookRow, webhookRowKey } from '../store/webhooks.ts'
import { type ApiAnswer, type ApiRequest, type ApiRoute, parseBody, tenantOf } from './routes.ts'

export interface WebhookRegion {
  readonly id: RegionId
  readonly catalog: Catalog
  readonly drafts: DraftBox
}

const maxWebhooks = 100
const schema = z.strictObject({
  region: z.string(),
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be of a-z, 0-9, - and _, at most 63'),
  url: z.url({ protocol: /^https?$/ }).max(2000),
  /** PEM. */
  certificate: z.string().max(20_000).nullable().default(null),
  /** Whether it is told of instructions that wait for somebody. */
  instructions: z.boolean().default(false),
})

export function webhookRoutes(regions: ReadonlyMap<RegionId, WebhookRegion>, clock: Clock): ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/webhooks',
      caller: 'tenant',
      summary: 'Registers where notifications may go; answers the ARN that a bucket names it by',
      body: schema,
      run: request => register(request, regions, clock),
    },
    {
      method: 'GET',
      path: '/webhooks',
      caller: 'tenant',
      summary: 'The tenant’s webhooks',
      run: async request => {
        const webhooks: object[] = []
        for (const { id, catalog } of regions.values())
          for (const row of await listWebhooks(catalog, tenantOf(request)))
            webhooks.push(await shown(catalog, id, tenantOf(request), row))
        return { status: 200, json: { webhooks } }
      },
    },
    {
      method: 'POST',
      path: '/webhooks/{region}/{name}/delete',
      caller: 'tenant',
      summary: 'Forgets a webhook; what it was still to be told is dropped',
      run: async request => {
        const tenant = tenantOf(request)
        const { catalog, drafts } = regionOf(regions, request.path.region ?? '')
        const name = request.path.name ?? ''
        if ((await findWebhook(catalog, tenant, name)) === null)
          throw new HoldfastError('not-found', `there is no webhook ${name}`)
        const entry = drafts.draft({ tenant, type: 'webhook.removed', body: { name } })
        await catalog.commit({
          removes: [{ table: 'webhooks', key: webhookRowKey(tenant, name) }],
          puts: [entry.put],
        })
        return { status: 200, json: { deleted: name }, entered: [entry] }
      },
    },
  ]
}

async function register(
  request: ApiRequest,
  regions: ReadonlyMap<RegionId, WebhookRegion>,
  clock: Clock,
): Promise<ApiAnswer> {
  const tenant = tenantOf(request)
  const { region, name, url, certificate, instructions } = parseBody(schema, request.body)
  const { id, catalog, drafts } = regionOf(regions, region)
  if ((await findTenant(catalog, tenant)) === null)
    throw new HoldfastError('not-found', `the tenant has not joined ${region}`)
  const certificateSha256 = certificate === null ? null : printOf(certificate)
  if (certificate !== null && url.startsWith('http:'))
    throw new HoldfastError('bad-input', 'a certificate takes an https URL')
  if ((await listWebhooks(catalog, tenant)).length >= maxWebhooks)
    throw new HoldfastError('conflict', `there can be at most ${maxWebhooks} webhooks`)
  const about = instructions ? ({ instructions: true } as const) : {}
  const row: WebhookRow = { v: 1, name, url, certificate, createdUnixMs: clock(), ...about }
  const key = webhookRowKey(tenant, name)
  const entry = drafts.draft({
    tenant,
    type: 'webhook.registered',
    body: { name, url, certificateSha256, ...about },
  })
  const held = await catalog.commit({
    checks: [{ table: 'webhooks', key, expected: null }],
    puts: [{ table: 'webhooks', key, value: encodeRow(row) }, entry.put],
  })
  if (!held) throw new HoldfastError('conflict', `there is a webhook ${name} already`)
  return { status: 201, json: await shown(catalog, id, tenant, row), entered: [entry] }
}

function printOf(pem: string): string {
  try {
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')
  } catch (error) {
    throw new HoldfastError('bad-input', 'the certificate is not PEM', {}, error)
  }
}

function regionOf(regions: ReadonlyMap<RegionId, WebhookRegion>, text: string): WebhookRegion {
  const id = parseRegionId(text)
  const region = id === null ? undefined : regions.get(id)
  if (region === undefined) throw new HoldfastError('not-found', `there is no region ${text}`)
  return region
}

async function shown(
  catalog: Catalog,
  region: RegionId,
  tenant: TenantId,
  { name, url, certificate, instructions }: WebhookRow,
): Promise<object> {
  const { accountId } = accountOf((await findTenant(catalog, tenant)) ?? { tenant })
  return {
    arn: `arn:holdfast:sns:${region}:${accountId}:${name}`,
    region,
    name,
    url,
    pinned: certificate !== null,
    instructions: instructions === true,
  }
}
