/**
 * What the caller behind an access key is and may do by its own account: its user's or role's policies and its groups',
 * compiled. Remembered as long as the account's epoch stands, which every request looks at anew.
 */
import { equalBytes } from '../../core/bytes.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { TenantId } from '../../core/ids.ts'
import { type Policy, parsePolicy } from '../../policy/document.ts'
import type { PolicyCaller } from '../../policy/principals.ts'
import type { Catalog } from '../../store/catalog.ts'
import { type EntityRow, findEntityById, findManagedPolicy, readEpoch } from '../../store/iam.ts'
import { type AccessKeyRow, accountOf } from '../../store/tenants.ts'
import type { Identity } from '../operation.ts'
import { rootIdentity } from './identities.ts'
import { builtInPolicy } from './managed-policies.ts'

/** `null`: whom the key stood for is not there any more. */
export type Callers = (row: AccessKeyRow, catalog: Catalog) => Promise<Identity | null>

export function createCallers(): Callers {
  const compiled = createCompiler()
  const known = new WeakMap<AccessKeyRow, { epoch: Uint8Array | null; identity: Identity | null }>()
  return async (row, catalog) => {
    if (row.userId === undefined && row.session === undefined) return rootIdentity(row)
    const epoch = await readEpoch(catalog, row.tenant)
    const found = known.get(row)
    if (found !== undefined && sameEpoch(found.epoch, epoch)) return found.identity
    const identity = await build(row, catalog, compiled)
    known.set(row, { epoch, identity })
    return identity
  }
}

function sameEpoch(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}

async function build(
  row: AccessKeyRow,
  catalog: Catalog,
  compiled: (document: string) => Policy,
): Promise<Identity | null> {
  const { tenant, accessKeyId, home, session, userId } = row
  const account = accountOf(row)
  const as = session?.as ?? null
  const entityId = as !== null && 'roleId' in as ? as.roleId : userId
  const entity = entityId === undefined ? null : await findEntityById(catalog, tenant, entityId)
  if (entityId !== undefined && entity === null) return null
  const narrowed = session?.policies?.map(compiled) ?? null
  return {
    tenant,
    accessKeyId,
    home,
    account,
    caller: {
      tenant,
      policy: callerOf(row, entity?.row ?? null),
      identity: entity === null ? null : (await documentsOf(catalog, tenant, entity.row)).map(compiled),
      session: narrowed,
    },
    isSession: session !== undefined,
  }
}

function callerOf(row: AccessKeyRow, entity: EntityRow | null): PolicyCaller {
  const { accountId, canonicalId } = accountOf(row)
  const common = { accountId, canonicalId }
  const as = row.session?.as ?? null
  const arn =
    entity === null
      ? `arn:aws:iam::${accountId}:root`
      : `arn:aws:iam::${accountId}:${entity.kind}${entity.path}${entity.name}`
  if (as !== null && 'federatedName' in as) {
    const own = `arn:aws:sts::${accountId}:federated-user/${as.federatedName}`
    return {
      ...common,
      kind: 'federated',
      arn: own,
      arns: [own],
      userId: `${accountId}:${as.federatedName}`,
      userName: null,
    }
  }
  if (as !== null) {
    const own = `arn:aws:sts::${accountId}:assumed-role/${entity!.name}/${as.name}`
    return {
      ...common,
      kind: 'role',
      arn,
      arns: [own, arn],
      userId: `${entity!.id}:${as.name}`,
      userName: null,
    }
  }
  if (entity === null) return { ...common, kind: 'root', arn, arns: [arn], userId: accountId, userName: null }
  return { ...common, kind: 'user', arn, arns: [arn], userId: entity.id, userName: entity.name }
}

/** Every document that speaks for an entity: its own, those attached to it, and its groups'. */
async function documentsOf(catalog: Catalog, tenant: TenantId, entity: EntityRow): Promise<string[]> {
  const documents = Object.values(entity.inline)
  for (const arn of entity.attached) {
    const document = builtInPolicy(arn) ?? (await managedDocument(catalog, tenant, arn))
    if (document !== null) documents.push(document)
  }
  for (const id of entity.groups) {
    const group = await findEntityById(catalog, tenant, id)
    if (group !== null) documents.push(...(await documentsOf(catalog, tenant, group.row)))
  }
  return documents
}

async function managedDocument(catalog: Catalog, tenant: TenantId, arn: string): Promise<string | null> {
  const found = await findManagedPolicy(catalog, tenant, arn.slice(arn.lastIndexOf('/') + 1))
  return found?.row.versions.find(({ id }) => id === found.row.defaultVersion)?.document ?? null
}

const maxPolicies = 10_000

/** Equal documents of many users are read once. */
function createCompiler(): (document: string) => Policy {
  const policies = new Map<string, Policy>()
  return document => {
    const found = policies.get(document)
    if (found !== undefined) return found
    const policy = parsePolicy(document, 'identity')
    // It was checked before it was kept; one that does not read now must not be passed over.
    if (typeof policy === 'string')
      throw new HoldfastError('store-damaged', `a policy that is kept: ${policy}`)
    if (policies.size >= maxPolicies) policies.clear()
    policies.set(document, policy)
    return policy
  }
}
