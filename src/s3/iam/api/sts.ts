/** Sessions: keys that end by themselves, for whoever asked or for a role. */
import { createHash } from 'node:crypto'
import { concat, u64be, utf8 } from '../../../core/bytes.ts'
import { isoTime } from '../../../core/time.ts'
import { mayAssume } from '../../../policy/assume-role.ts'
import { parsePolicy } from '../../../policy/document.ts'
import type { Remove } from '../../../store/catalog.ts'
import { type EntityRow, findEntity, findManagedPolicy } from '../../../store/iam.ts'
import { encodeRow } from '../../../store/rows.ts'
import {
  type AccessKeyRow,
  accessKeyRowKey,
  accountOf,
  findAccount,
  findTenant,
  type SessionTerms,
  type TenantRow,
} from '../../../store/tenants.ts'
import type { XmlNode } from '../../xml.ts'
import { builtInPolicy } from '../managed-policies.ts'
import { entityArn, type IamAction, type IamContext, xmlTime } from './action.ts'
import { IamError } from './iam-error.ts'
import { newId } from './ids.ts'
import { identityPolicyOf } from './inline-policies.ts'
import { arnRule, documentRule, type TextRule } from './params.ts'

const sessionNameRule: TextRule = { pattern: /^[\w+=,.@-]{2,64}$/, max: 64 }
const federatedNameRule: TextRule = { pattern: /^[\w+=,.@-]{2,32}$/, max: 32 }
const minSeconds = 900
const longestSeconds = 129_600
const maxSessionPolicyChars = 2048

export const stsActions: readonly IamAction[] = [
  {
    service: 'sts',
    name: 'GetCallerIdentity',
    resource: null,
    run: async ({ caller, account }) => ({
      Arn: caller.policy.arns[0]!,
      UserId: caller.policy.userId,
      Account: account.accountId,
    }),
  },
  {
    service: 'sts',
    name: 'GetSessionToken',
    resource: null,
    run: async context => {
      const { params, caller } = context
      demandNoSession(context)
      const isRoot = caller.policy.kind === 'root'
      const longest = isRoot ? 3600 : longestSeconds
      const seconds = params.number('DurationSeconds', minSeconds, longestSeconds, 43_200)
      const own = await tenantRow(context)
      return {
        Credentials: await issue(context, own, Math.min(seconds, longest), caller.policy.arns[0]!, {
          as: null,
          ...(!isRoot && { userId: caller.policy.userId }),
        }),
      }
    },
  },
  {
    service: 'sts',
    name: 'GetFederationToken',
    resource: ({ params, account }) =>
      `arn:aws:sts::${account.accountId}:federated-user/${params.text('Name', federatedNameRule)}`,
    run: async context => {
      const { params, caller, account } = context
      demandNoSession(context)
      const federatedName = params.text('Name', federatedNameRule)
      const seconds = params.number('DurationSeconds', minSeconds, longestSeconds, 43_200)
      const arn = `arn:aws:sts::${account.accountId}:federated-user/${federatedName}`
      const credentials = await issue(context, await tenantRow(context), seconds, arn, {
        as: { federatedName },
        // Without a policy it may do nothing but what others' policies let it.
        policies: (await sessionPolicies(context)) ?? [],
        ...(caller.policy.kind === 'user' && { userId: caller.policy.userId }),
      })
      const FederatedUserId = `${account.accountId}:${federatedName}`
      return { Credentials: credentials, FederatedUser: { FederatedUserId, Arn: arn }, PackedPolicySize: 0 }
    },
  },
  {
    service: 'sts',
    name: 'AssumeRole',
    // The role's own policy is asked first; both sides are weighed below.
    resource: null,
    run: async context => {
      const { params } = context
      const roleArn = params.text('RoleArn', arnRule)
      const name = params.text('RoleSessionName', sessionNameRule)
      const { owner, role } = await demandRole(context, roleArn)
      const seconds = params.number('DurationSeconds', minSeconds, role.role!.maxSessionSeconds, 3600)
      const policies = await sessionPolicies(context)
      const { accountId } = accountOf(owner)
      const arn = `arn:aws:sts::${accountId}:assumed-role/${role.name}/${name}`
      const credentials = await issue(context, owner, seconds, arn, {
        as: { roleId: role.id, name },
        ...(policies !== null && { policies }),
      })
      return {
        Credentials: credentials,
        AssumedRoleUser: { AssumedRoleId: `${role.id}:${name}`, Arn: arn },
        PackedPolicySize: 0,
      }
    },
  },
]

function demandNoSession({ isSession }: IamContext): void {
  if (isSession) throw new IamError('AccessDenied', 'Cannot call this action with session credentials')
}

async function tenantRow({ catalog, tenant }: IamContext): Promise<TenantRow> {
  return (await findTenant(catalog, tenant))!
}

