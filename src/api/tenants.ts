/**
 * A tenant joins the regions of this process: its genesis, chain keys and key holder are written down, its first
 * entries drafted and its first access key made, in one transaction a region.
 */
import { z } from 'zod'
import { fromHex, fromUtf8, toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { parseRegionId, type RandomBytes, type RegionId, type TenantId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { chainRows, type LinkJson } from '../instructions/approver-chain.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { TenantPolicies } from '../policy/tenant/policies.ts'
import type { Catalog } from '../store/catalog.ts'
import { ownedKeyKey } from '../store/iam.ts'
import type { RegionPlace } from '../store/region.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import {
  type AccessKeyRow,
  type Account,
  type ApiTokenRow,
  accessKeyRowKey,
  accountOf,
  accountRowKey,
  apiTokenRowKey,
  findTenant,
  type TenantRow,
  tenantRowKey,
} from '../store/tenants.ts'
import { followChain, parseLinks } from '../verify/approver-chain.ts'
import { openGenesis } from '../verify/genesis.ts'
import { chainKeyCommitment } from '../verify/leaf.ts'
import { type ApiAnswer, type ApiRoute, parseBody } from './routes.ts'

export interface TenantRegion extends RegionPlace {
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly logKey: { readonly name: string; readonly vkey: string }
  readonly identity: { readonly certificate: string }
}

/** Anything that can be shown on a line. */
const name = z.string().regex(/^[^\p{C}]{1,128}$/u)

/** What a tenant brings along from where it was. Left out, each is made here. */
const accountSchema = z.strictObject({
  accountId: z
    .string()
    .regex(/^[A-Za-z0-9]{1,64}$/)
    .optional(),
  canonicalId: z
    .string()
    .regex(/^[\w.@+=:$-]{1,128}$/)
    .optional(),
  displayName: name.optional(),
  email: z.email().max(254).optional(),
  accessKeyId: z
    .string()
    .regex(/^(?!anonymous$)[A-Za-z0-9._-]{3,128}$/i)
    .optional(),
  secretAccessKey: z
    .string()
    .regex(/^[\u0021-\u007e]{8,128}$/)
    .optional(),
  newBuckets: z.enum(['current', 'classic']).optional(),
})

const joinSchema = z.strictObject({
  genesis: z.unknown(),
  home: z.string(),
  account: accountSchema.optional(),
  /** The changes of its approvers since the genesis, as regions that it joined before tell them. */
  chain: z.array(z.unknown()).max(1000).default([]),
  /** Hex, one for each region that is joined. */
  chainKeys: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
  holder: z.strictObject({
    host: z.string().min(1),
    port: z.int().min(1).max(65_535),
    certificate: z.string().includes('BEGIN CERTIFICATE'),
    keyId: z.string().min(1).max(128),
    credentials: z.record(
      z.string(),
      z.strictObject({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(16) }),
    ),
  }),
})

export function tenantRoutes(
  regions: ReadonlyMap<RegionId, TenantRegion>,
  /** Regions of other processes that this one knows: a tenant may be at home in one of them. */
  peers: ReadonlySet<RegionId>,
  policies: Pick<TenantPolicies, 'faultOf'>,
  clock: Clock,
  randomBytes: RandomBytes,
): ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/regions',
      caller: 'public',
      summary: 'The regions of this process: where they are, the keys of their logs, the certificates to pin',
      run: async () => ({
        status: 200,
        json: {
          regions: [...regions.values()].map(region => ({
            id: region.id,
            country: region.country,
            operator: region.operator,
            origin: region.logKey.name,
            vkey: region.logKey.vkey,
            certificate: region.identity.certificate,
          })),
        },
      }),
    },
    {
      method: 'POST',
      path: '/tenants',
      caller: 'operator',
      summary: 'A tenant joins, by its signed genesis; answers its first access key and API token',
      body: joinSchema,
      run: ({ body }) => join(regions, peers, policies, parseBody(joinSchema, body), clock, randomBytes),
    },
    {
      method: 'GET',
      path: '/tenants',
      caller: 'operator',
      summary: 'The tenants of this process',
      run: async () => ({ status: 200, json: { tenants: await listTenants(regions) } }),
    },
  ]
}

async function listTenants(regions: ReadonlyMap<RegionId, TenantRegion>): Promise<object[]> {
  const found = new Map<string, { tenant: string; name: string; home: string; regions: string[] } & Account>()
  for (const region of regions.values()) {
    const rows = await region.catalog.scan('tenants', { limit: 100_000 })
    for (const { value } of rows) {
      const row = decodeRow<TenantRow>(value)
      if (row.isRegion) continue
      const { tenant, name, home } = row
      const known = found.get(tenant) ?? { tenant, name, home, regions: [], ...accountOf(row) }
      known.regions.push(region.id)
      found.set(tenant, known)
    }
  }
  return [...found.values()]
}

