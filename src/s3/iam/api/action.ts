/** What an action of IAM or STS is, and what it works with. */
import type { RandomBytes, RegionId, TenantId } from '../../../core/ids.ts'
import type { Clock } from '../../../core/time.ts'
import type { DraftBox, Drafted } from '../../../ledger/drafts.ts'
import type { Caller } from '../../../policy/access.ts'
import type { Authorized } from '../../../policy/authorized.ts'
import type { Keys } from '../../../policy/conditions.ts'
import type { AccountUse } from '../../../policy/operations.ts'
import type { Catalog, CatalogBatch } from '../../../store/catalog.ts'
import {
  changeAccount,
  type EntityKind,
  type EntityRow,
  entityKey,
  findEntity,
  type Known,
} from '../../../store/iam.ts'
import { encodeRow } from '../../../store/rows.ts'
import type { Account } from '../../../store/tenants.ts'
import type { XmlNode } from '../../xml.ts'
import { IamError } from './iam-error.ts'
import type { Params } from './params.ts'

export interface IamContext {
  readonly tenant: TenantId
  readonly account: Account
  readonly caller: Caller
  readonly accessKeyId: string
  /** The caller's key is a session's. */
  readonly isSession: boolean
  readonly home: RegionId
  /** Of the tenant's home region, where its account is kept. */
  readonly catalog: Catalog
  readonly drafts: DraftBox
  readonly regions: ReadonlyMap<RegionId, { readonly catalog: Catalog; readonly drafts: DraftBox }>
  /** Of the request, for conditions of policies. */
  readonly keys: Keys
  readonly params: Params
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly entered: (entry: Drafted) => void
}

export interface IamAction {
  readonly service: 'iam' | 'sts'
  readonly name: string
  /** What the action is about, as an ARN; `null`: what anyone may ask who has signed. */
  readonly resource: ((context: IamContext) => string | Promise<string>) | null
  /** What is inside `<NameResult>`; `null` where the answer has none. */
  readonly run: (context: IamContext, authorized: Authorized<AccountUse>) => Promise<XmlNode | null>
}

export const iamArn = ({ account }: IamContext, resource: string): string =>
  `arn:aws:iam::${account.accountId}:${resource}`

export const entityArn = (
  { account }: Pick<IamContext, 'account'>,
  {
    kind,
    path,
    name,
  }: { readonly kind: EntityKind | 'policy'; readonly path: string; readonly name: string },
): string => `arn:aws:iam::${account.accountId}:${kind}${path}${name}`

export const xmlTime = (unixMs: number): string => new Date(unixMs).toISOString().replace(/\.\d+Z$/, 'Z')

const title = { user: 'user', group: 'group', role: 'role', policy: 'policy' } as const

export function noSuch(kind: EntityKind | 'policy', name: string): IamError {
  return new IamError('NoSuchEntity', `The ${title[kind]} with name ${name} cannot be found.`)
}

export async function demandEntity(
  { catalog, tenant }: IamContext,
  kind: EntityKind,
  name: string,
): Promise<Known<EntityRow>> {
  const found = await findEntity(catalog, tenant, kind, name)
  if (found === null) throw noSuch(kind, name)
  return found
}

export interface Change {
  readonly action: string
  readonly resource: string
  /** SHA-256 of the policy document that was set, hex. */
  readonly sha256?: string
}

/**
 * Commits a change of the account with its entry, which is noted for the answer only when the batch took effect: of a
 * lost race nothing is entered, and a promise of it would convict the region. False when a check does not hold.
 */
export async function enterChange(
  context: IamContext,
  authorized: Authorized<AccountUse>,
  { action, resource, sha256 }: Change,
  batch: CatalogBatch,
): Promise<boolean> {
  const by = { accessKeyId: context.accessKeyId }
  const drafted = context.drafts.draft({
    tenant: context.tenant,
    type: 'iam.changed',
    body: { action, resource, sha256: sha256 ?? null, by },
  })
  const puts = [...(batch.puts ?? []), drafted.put]
  const held = await changeAccount(context.catalog, authorized, { ...batch, puts })
  if (held) context.entered(drafted)
  return held
}

const maxRaces = 100

/** Reads, changes and commits an entity until nobody came between. What `change` throws ends it. */
export async function changeEntity(
  context: IamContext,
  authorized: Authorized<AccountUse>,
  kind: EntityKind,
  name: string,
  change: Omit<Change, 'resource'>,
  make: (row: EntityRow) => EntityRow | Promise<EntityRow>,
  also: CatalogBatch = {},
): Promise<EntityRow> {
  for (let race = 0; race < maxRaces; race++) {
    const { row, bytes } = await demandEntity(context, kind, name)
    const changed = await make(row)
    const key = entityKey(context.tenant, kind, name)
    const entry = { ...change, resource: entityArn(context, row) }
    const held = await enterChange(context, authorized, entry, {
      checks: [{ table: 'iam', key, expected: bytes }, ...(also.checks ?? [])],
      puts: [{ table: 'iam', key, value: encodeRow(changed) }, ...(also.puts ?? [])],
    })
    if (held) return changed
  }
  throw new IamError('ConcurrentModification', 'The entity was changed by others meanwhile. Try again.')
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly more: { readonly IsTruncated: boolean; readonly Marker: string | undefined }
}

const markerRule = { pattern: /^[\u0020-\u00ff]+$/, max: 320 }

/** One page of a sorted list; the marker is the last name of the page before. */
export function pageOf<Item>(
  params: Params,
  items: readonly Item[],
  nameOf: (item: Item) => string,
): Page<Item> {
  const limit = params.number('MaxItems', 1, 1000, 100)
  const marker = params.optional('Marker', markerRule)
  const rest = marker === null ? items : items.filter(item => nameOf(item) > marker)
  const page = rest.slice(0, limit)
  const isTruncated = rest.length > limit
  return {
    items: page,
    more: { IsTruncated: isTruncated, Marker: isTruncated ? nameOf(page.at(-1)!) : undefined },
  }
}
