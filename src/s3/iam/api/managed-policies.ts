/** Policies of their own, with versions, which are attached to users, groups and roles. */
import { sha256Hex, uriEncode } from '../../../crypto/sigv4.ts'
import {
  type EntityRow,
  entityKey,
  findManagedPolicy,
  type Known,
  listNamed,
  type ManagedPolicyRow,
} from '../../../store/iam.ts'
import { encodeRow } from '../../../store/rows.ts'
import type { XmlNode } from '../../xml.ts'
import { builtInArns, builtInPolicy } from '../managed-policies.ts'
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
import { identityPolicyOf } from './inline-policies.ts'
import { aboutEntity, kindSpecs } from './kinds.ts'
import { arnRule, documentRule, pathPrefix, pathRule, policyName, type TextRule } from './params.ts'

const maxPolicyBytes = 6144
const maxVersions = 5
const maxAttached = 10
const versionRule: TextRule = { pattern: /^v[1-9]\d{0,8}$/, max: 10 }
const descriptionRule: TextRule = { pattern: /^[\u0009\u000a\u000d\u0020-\u00ff]*$/, max: 1000 }
const scopeRule: TextRule = { pattern: /^(?:All|AWS|Local)$/, max: 5 }

const arnOf = (context: IamContext, row: ManagedPolicyRow): string =>
  entityArn(context, { kind: 'policy', ...row })
const aboutArn = (context: IamContext): string => context.params.text('PolicyArn', arnRule)

const common = { service: 'iam', resource: aboutArn } as const

