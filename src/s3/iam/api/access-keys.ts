/** Access keys of users and of the account's root: made, listed, switched off and on, ended. */
import {
  changeAccount,
  entityKey,
  findEntity,
  type Known,
  listOwnedKeys,
  ownedKeyKey,
} from '../../../store/iam.ts'
import { decodeRow, encodeRow } from '../../../store/rows.ts'
import { rowsOf } from '../../../store/rows-of.ts'
import { type AccessKeyRow, accessKeyRowKey } from '../../../store/tenants.ts'
import type { XmlNode } from '../../xml.ts'
import { type IamAction, type IamContext, iamArn, noSuch, pageOf, xmlTime } from './action.ts'
import { IamError } from './iam-error.ts'
import { newId } from './ids.ts'
import { aboutEntity, kindSpecs } from './kinds.ts'
import { entityName, type TextRule } from './params.ts'

const user = kindSpecs.find(({ kind }) => kind === 'user')!
const maxKeys = 2
/** `anonymous` is what the books call those who did not sign. */
const keyIdRule: TextRule = { pattern: /^(?!anonymous$)[A-Za-z0-9._-]{3,128}$/i, max: 128 }
const secretRule: TextRule = { pattern: /^[\u0021-\u007e]{8,128}$/, max: 128 }
const statusRule: TextRule = { pattern: /^(?:Active|Inactive)$/, max: 8 }

interface Owner {
  /** `null`: the account's root. */
  readonly name: string | null
  /** The user's id, or `root`. */
  readonly id: string
  readonly checks: readonly {
    readonly table: 'iam'
    readonly key: Uint8Array
    readonly expected: Uint8Array
  }[]
}

/** Whoever names nobody means its own keys. */
async function ownerOf(context: IamContext): Promise<Owner> {
  const { params, caller, catalog, tenant } = context
  const name = params.optional('UserName', entityName) ?? caller.policy.userName
  if (name === null) {
    if (caller.policy.kind === 'root') return { name: null, id: 'root', checks: [] }
    throw new IamError('ValidationError', 'Must specify userName when calling with non-User credentials')
  }
  const found = await findEntity(catalog, tenant, 'user', name)
  if (found === null) throw noSuch('user', name)
  const key = entityKey(tenant, 'user', name)
  return { name: found.row.name, id: found.row.id, checks: [{ table: 'iam', key, expected: found.bytes }] }
}

const aboutOwner: NonNullable<IamAction['resource']> = context => {
  const isRoots =
    context.caller.policy.kind === 'root' && context.params.optional('UserName', entityName) === null
  return isRoots ? iamArn(context, 'root') : aboutEntity(user)(context)
}

const common = { service: 'iam', resource: aboutOwner } as const

export const accessKeyActions: readonly IamAction[] = [
  {
    ...common,
    name: 'CreateAccessKey',
    run: async (context, authorized) => {
      const { params, tenant, catalog, randomBytes } = context
      const owner = await ownerOf(context)
      // Beyond IAM: whoever moves here may bring a key along.
      const givenId = params.optional('AccessKeyId', keyIdRule)
      const accessKeyId = givenId ?? newId('AKIA', randomBytes, 16)
      const secretAccessKey =
        params.optional('SecretAccessKey', secretRule) ?? Buffer.from(randomBytes(30)).toString('base64url')
      if (givenId !== null && (await isTaken(context, givenId)))
        throw new IamError('EntityAlreadyExists', `Access key ${givenId} already exists.`)
      const keys = await keysOf(context, owner)
      if (keys.length >= maxKeys)
        throw new IamError('LimitExceeded', `Cannot exceed quota for AccessKeysPerUser: ${maxKeys}`)
      const row: AccessKeyRow = {
        v: 1,
        accessKeyId,
        secretAccessKey,
        tenant,
        home: context.home,
        createdUnixMs: context.clock(),
        account: context.account,
        ...(owner.name !== null && { userId: owner.id }),
      }
      const drafted = context.drafts.draft({
        tenant,
        type: 'accesskey.created',
        body: {
          accessKeyId,
          by: { accessKeyId: context.accessKeyId },
          ...(owner.name !== null && { user: owner.name }),
        },
      })
      const held = await changeAccount(catalog, authorized, {
        checks: [{ table: 'accesskeys', key: accessKeyRowKey(accessKeyId), expected: null }, ...owner.checks],
        puts: [
          { table: 'accesskeys', key: accessKeyRowKey(accessKeyId), value: encodeRow(row) },
          { table: 'iam', key: ownedKeyKey(tenant, owner.id, accessKeyId), value: Buffer.from(accessKeyId) },
          drafted.put,
        ],
      })
      if (!held)
        throw new IamError('ConcurrentModification', 'The user was changed by others meanwhile. Try again.')
      context.entered(drafted)
      return { AccessKey: { ...keyXml(context, owner, row), SecretAccessKey: secretAccessKey } }
    },
  },
  {
    ...common,
    name: 'ListAccessKeys',
    run: async context => {
      const owner = await ownerOf(context)
      const page = pageOf(context.params, await keysOf(context, owner), ({ accessKeyId }) => accessKeyId)
      return {
        AccessKeyMetadata: { member: page.items.map(row => keyXml(context, owner, row)) },
        ...page.more,
      }
    },
  },
  {
    ...common,
    name: 'UpdateAccessKey',
    run: async (context, authorized) => {
      const status = context.params.text('Status', statusRule) as 'Active' | 'Inactive'
      const { row, bytes } = await demandKey(context)
      const { status: _before, ...rest } = row
      const changed: AccessKeyRow = status === 'Inactive' ? { ...rest, status } : rest
      await changeKey(context, authorized, { row, bytes }, changed, {
        type: 'accesskey.changed',
        body: { accessKeyId: row.accessKeyId, status, by: { accessKeyId: context.accessKeyId } },
      })
      return null
    },
  },
  {
    ...common,
    name: 'DeleteAccessKey',
    run: async (context, authorized) => {
      const { row, bytes } = await demandKey(context)
      await changeKey(context, authorized, { row, bytes }, null, {
        type: 'accesskey.deleted',
        body: { accessKeyId: row.accessKeyId, by: { accessKeyId: context.accessKeyId } },
      })
      return null
    },
  },
  {
    service: 'iam',
    name: 'GetAccessKeyLastUsed',
    resource: context => iamArn(context, 'user/*'),
    run: async context => {
      const id = context.params.text('AccessKeyId', keyIdRule)
      const bytes = await context.catalog.get('accesskeys', accessKeyRowKey(id))
      const row = bytes === null ? null : decodeRow<AccessKeyRow>(bytes)
      if (row === null || row.tenant !== context.tenant)
        throw new IamError('AccessDenied', `The access key ${id} is not one of this account.`)
      // Not kept: the ledger says what was done with a key.
      return {
        UserName: context.account.displayName,
        AccessKeyLastUsed: { ServiceName: 'N/A', Region: 'N/A' },
      }
    },
  },
]

