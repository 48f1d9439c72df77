/** Users, groups and roles: made, shown, listed, renamed and ended by the same code. */

import { sha256Hex, uriEncode } from '../../../crypto/sigv4.ts'
import { parsePolicy } from '../../../policy/document.ts'
import {
  type EntityRow,
  entityIdKey,
  entityKey,
  entityPuts,
  listNamed,
  listOwnedKeys,
  ownedKeyKey,
  type RoleTerms,
} from '../../../store/iam.ts'
import type { XmlNode } from '../../xml.ts'
import {
  changeEntity,
  demandEntity,
  enterChange,
  entityArn,
  type IamAction,
  type IamContext,
  iamArn,
  pageOf,
  xmlTime,
} from './action.ts'
import { IamError } from './iam-error.ts'
import { newId } from './ids.ts'
import { aboutEntity, type KindSpec, kindSpecs, nameOf } from './kinds.ts'
import { documentRule, entityName, type Params, pathPrefix, pathRule, type TextRule } from './params.ts'
import { readTags, tagsXml } from './tags.ts'

export const entityActions: readonly IamAction[] = kindSpecs.flatMap(spec => [
  create(spec),
  get(spec),
  list(spec),
  ...(spec.kind === 'role' ? [updateRole(), updateTrust()] : [rename(spec)]),
  remove(spec),
])

export function entityXml(context: IamContext, row: EntityRow): XmlNode {
  const { title } = kindSpecs.find(({ kind }) => kind === row.kind)!
  return {
    Path: row.path,
    [`${title}Name`]: row.name,
    [`${title}Id`]: row.id,
    Arn: entityArn(context, row),
    CreateDate: xmlTime(row.createdUnixMs),
    ...(row.role !== null && {
      AssumeRolePolicyDocument: uriEncode(row.role.trust, false),
      Description: row.role.description ?? undefined,
      MaxSessionDuration: row.role.maxSessionSeconds,
    }),
    ...(row.tags.length > 0 && { Tags: tagsXml(row.tags) }),
  }
}

const userIdRule: TextRule = { pattern: /^[\w.@+=:$-]+$/, max: 128 }

function create({ kind, title, rule, idPrefix }: KindSpec): IamAction {
  return {
    service: 'iam',
    name: `Create${title}`,
    resource: context => {
      const name = context.params.text(`${title}Name`, rule)
      return entityArn(context, { kind, name, path: context.params.optional('Path', pathRule) ?? '/' })
    },
    run: async (context, authorized) => {
      const { params, tenant } = context
      if (params.optional('PermissionsBoundary', documentRule) !== null)
        throw new IamError('InvalidInput', 'Permissions boundaries are not implemented.')
      const row: EntityRow = {
        v: 1,
        kind,
        // Beyond IAM: whoever moves here may bring a user's id along.
        id:
          (kind === 'user' ? params.optional('UserId', userIdRule) : null) ??
          newId(idPrefix, context.randomBytes),
        name: params.text(`${title}Name`, rule),
        path: params.optional('Path', pathRule) ?? '/',
        createdUnixMs: context.clock(),
        inline: {},
        attached: [],
        groups: [],
        tags: readTags(params),
        role: kind === 'role' ? roleTerms(params) : null,
      }
      const change = { action: `Create${title}`, resource: entityArn(context, row) }
      const held = await enterChange(context, authorized, change, {
        checks: [
          { table: 'iam', key: entityKey(tenant, kind, row.name), expected: null },
          { table: 'iam', key: entityIdKey(tenant, row.id), expected: null },
        ],
        puts: entityPuts(tenant, row),
      })
      if (!held) throw new IamError('EntityAlreadyExists', `${title} with name ${row.name} already exists.`)
      return { [title]: entityXml(context, row) }
    },
  }
}

const defaultSessionSeconds = 3600
const maxSessionSeconds = 43_200
const descriptionRule: TextRule = { pattern: /^[\u0009\u000a\u000d\u0020-\u00ff]*$/, max: 1000 }

function roleTerms(params: Params): RoleTerms {
  return {
    trust: trustOf(params.text('AssumeRolePolicyDocument', documentRule)),
    description: params.optional('Description', descriptionRule),
    maxSessionSeconds: params.number(
      'MaxSessionDuration',
      defaultSessionSeconds,
      maxSessionSeconds,
      defaultSessionSeconds,
    ),
  }
}

function trustOf(text: string): string {
  const policy = parsePolicy(text, 'trust')
  if (typeof policy === 'string') throw new IamError('MalformedPolicyDocument', policy)
  return text
}

function get(spec: KindSpec): IamAction {
  const { kind, title, rule } = spec
  return {
    service: 'iam',
    name: `Get${title}`,
    resource: context => (isRootItself(context, spec) ? iamArn(context, 'root') : aboutEntity(spec)(context)),
    run: async context => {
      if (isRootItself(context, spec)) return { User: rootXml(context) }
      const { row } = await demandEntity(context, kind, nameOf(context, title, rule))
      if (kind !== 'group') return { [title]: entityXml(context, row) }
      const users = await listNamed<EntityRow>(context.catalog, context.tenant, 'user')
      const members = users.filter(({ groups }) => groups.includes(row.id))
      const page = pageOf(context.params, members, ({ name }) => name.toLowerCase())
      return {
        Group: entityXml(context, row),
        Users: { member: page.items.map(user => entityXml(context, user)) },
        ...page.more,
      }
    },
  }
}

