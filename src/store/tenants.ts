/** Tenants, access keys and API tokens of a region: rows, and the look-ups that every request makes. */
import { createHash } from 'node:crypto'
import { fromUtf8, utf8 } from '../core/bytes.ts'
import type { RegionId, TenantId } from '../core/ids.ts'
import type { Catalog, Put } from './catalog.ts'
import { decodeRow } from './rows.ts'
import { rowsOf } from './rows-of.ts'

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
  /**
   * `classic`: its new buckets are as S3 made them before April 2023, with ACLs and without a public access block. Left
   * out: ACLs are disabled and public access is blocked, as S3 has it since.
   */
  readonly newBuckets?: 'classic'
  /** The region itself (`ledger/own-books.ts`): it has no key holder, no buckets and nobody who may ask for it. */
  readonly isRegion?: true
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
  /** Id of the user whose key it is. Left out: of the account's root. */
  readonly userId?: string
  /** Left out: it works. */
  readonly status?: 'Inactive'
  /** A key that ends by itself, good only together with its token. */
  readonly session?: SessionTerms
}

export interface SessionTerms {
  /** Hex. */
  readonly tokenSha256: string
  readonly expiresUnixMs: number
  /** Whom the session speaks for: a role (with the session's name), or whoever asked for it. */
  readonly as: { readonly roleId: string; readonly name: string } | { readonly federatedName: string } | null
  /** Documents that it is narrowed to; left out: none. */
  readonly policies?: readonly string[]
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

export const accountRowKey = (kind: 'account' | 'canonical' | 'email', name: string): Uint8Array =>
  utf8(`${kind}/${kind === 'email' ? name.toLowerCase() : name}`)

/** The tenant that goes by a canonical id, an account's number or an e-mail address. */
export async function findAccount(
  catalog: Catalog,
  kind: 'account' | 'canonical' | 'email',
  name: string,
): Promise<TenantRow | null> {
  const bytes = await catalog.get('accounts', accountRowKey(kind, name))
  return bytes === null ? null : findTenant(catalog, fromUtf8(bytes) as TenantId)
}

const indexedKey = utf8('accounts')

/** Tenants of before have no rows in the index of accounts; they get them once, by what `accountOf` says of them. */
export async function indexAccountsOnce(catalog: Catalog): Promise<void> {
  if ((await catalog.get('meta', indexedKey)) !== null) return
  const puts: Put[] = [{ table: 'meta', key: indexedKey, value: utf8('1') }]
  for await (const { key, value } of rowsOf(catalog, 'tenants')) {
    const { accountId, canonicalId } = accountOf(decodeRow<TenantRow>(value))
    for (const name of [accountRowKey('account', accountId), accountRowKey('canonical', canonicalId)])
      puts.push({ table: 'accounts', key: name, value: key })
  }
  await catalog.commit({ puts })
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