/** A role that is not there, and one that does not let the caller in, are told in the same words. */
async function demandRole(
  context: IamContext,
  roleArn: string,
): Promise<{ owner: TenantRow; role: EntityRow }> {
  const { caller, regions, keys } = context
  const refused = new IamError(
    'AccessDenied',
    `User: ${caller.policy.arns[0]} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`,
  )
  const match = /^arn:aws:iam::([^:]*):role\/(?:.*\/)?([^/]+)$/.exec(roleArn)
  if (match === null) throw new IamError('ValidationError', `${roleArn} is invalid`)
  const owner =
    match[1] === context.account.accountId || match[1] === ''
      ? await tenantRow(context)
      : await foreignAccount(context, match[1]!)
  if (owner === null) throw refused
  const home = regions.get(owner.home)
  const role = home === undefined ? null : await findEntity(home.catalog, owner.tenant, 'role', match[2]!)
  const account = accountOf(owner)
  if (role === null) throw refused
  const ownArn = entityArn({ account }, role.row)
  const trust = parsePolicy(role.row.role!.trust, 'trust')
  if (typeof trust === 'string' || (match[1] !== '' && ownArn !== roleArn)) throw refused
  const question = { role: ownArn, accountId: account.accountId, trust, keys }
  if (!mayAssume(caller, question)) throw refused
  return { owner, role: role.row }
}

async function foreignAccount({ regions }: IamContext, accountId: string): Promise<TenantRow | null> {
  for (const { catalog } of regions.values()) {
    const row = await findAccount(catalog, 'account', accountId)
    if (row !== null) return row
  }
  return null
}

/** `null`: nothing narrows the session. */
async function sessionPolicies(context: IamContext): Promise<string[] | null> {
  const { params, catalog, tenant } = context
  const inline = params.optional('Policy', documentRule)
  if (inline !== null && inline.length > maxSessionPolicyChars)
    throw new IamError(
      'PackedPolicyTooLarge',
      `A session policy has at most ${maxSessionPolicyChars} characters.`,
    )
  const documents = inline === null ? [] : [identityPolicyOf(inline)]
  const arns = params.members('PolicyArns').map(member => member.get('arn') ?? '')
  for (const arn of arns) {
    const found = await findManagedPolicy(catalog, tenant, arn.slice(arn.lastIndexOf('/') + 1))
    const document =
      builtInPolicy(arn) ?? found?.row.versions.find(({ id }) => id === found.row.defaultVersion)?.document
    if (document === undefined)
      throw new IamError('NoSuchEntity', `Policy ${arn} does not exist or is not attachable.`)
    documents.push(document)
  }
  return documents.length === 0 ? null : documents
}

type Terms = Omit<SessionTerms, 'tokenSha256' | 'expiresUnixMs'> & { readonly userId?: string }

/** Expired sessions that each new one clears away; so they never pile up, and nobody waits for long. */
const clearedAtOnce = 20
/** An expired key is still known as one for a while, so that its user is told why it fails. */
const rememberedMs = 24 * 3600e3

async function issue(
  context: IamContext,
  owner: TenantRow,
  seconds: number,
  principal: string,
  { userId, ...terms }: Terms,
): Promise<XmlNode> {
  const { randomBytes, clock, regions } = context
  const { catalog, drafts } = regions.get(owner.home)!
  const now = clock()
  const expiresUnixMs = now + seconds * 1000
  const accessKeyId = newId('ASIA', randomBytes, 16)
  const secretAccessKey = Buffer.from(randomBytes(30)).toString('base64url')
  const token = Buffer.from(randomBytes(96)).toString('base64')
  const row: AccessKeyRow = {
    v: 1,
    accessKeyId,
    secretAccessKey,
    tenant: owner.tenant,
    home: owner.home,
    createdUnixMs: now,
    account: accountOf(owner),
    ...(userId !== undefined && { userId }),
    session: { ...terms, tokenSha256: createHash('sha256').update(token).digest('hex'), expiresUnixMs },
  }
  const drafted = drafts.draft({
    tenant: owner.tenant,
    type: 'session.issued',
    body: {
      accessKeyId,
      principal,
      expires: isoTime(expiresUnixMs),
      by: { accessKeyId: context.accessKeyId },
    },
  })
  const before = u64be(Math.max(0, now - rememberedMs))
  const expired = await catalog.scan('sessions', { to: before, limit: clearedAtOnce })
  const removes = expired.flatMap(({ key, value }): Remove[] => [
    { table: 'sessions', key },
    { table: 'accesskeys', key: value },
  ])
  await catalog.commit({
    removes,
    puts: [
      { table: 'accesskeys', key: accessKeyRowKey(accessKeyId), value: encodeRow(row) },
      {
        table: 'sessions',
        key: concat(u64be(expiresUnixMs), utf8(accessKeyId)),
        value: accessKeyRowKey(accessKeyId),
      },
      drafted.put,
    ],
  })
  context.entered(drafted)
  return {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: token,
    Expiration: xmlTime(expiresUnixMs),
  }
}