function isRootItself({ caller, params }: IamContext, { kind, rule }: KindSpec): boolean {
  return kind === 'user' && caller.policy.kind === 'root' && params.optional('UserName', rule) === null
}

function rootXml(context: IamContext): XmlNode {
  const { accountId, displayName } = context.account
  return {
    Path: '/',
    UserName: displayName,
    UserId: accountId,
    Arn: iamArn(context, 'root'),
    CreateDate: xmlTime(0),
  }
}

function list({ kind, title }: KindSpec): IamAction {
  return {
    service: 'iam',
    name: `List${title}s`,
    resource: context => iamArn(context, `${kind}/*`),
    run: async context => {
      const prefix = context.params.optional('PathPrefix', pathPrefix) ?? '/'
      const rows = await listNamed<EntityRow>(context.catalog, context.tenant, kind)
      const page = pageOf(
        context.params,
        rows.filter(({ path }) => path.startsWith(prefix)),
        ({ name }) => name.toLowerCase(),
      )
      return { [`${title}s`]: { member: page.items.map(row => entityXml(context, row)) }, ...page.more }
    },
  }
}

function rename(spec: KindSpec): IamAction {
  const { kind, title, rule } = spec
  return {
    service: 'iam',
    name: `Update${title}`,
    resource: aboutEntity(spec),
    run: async (context, authorized) => {
      const { params, tenant } = context
      const { row, bytes } = await demandEntity(context, kind, params.text(`${title}Name`, rule))
      const renamed: EntityRow = {
        ...row,
        name: params.optional(`New${title}Name`, rule) ?? row.name,
        path: params.optional('NewPath', pathRule) ?? row.path,
      }
      const from = entityKey(tenant, kind, row.name)
      const isMoved = renamed.name.toLowerCase() !== row.name.toLowerCase()
      const change = { action: `Update${title}`, resource: entityArn(context, renamed) }
      const held = await enterChange(context, authorized, change, {
        checks: [
          { table: 'iam', key: from, expected: bytes },
          ...(isMoved
            ? [{ table: 'iam' as const, key: entityKey(tenant, kind, renamed.name), expected: null }]
            : []),
        ],
        removes: isMoved ? [{ table: 'iam', key: from }] : [],
        puts: entityPuts(tenant, renamed),
      })
      if (!held)
        throw new IamError('EntityAlreadyExists', `${title} with name ${renamed.name} already exists.`)
      return null
    },
  }
}

function updateRole(): IamAction {
  const spec = kindSpecs.find(({ kind }) => kind === 'role')!
  return {
    service: 'iam',
    name: 'UpdateRole',
    resource: aboutEntity(spec),
    run: async (context, authorized) => {
      const { params } = context
      const name = params.text('RoleName', entityName)
      await changeEntity(context, authorized, 'role', name, { action: 'UpdateRole' }, row => ({
        ...row,
        role: {
          ...row.role!,
          description: params.optional('Description', descriptionRule) ?? row.role!.description,
          maxSessionSeconds: params.number(
            'MaxSessionDuration',
            defaultSessionSeconds,
            maxSessionSeconds,
            row.role!.maxSessionSeconds,
          ),
        },
      }))
      return {}
    },
  }
}

function updateTrust(): IamAction {
  const spec = kindSpecs.find(({ kind }) => kind === 'role')!
  return {
    service: 'iam',
    name: 'UpdateAssumeRolePolicy',
    resource: aboutEntity(spec),
    run: async (context, authorized) => {
      const name = context.params.text('RoleName', entityName)
      const trust = trustOf(context.params.text('PolicyDocument', documentRule))
      const change = { action: 'UpdateAssumeRolePolicy', sha256: sha256Hex(trust) }
      await changeEntity(context, authorized, 'role', name, change, row => ({
        ...row,
        role: { ...row.role!, trust },
      }))
      return null
    },
  }
}

function remove(spec: KindSpec): IamAction {
  const { kind, title, rule } = spec
  return {
    service: 'iam',
    name: `Delete${title}`,
    resource: aboutEntity(spec),
    run: async (context, authorized) => {
      const { tenant } = context
      const { row, bytes } = await demandEntity(context, kind, context.params.text(`${title}Name`, rule))
      await demandAlone(context, row)
      const key = entityKey(tenant, kind, row.name)
      const change = { action: `Delete${title}`, resource: entityArn(context, row) }
      const held = await enterChange(context, authorized, change, {
        checks: [
          { table: 'iam', key, expected: bytes },
          { table: 'iam', emptyPrefix: ownedKeyKey(tenant, row.id, '') },
        ],
        removes: [
          { table: 'iam', key },
          { table: 'iam', key: entityIdKey(tenant, row.id) },
        ],
      })
      if (!held)
        throw new IamError('ConcurrentModification', 'The entity was changed by others meanwhile. Try again.')
      return null
    },
  }
}

async function demandAlone({ catalog, tenant }: IamContext, row: EntityRow): Promise<void> {
  const conflict = (what: string): IamError =>
    new IamError('DeleteConflict', `Cannot delete entity, must ${what} first.`)
  if ((await listOwnedKeys(catalog, tenant, row.id)).length > 0) throw conflict('delete access keys')
  if (Object.keys(row.inline).length > 0) throw conflict('delete policies')
  if (row.attached.length > 0) throw conflict('detach all policies')
  if (row.groups.length > 0) throw conflict('remove users from group')
  if (row.kind !== 'group') return
  const users = await listNamed<EntityRow>(catalog, tenant, 'user')
  if (users.some(({ groups }) => groups.includes(row.id))) throw conflict('remove users from group')
}