export const managedPolicyActions: readonly IamAction[] = [
  {
    service: 'iam',
    name: 'CreatePolicy',
    resource: ({ params, account }) =>
      entityArn(
        { account },
        {
          kind: 'policy',
          name: params.text('PolicyName', policyName),
          path: params.optional('Path', pathRule) ?? '/',
        },
      ),
    run: async (context, authorized) => {
      const { params, tenant } = context
      const now = context.clock()
      const document = documentOf(params.text('PolicyDocument', documentRule))
      const row: ManagedPolicyRow = {
        v: 1,
        id: newId('ANPA', context.randomBytes),
        name: params.text('PolicyName', policyName),
        path: params.optional('Path', pathRule) ?? '/',
        description: params.optional('Description', descriptionRule),
        createdUnixMs: now,
        updatedUnixMs: now,
        defaultVersion: 'v1',
        nextVersion: 2,
        versions: [{ id: 'v1', document, createdUnixMs: now }],
      }
      const key = entityKey(tenant, 'policy', row.name)
      const change = {
        action: 'CreatePolicy',
        resource: arnOf(context, row),
        sha256: sha256Hex(document),
      }
      const held = await enterChange(context, authorized, change, {
        checks: [{ table: 'iam', key, expected: null }],
        puts: [{ table: 'iam', key, value: encodeRow(row) }],
      })
      if (!held)
        throw new IamError(
          'EntityAlreadyExists',
          `A policy called ${row.name} already exists. Duplicate names are not allowed.`,
        )
      return { Policy: policyXml(context, row, 0) }
    },
  },
  {
    ...common,
    name: 'GetPolicy',
    run: async context => {
      const arn = aboutArn(context)
      if (builtInPolicy(arn) !== null) return { Policy: builtInXml(arn) }
      const { row } = await demandPolicy(context, arn)
      return { Policy: policyXml(context, row, (await attachedTo(context, arn)).length) }
    },
  },
  {
    service: 'iam',
    name: 'ListPolicies',
    resource: context => iamArn(context, 'policy/*'),
    run: async context => {
      const { params } = context
      const scope = params.optional('Scope', scopeRule) ?? 'All'
      const prefix = params.optional('PathPrefix', pathPrefix) ?? '/'
      const own =
        scope === 'AWS' ? [] : await listNamed<ManagedPolicyRow>(context.catalog, context.tenant, 'policy')
      const entities = await allEntities(context)
      const count = (arn: string): number => entities.filter(({ attached }) => attached.includes(arn)).length
      const found = own
        .filter(({ path }) => path.startsWith(prefix))
        .map(row => ({
          name: row.name.toLowerCase(),
          xml: policyXml(context, row, count(arnOf(context, row))),
        }))
      const builtIn =
        scope === 'Local' || prefix !== '/'
          ? []
          : builtInArns.map(arn => ({ name: arn.toLowerCase(), xml: builtInXml(arn) }))
      const all = [...found, ...builtIn].sort((a, b) => (a.name < b.name ? -1 : 1))
      const page = pageOf(params, all, ({ name }) => name)
      return { Policies: { member: page.items.map(({ xml }) => xml) }, ...page.more }
    },
  },
  {
    ...common,
    name: 'DeletePolicy',
    run: async (context, authorized) => {
      const arn = aboutArn(context)
      const { row, bytes } = await demandPolicy(context, arn)
      if ((await attachedTo(context, arn)).length > 0)
        throw new IamError('DeleteConflict', 'Cannot delete a policy attached to entities.')
      if (row.versions.length > 1)
        throw new IamError(
          'DeleteConflict',
          'This policy has more than one version. Before you delete a policy, you must delete the policy’s versions.',
        )
      const key = entityKey(context.tenant, 'policy', row.name)
      const change = { action: 'DeletePolicy', resource: arn }
      const held = await enterChange(context, authorized, change, {
        checks: [{ table: 'iam', key, expected: bytes }],
        removes: [{ table: 'iam', key }],
      })
      if (!held)
        throw new IamError('ConcurrentModification', 'The policy was changed by others meanwhile. Try again.')
      return null
    },
  },
  {
    ...common,
    name: 'CreatePolicyVersion',
    run: async (context, authorized) => {
      const document = documentOf(context.params.text('PolicyDocument', documentRule))
      const isDefault =
        context.params.optional('SetAsDefault', { pattern: /^(?:true|false)$/, max: 5 }) === 'true'
      const now = context.clock()
      const change = { action: 'CreatePolicyVersion', sha256: sha256Hex(document) }
      const row = await changePolicy(context, authorized, change, before => {
        if (before.versions.length >= maxVersions)
          throw new IamError('LimitExceeded', `A managed policy can have up to ${maxVersions} versions.`)
        const id = `v${before.nextVersion}`
        return {
          ...before,
          updatedUnixMs: now,
          nextVersion: before.nextVersion + 1,
          defaultVersion: isDefault ? id : before.defaultVersion,
          versions: [...before.versions, { id, document, createdUnixMs: now }],
        }
      })
      return { PolicyVersion: versionXml(row, row.versions.at(-1)!.id, false) }
    },
  },
  {
    ...common,
    name: 'GetPolicyVersion',
    run: async context => {
      const arn = aboutArn(context)
      const id = context.params.text('VersionId', versionRule)
      const builtIn = builtInPolicy(arn)
      if (builtIn !== null && id === 'v1') {
        const Document = uriEncode(builtIn, false)
        return {
          PolicyVersion: { Document, VersionId: 'v1', IsDefaultVersion: true, CreateDate: xmlTime(0) },
        }
      }
      const { row } = await demandPolicy(context, arn)
      return { PolicyVersion: versionXml(row, id, true) }
    },
  },
  {
    ...common,
    name: 'ListPolicyVersions',
    run: async context => {
      const { row } = await demandPolicy(context, aboutArn(context))
      const newestFirst = row.versions.toReversed().map(({ id }) => versionXml(row, id, false))
      return { Versions: { member: newestFirst }, IsTruncated: false }
    },
  },
  {
    ...common,
    name: 'SetDefaultPolicyVersion',
    run: async (context, authorized) => {
      const id = context.params.text('VersionId', versionRule)
      await changePolicy(context, authorized, { action: 'SetDefaultPolicyVersion' }, row => {
        demandVersion(row, id)
        return { ...row, defaultVersion: id }
      })
      return null
    },
  },
  {
    ...common,
    name: 'DeletePolicyVersion',
    run: async (context, authorized) => {
      const id = context.params.text('VersionId', versionRule)
      await changePolicy(context, authorized, { action: 'DeletePolicyVersion' }, row => {
        demandVersion(row, id)
        if (row.defaultVersion === id)
          throw new IamError('DeleteConflict', 'Cannot delete the default version of a policy.')
        return { ...row, versions: row.versions.filter(version => version.id !== id) }
      })
      return null
    },
  },
  {
    ...common,
    name: 'ListEntitiesForPolicy',
    run: async context => {
      const entities = await attachedTo(context, aboutArn(context))
      const of = (kind: EntityRow['kind'], title: string): XmlNode => ({
        member: entities
          .filter(row => row.kind === kind)
          .map(row => ({ [`${title}Name`]: row.name, [`${title}Id`]: row.id })),
      })
      return {
        PolicyGroups: of('group', 'Group'),
        PolicyUsers: of('user', 'User'),
        PolicyRoles: of('role', 'Role'),
        IsTruncated: false,
      }
    },
  },
  ...kindSpecs.flatMap((spec): IamAction[] => {
    const { kind, title, rule } = spec
    const ofEntity = { service: 'iam', resource: aboutEntity(spec) } as const
    return [
      {
        ...ofEntity,
        name: `Attach${title}Policy`,
        run: async (context, authorized) => {
          const arn = aboutArn(context)
          const name = context.params.text(`${title}Name`, rule)
          // The policy must be there when the attachment is.
          const policy = builtInPolicy(arn) === null ? await demandPolicy(context, arn) : null
          const key = policy === null ? null : entityKey(context.tenant, 'policy', policy.row.name)
          const also =
            key === null ? {} : { checks: [{ table: 'iam' as const, key, expected: policy!.bytes }] }
          await changeEntity(
            context,
            authorized,
            kind,
            name,
            { action: `Attach${title}Policy` },
            row => {
              if (row.attached.includes(arn)) return row
              if (row.attached.length >= maxAttached)
                throw new IamError(
                  'LimitExceeded',
                  `Cannot exceed quota for PoliciesPer${title}: ${maxAttached}`,
                )
              return { ...row, attached: [...row.attached, arn] }
            },
            also,
          )
          return null
        },
      },
      {
        ...ofEntity,
        name: `Detach${title}Policy`,
        run: async (context, authorized) => {
          const arn = aboutArn(context)
          const name = context.params.text(`${title}Name`, rule)
          await changeEntity(context, authorized, kind, name, { action: `Detach${title}Policy` }, row => {
            if (!row.attached.includes(arn))
              throw new IamError('NoSuchEntity', `Policy ${arn} was not found.`)
            return { ...row, attached: row.attached.filter(each => each !== arn) }
          })
          return null
        },
      },
      {
        ...ofEntity,
        name: `ListAttached${title}Policies`,
        run: async context => {
          const { row } = await demandEntity(context, kind, context.params.text(`${title}Name`, rule))
          const prefix = context.params.optional('PathPrefix', pathPrefix) ?? '/'
          const found = row.attached
            .map(PolicyArn => ({ PolicyName: PolicyArn.slice(PolicyArn.lastIndexOf('/') + 1), PolicyArn }))
            .filter(({ PolicyArn }) =>
              PolicyArn.slice(PolicyArn.indexOf(':policy/') + ':policy'.length).startsWith(prefix),
            )
            .sort((a, b) => (a.PolicyName < b.PolicyName ? -1 : 1))
          const page = pageOf(context.params, found, ({ PolicyName }) => PolicyName)
          return { AttachedPolicies: { member: page.items }, ...page.more }
        },
      },
    ]
  }),
]