async function join(
  regions: ReadonlyMap<RegionId, TenantRegion>,
  peers: ReadonlySet<RegionId>,
  policies: Pick<TenantPolicies, 'faultOf'>,
  request: z.infer<typeof joinSchema>,
  clock: Clock,
  randomBytes: RandomBytes,
): Promise<ApiAnswer> {
  const envelope = parseEnvelope(request.genesis)
  const genesis =
    envelope === null ? 'the genesis is not a DSSE envelope' : openGenesis(envelope, nodeVerifyCrypto)
  if (typeof genesis === 'string') throw new HoldfastError('not-verified', genesis)
  const tenant = genesis.tenant as TenantId
  const home = parseRegionId(request.home)
  if (home === null || (!regions.has(home) && !peers.has(home)))
    throw new HoldfastError('bad-input', `home ${request.home} is not a region here, nor a peer`)
  const links = parseLinks(request.chain)
  const set = links === null ? 'it is no chain of changes' : followChain(genesis, links, nodeVerifyCrypto)
  if (typeof set === 'string') throw new HoldfastError('not-verified', `the approvers: ${set}`)
  const chain = links!.map(
    ({ envelope, approvals }): LinkJson => ({
      envelope: printEnvelope(envelope),
      approvals: approvals.map(printEnvelope),
    }),
  )
  const joined = Object.entries(request.chainKeys).map(([id, chainKey]) => {
    const region = regions.get(id as RegionId)
    const credentials = request.holder.credentials[id]
    if (region === undefined) throw new HoldfastError('bad-input', `${id} is not a region here`)
    if (credentials === undefined) throw new HoldfastError('bad-input', `no key holder credentials for ${id}`)
    return { region, chainKey, credentials }
  })
  const { policy } = set.rules
  // Of one that joins with a chain too: what the regions here cannot ask would let nothing through.
  const unread = policy === null ? null : policies.faultOf(policy)
  if (unread !== null) throw new HoldfastError('bad-input', `the tenant’s own policy: ${unread}`)
  if (regions.has(home) && !joined.some(({ region }) => region.id === home))
    throw new HoldfastError('bad-input', 'the home region must be joined')
  const given = request.account ?? {}
  if ((given.accessKeyId === undefined) !== (given.secretAccessKey === undefined))
    throw new HoldfastError('bad-input', 'an access key that is given needs its secret, and a secret its key')
  const accessKeyId = given.accessKeyId ?? `HF${toHex(randomBytes(9)).toUpperCase()}`
  const secretAccessKey = given.secretAccessKey ?? Buffer.from(randomBytes(30)).toString('base64url')
  const derived = accountOf({ tenant })
  const account: Account = {
    accountId: given.accountId ?? derived.accountId,
    canonicalId: given.canonicalId ?? derived.canonicalId,
    displayName: given.displayName ?? derived.displayName,
    email: given.email ?? null,
  }
  const index = [
    accountRowKey('account', account.accountId),
    accountRowKey('canonical', account.canonicalId),
    ...(account.email === null ? [] : [accountRowKey('email', account.email)]),
  ]
  const apiToken = `hf_${Buffer.from(randomBytes(32)).toString('base64url')}`
  const now = clock()
  for (const { region } of joined) {
    if ((await findTenant(region.catalog, tenant)) !== null)
      throw new HoldfastError('conflict', `the tenant has joined ${region.id} before`)
    for (const key of index)
      if ((await region.catalog.get('accounts', key)) !== null)
        throw new HoldfastError('conflict', `${fromUtf8(key).replace('/', ' ')} is another tenant’s`)
    if ((await region.catalog.get('accesskeys', accessKeyRowKey(accessKeyId))) !== null)
      throw new HoldfastError('conflict', `access key ${accessKeyId} exists`)
  }
  const entered: Drafted[] = []
  for (const { region, chainKey, credentials } of joined) {
    const { host, port, certificate, keyId } = request.holder
    const row: TenantRow = {
      v: 1,
      tenant,
      name: genesis.name,
      home,
      genesis: JSON.stringify(request.genesis),
      chainKey,
      joinedUnixMs: now,
      holder: { host, port, certificate, keyId, ...credentials },
      account,
      ...(given.newBuckets === 'classic' && { newBuckets: 'classic' as const }),
    }
    const key: AccessKeyRow = {
      v: 1,
      accessKeyId,
      secretAccessKey,
      tenant,
      home,
      createdUnixMs: now,
      account,
    }
    const token: ApiTokenRow = { v: 1, tenant }
    const commitment = toHex(chainKeyCommitment(fromHex(chainKey)!, nodeVerifyCrypto))
    const entries = [
      region.drafts.draft({
        tenant,
        type: 'tenant.joined',
        body: {
          genesis: tenant,
          home,
          chainKeyCommitment: commitment,
          country: region.country,
          ...(chain.length > 0 && { chain }),
        },
      }),
      region.drafts.draft({
        tenant,
        type: 'accesskey.created',
        body: { accessKeyId, by: { region: region.id } },
      }),
    ]
    const held = await region.catalog.commit({
      checks: [
        { table: 'tenants', key: tenantRowKey(tenant), expected: null },
        { table: 'accesskeys', key: accessKeyRowKey(accessKeyId), expected: null },
        ...index.map(key => ({ table: 'accounts' as const, key, expected: null })),
      ],
      puts: [
        { table: 'tenants', key: tenantRowKey(tenant), value: encodeRow(row) },
        { table: 'accesskeys', key: accessKeyRowKey(accessKeyId), value: encodeRow(key) },
        { table: 'apitokens', key: apiTokenRowKey(apiToken), value: encodeRow(token) },
        ...index.map(key => ({ table: 'accounts' as const, key, value: tenantRowKey(tenant) })),
        ...chainRows(tenant, chain),
        { table: 'iam', key: ownedKeyKey(tenant, 'root', accessKeyId), value: utf8(accessKeyId) },
        ...entries.map(({ put }) => put),
      ],
    })
    if (!held) throw new HoldfastError('conflict', `the tenant has joined ${region.id} meanwhile`)
    entered.push(...entries)
  }
  const json = { tenant, home, accessKeyId, secretAccessKey, apiToken, account }
  return { status: 201, json, entered }
}