async function isTaken({ regions }: IamContext, accessKeyId: string): Promise<boolean> {
  for (const { catalog } of regions.values())
    if ((await catalog.get('accesskeys', accessKeyRowKey(accessKeyId))) !== null) return true
  return false
}

async function keysOf({ catalog, tenant }: IamContext, owner: Owner): Promise<AccessKeyRow[]> {
  const rows: AccessKeyRow[] = []
  for (const id of await listOwnedKeys(catalog, tenant, owner.id)) {
    const bytes = await catalog.get('accesskeys', accessKeyRowKey(id))
    if (bytes !== null) rows.push(decodeRow<AccessKeyRow>(bytes))
  }
  if (rows.length > 0 || owner.name !== null) return rows
  // Root keys of before have no row in the index.
  for await (const { value } of rowsOf(catalog, 'accesskeys')) {
    const row = decodeRow<AccessKeyRow>(value)
    if (row.tenant === tenant && row.userId === undefined && row.session === undefined) rows.push(row)
  }
  return rows
}

async function demandKey(context: IamContext): Promise<Known<AccessKeyRow>> {
  const owner = await ownerOf(context)
  const id = context.params.text('AccessKeyId', keyIdRule)
  const bytes = await context.catalog.get('accesskeys', accessKeyRowKey(id))
  const row = bytes === null ? null : decodeRow<AccessKeyRow>(bytes)
  const isOwners =
    row !== null &&
    row.tenant === context.tenant &&
    row.session === undefined &&
    (row.userId ?? 'root') === owner.id
  if (!isOwners) throw new IamError('NoSuchEntity', `The Access Key with id ${id} cannot be found.`)
  return { row, bytes: bytes! }
}

type KeyEntry = Parameters<IamContext['drafts']['draft']>[0] extends infer Entry
  ? Entry extends { type: 'accesskey.changed' | 'accesskey.deleted' }
    ? Omit<Entry, 'tenant'>
    : never
  : never

/** At home with its entry, then in the regions that have a copy: home alone counts where it is served. */
async function changeKey(
  context: IamContext,
  authorized: Parameters<IamAction['run']>[1],
  { row, bytes }: Known<AccessKeyRow>,
  changed: AccessKeyRow | null,
  entry: KeyEntry,
): Promise<void> {
  const { catalog, regions, tenant } = context
  const key = accessKeyRowKey(row.accessKeyId)
  const drafted = context.drafts.draft({ tenant, ...entry } as Parameters<IamContext['drafts']['draft']>[0])
  const ownedKey = ownedKeyKey(tenant, row.userId ?? 'root', row.accessKeyId)
  const held = await changeAccount(catalog, authorized, {
    checks: [{ table: 'accesskeys', key, expected: bytes }],
    ...(changed === null
      ? {
          removes: [
            { table: 'accesskeys', key },
            { table: 'iam', key: ownedKey },
          ],
          puts: [drafted.put],
        }
      : { puts: [{ table: 'accesskeys', key, value: encodeRow(changed) }, drafted.put] }),
  })
  if (!held)
    throw new IamError('ConcurrentModification', 'The key was changed by others meanwhile. Try again.')
  context.entered(drafted)
  for (const { catalog: other } of regions.values()) {
    if (other === catalog || (await other.get('accesskeys', key)) === null) continue
    await other.commit(
      changed === null
        ? { removes: [{ table: 'accesskeys', key }] }
        : { puts: [{ table: 'accesskeys', key, value: encodeRow(changed) }] },
    )
  }
}

function keyXml({ account }: IamContext, owner: Owner, row: AccessKeyRow): Readonly<Record<string, XmlNode>> {
  return {
    UserName: owner.name ?? account.displayName,
    AccessKeyId: row.accessKeyId,
    Status: row.status ?? 'Active',
    CreateDate: xmlTime(row.createdUnixMs),
  }
}