function documentOf(text: string): string {
  if (text.replace(/\s/g, '').length > maxPolicyBytes)
    throw new IamError('LimitExceeded', `Cannot exceed quota for PolicySize: ${maxPolicyBytes}`)
  return identityPolicyOf(text)
}

async function demandPolicy(context: IamContext, arn: string): Promise<Known<ManagedPolicyRow>> {
  const found = await findManagedPolicy(context.catalog, context.tenant, arn.slice(arn.lastIndexOf('/') + 1))
  if (found === null || arnOf(context, found.row) !== arn)
    throw new IamError('NoSuchEntity', `Policy ${arn} does not exist or is not attachable.`)
  return found
}

const maxRaces = 100

async function changePolicy(
  context: IamContext,
  authorized: Parameters<IamAction['run']>[1],
  change: { readonly action: string; readonly sha256?: string },
  make: (row: ManagedPolicyRow) => ManagedPolicyRow,
): Promise<ManagedPolicyRow> {
  const arn = aboutArn(context)
  for (let race = 0; race < maxRaces; race++) {
    const { row, bytes } = await demandPolicy(context, arn)
    const changed = make(row)
    const key = entityKey(context.tenant, 'policy', row.name)
    const held = await enterChange(
      context,
      authorized,
      { ...change, resource: arn },
      {
        checks: [{ table: 'iam', key, expected: bytes }],
        puts: [{ table: 'iam', key, value: encodeRow(changed) }],
      },
    )
    if (held) return changed
  }
  throw new IamError('ConcurrentModification', 'The policy was changed by others meanwhile. Try again.')
}

async function allEntities({ catalog, tenant }: IamContext): Promise<EntityRow[]> {
  const lists = kindSpecs.map(({ kind }) => listNamed<EntityRow>(catalog, tenant, kind))
  return (await Promise.all(lists)).flat()
}

async function attachedTo(context: IamContext, arn: string): Promise<EntityRow[]> {
  return (await allEntities(context)).filter(({ attached }) => attached.includes(arn))
}

function demandVersion(row: ManagedPolicyRow, id: string): ManagedPolicyRow['versions'][number] {
  const version = row.versions.find(each => each.id === id)
  if (version === undefined)
    throw new IamError('NoSuchEntity', `Policy ${row.name} version ${id} does not exist.`)
  return version
}

function versionXml(row: ManagedPolicyRow, id: string, withDocument: boolean): XmlNode {
  const version = demandVersion(row, id)
  return {
    ...(withDocument && { Document: uriEncode(version.document, false) }),
    VersionId: id,
    IsDefaultVersion: row.defaultVersion === id,
    CreateDate: xmlTime(version.createdUnixMs),
  }
}

function policyXml(context: IamContext, row: ManagedPolicyRow, attachments: number): XmlNode {
  return {
    PolicyName: row.name,
    PolicyId: row.id,
    Arn: arnOf(context, row),
    Path: row.path,
    DefaultVersionId: row.defaultVersion,
    AttachmentCount: attachments,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
    Description: row.description ?? undefined,
    CreateDate: xmlTime(row.createdUnixMs),
    UpdateDate: xmlTime(row.updatedUnixMs),
  }
}

function builtInXml(arn: string): XmlNode {
  const name = arn.slice(arn.lastIndexOf('/') + 1)
  const id = `ANPA${name.toUpperCase()}`.slice(0, 21)
  const since = xmlTime(0)
  return {
    PolicyName: name,
    PolicyId: id,
    Arn: arn,
    Path: '/',
    DefaultVersionId: 'v1',
    AttachmentCount: 0,
    IsAttachable: true,
    CreateDate: since,
    UpdateDate: since,
  }
}
