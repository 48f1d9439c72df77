/**
 * Users, groups, roles and managed policies of tenants, in the catalog of each tenant's home region. Every change adds
 * to the tenant's epoch, so that what was compiled from these rows is known to be stale.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import type { TenantId } from '../core/ids.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { AccountUse } from '../policy/operations.ts'
import type { Catalog, CatalogBatch, Put } from './catalog.ts'
import { decodeRow, encodeRow } from './rows.ts'
import { rowsOf } from './rows-of.ts'

export type EntityKind = 'user' | 'group' | 'role'

export interface EntityRow {
  readonly v: 1
  readonly kind: EntityKind
  readonly id: string
  readonly name: string
  /** `/`, or `/a/b/`. */
  readonly path: string
  readonly createdUnixMs: number
  /** Documents by the policy's name. */
  readonly inline: Readonly<Record<string, string>>
  /** ARNs of managed policies. */
  readonly attached: readonly string[]
  /** Ids; of users only. */
  readonly groups: readonly string[]
  readonly tags: readonly { readonly key: string; readonly value: string }[]
  /** `null` but for roles. */
  readonly role: RoleTerms | null
}

export interface RoleTerms {
  /** The document that says who may be the role. */
  readonly trust: string
  readonly description: string | null
  readonly maxSessionSeconds: number
}

export interface ManagedPolicyRow {
  readonly v: 1
  readonly id: string
  readonly name: string
  readonly path: string
  readonly description: string | null
  readonly createdUnixMs: number
  readonly updatedUnixMs: number
  readonly defaultVersion: string
  /** Of the version that is made next; numbers are not used again. */
  readonly nextVersion: number
  readonly versions: readonly {
    readonly id: string
    readonly document: string
    readonly createdUnixMs: number
  }[]
}

export interface Known<Row> {
  readonly row: Row
  readonly bytes: Uint8Array
}

/** Names are told apart without regard to case, as IAM does. */
export const entityKey = (tenant: TenantId, kind: EntityKind | 'policy', name: string): Uint8Array =>
  utf8(`${tenant}/${kind}/${name.toLowerCase()}`)
export const entityIdKey = (tenant: TenantId, id: string): Uint8Array => utf8(`${tenant}/id/${id}`)
/** `owner`: the user's id, or `root`. */
export const ownedKeyKey = (tenant: TenantId, owner: string, accessKeyId: string): Uint8Array =>
  utf8(`${tenant}/key/${owner}/${accessKeyId}`)
const epochKey = (tenant: TenantId): Uint8Array => utf8(`${tenant}/epoch`)

export function readEpoch(catalog: Catalog, tenant: TenantId): Promise<Uint8Array | null> {
  return catalog.get('iam', epochKey(tenant))
}

export async function findEntity(
  catalog: Catalog,
  tenant: TenantId,
  kind: EntityKind,
  name: string,
): Promise<Known<EntityRow> | null> {
  const bytes = await catalog.get('iam', entityKey(tenant, kind, name))
  return bytes === null ? null : { row: decodeRow<EntityRow>(bytes), bytes }
}

export async function findEntityById(
  catalog: Catalog,
  tenant: TenantId,
  id: string,
): Promise<Known<EntityRow> | null> {
  const place = await catalog.get('iam', entityIdKey(tenant, id))
  if (place === null) return null
  const [kind, name] = fromUtf8(place).split('/') as [EntityKind, string]
  const found = await findEntity(catalog, tenant, kind, name)
  return found?.row.id === id ? found : null
}

/** The rows of an entity and of its id. */
export function entityPuts(tenant: TenantId, row: EntityRow): Put[] {
  return [
    { table: 'iam', key: entityKey(tenant, row.kind, row.name), value: encodeRow(row) },
    { table: 'iam', key: entityIdKey(tenant, row.id), value: utf8(`${row.kind}/${row.name.toLowerCase()}`) },
  ]
}

export async function findManagedPolicy(
  catalog: Catalog,
  tenant: TenantId,
  name: string,
): Promise<Known<ManagedPolicyRow> | null> {
  const bytes = await catalog.get('iam', entityKey(tenant, 'policy', name))
  return bytes === null ? null : { row: decodeRow<ManagedPolicyRow>(bytes), bytes }
}

/** By name. */
export async function listNamed<Row extends EntityRow | ManagedPolicyRow>(
  catalog: Catalog,
  tenant: TenantId,
  kind: Row extends EntityRow ? EntityKind : 'policy',
): Promise<Row[]> {
  const rows: Row[] = []
  for await (const { value } of rowsOf(catalog, 'iam', { prefix: utf8(`${tenant}/${kind}/`) }))
    rows.push(decodeRow<Row>(value))
  return rows
}

export async function listOwnedKeys(catalog: Catalog, tenant: TenantId, owner: string): Promise<string[]> {
  const prefix = utf8(`${tenant}/key/${owner}/`)
  const ids: string[] = []
  for await (const { key } of rowsOf(catalog, 'iam', { prefix }))
    ids.push(fromUtf8(key.subarray(prefix.length)))
  return ids
}

/** False when a check does not hold. */
export function changeAccount(
  catalog: Catalog,
  authorized: Authorized<AccountUse>,
  batch: CatalogBatch,
): Promise<boolean> {
  const epoch = { table: 'iam', key: epochKey(authorized.op.tenant), amounts: [1] } as const
  return catalog.commit({ ...batch, adds: [...(batch.adds ?? []), epoch] })
}
