/** Tenants, access keys and API tokens of a region: rows, and the look-ups that every request makes. */
import { createHash } from 'node:crypto'
import { utf8 } from '../core/bytes.ts'
import type { RegionId, TenantId } from '../core/ids.ts'
import type { Catalog } from './catalog.ts'
import { decodeRow } from './rows.ts'

export interface TenantRow {
  readonly v: 1
  readonly tenant: TenantId
  readonly name: string
  readonly home: RegionId
  /** DSSE envelope of the genesis, as text. */
  readonly genesis: string
  /** Hex; the tenant's chain key for this region. The ledger reads it to compute labels. */
  readonly chainKey: string
  readonly joinedUnixMs: number
  readonly holder: HolderRegistration
  /** Left out by rows of before: `accountOf` says what holds then. */
  readonly account?: Account
}

/** A tenant in the words of S3 and IAM. Set when the tenant is made and never changed: ARNs and grants name it. */
export interface Account {
  /** As ARNs have it. */
  readonly accountId: string
  /** As `Owner` and ACLs have it. */
  readonly canonicalId: string
  readonly displayName: string
  readonly email: string | null
}

/** How this region reaches the tenant's key holder, and as whom. */
export interface HolderRegistration {
  readonly host: string
  readonly port: number
  readonly certificate: string
  readonly keyId: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface AccessKeyRow {
  readonly v: 1
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly tenant: TenantId
  /** The tenant's home region, so that a request needs no second look-up. */
  readonly home: RegionId
  readonly createdUnixMs: number
  /** The tenant's, as in its row. */
  readonly account?: Account
}

export interface ApiTokenRow {
  readonly v: 1
  readonly tenant: TenantId
}

export const tenantRowKey = (tenant: TenantId): Uint8Array => utf8(tenant)
export const accessKeyRowKey = (accessKeyId: string): Uint8Array => utf8(accessKeyId)
/** Tokens are kept as hashes: who reads the catalog cannot use them. */
export const apiTokenRowKey = (token: string): Uint8Array => createHash('sha256').update(token).digest()

/** Twelve digits made of the tenant's id, the id itself as canonical id, and its first digits as a name. */
export function accountOf({ tenant, account }: { tenant: TenantId; account?: Account }): Account {
  if (account !== undefined) return account
  const accountId = String(BigInt(`0x${tenant.slice(0, 16)}`) % 1_000_000_000_000n).padStart(12, '0')
  return { accountId, canonicalId: tenant, displayName: tenant.slice(0, 12), email: null }
}

export async function findTenant(catalog: Catalog, tenant: TenantId): Promise<TenantRow | null> {
  const bytes = await catalog.get('tenants', tenantRowKey(tenant))
  return bytes === null ? null : decodeRow<TenantRow>(bytes)
}

export async function findAccessKey(
  catalog: Catalog,
  accessKeyId: string,
  decode: (id: string, bytes: Uint8Array) => AccessKeyRow,
): Promise<AccessKeyRow | null> {
  const bytes = await catalog.get('accesskeys', accessKeyRowKey(accessKeyId))
  return bytes === null ? null : decode(accessKeyId, bytes)
}

export async function findApiToken(catalog: Catalog, token: string): Promise<ApiTokenRow | null> {
  const bytes = await catalog.get('apitokens', apiTokenRowKey(token))
  return bytes === null ? null : decodeRow<ApiTokenRow>(bytes)
}
