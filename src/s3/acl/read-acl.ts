/** ACLs as requests write them: a canned name, grants in headers, or a document. */
import type { IncomingHttpHeaders } from 'node:http'
import type { TenantId } from '../../core/ids.ts'
import {
  type Acl,
  type AclGroup,
  aclGroups,
  type Grant,
  type Grantee,
  permissions,
} from '../../policy/acl.ts'
import { S3Error } from '../errors.ts'
import type { Identity } from '../operation.ts'
import type { Owners } from '../owners.ts'
import { child, children, childText, parseXml, type XmlElement } from '../xml.ts'
import { cannedAcl } from './canned.ts'

export interface AclReader {
  readonly owners: Owners
  readonly identity: Identity
  /** Whose the bucket is. */
  readonly bucketOwner: TenantId
}

const maxGrants = 100

const grantHeaders = [
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
] as const

/** Every header that says who may do what with what a request makes. */
export const aclHeaders: readonly string[] = ['x-amz-acl', ...grantHeaders.map(([name]) => name)]

const groupUris: Readonly<Record<AclGroup, string>> = {
  AllUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  AuthenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  LogDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
}

export const groupUri = (group: AclGroup): string => groupUris[group]

/** `null`: the request says nothing of it. */
export async function aclOfHeaders(
  headers: IncomingHttpHeaders,
  owner: TenantId,
  reader: AclReader,
): Promise<Acl | null> {
  const name = headers['x-amz-acl']
  const given = grantHeaders.filter(([header]) => headers[header] !== undefined)
  if (name !== undefined) {
    if (given.length > 0)
      throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed')
    const acl = cannedAcl(String(name), owner, reader.bucketOwner)
    if (acl !== null) return acl
    throw new S3Error('InvalidArgument', undefined, {
      ArgumentName: 'x-amz-acl',
      ArgumentValue: String(name),
    })
  }
  if (given.length === 0) return null
  const grants: Grant[] = []
  for (const [header, permission] of given)
    for (const grantee of await granteesOf(String(headers[header]), reader))
      grants.push({ grantee, permission })
  return checked({ owner, grants })
}

/** `id="…", uri="…", emailAddress="…"`, quoted or not. */
async function granteesOf(header: string, reader: AclReader): Promise<Grantee[]> {
  const grantees: Grantee[] = []
  for (const item of header.split(',')) {
    const match = /^\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]*)"|([^"\s]+))\s*$/i.exec(item)
    if (match === null) throw new S3Error('InvalidArgument', 'Argument format not recognized')
    const value = match[2] ?? match[3] ?? ''
    const kind = match[1]!.toLowerCase()
    grantees.push(
      kind === 'uri' ? groupOf(value) : await tenantOf(kind === 'id' ? 'canonical' : 'email', value, reader),
    )
  }
  return grantees
}

/** `AccessControlPolicy`. Its owner must be the owner that there is: a list does not give things away. */
export async function aclOfDocument(body: Uint8Array, owner: TenantId, reader: AclReader): Promise<Acl> {
  const root = parseAcl(body)
  const named = childText(child(root, 'Owner') ?? {}, 'ID')
  const list = child(root, 'AccessControlList')
  if (named === undefined || list === undefined) throw new S3Error('MalformedACLError')
  const { ID } = await reader.owners.show(owner)
  if (named !== ID) throw new S3Error('AccessDenied')
  const grants: Grant[] = []
  for (const grant of children(list, 'Grant')) {
    const permission = permissions.find(each => each === childText(grant, 'Permission'))
    const grantee = child(grant, 'Grantee')
    if (permission === undefined || grantee === undefined) throw new S3Error('MalformedACLError')
    grants.push({ grantee: await granteeOf(grantee, reader), permission })
  }
  return checked({ owner, grants })
}

function parseAcl(body: Uint8Array): XmlElement {
  try {
    return parseXml(body, 'AccessControlPolicy')
  } catch {
    throw new S3Error('MalformedACLError')
  }
}

/** The kind is an attribute, which says no more than which of these elements is there. */
function granteeOf(element: XmlElement, reader: AclReader): Promise<Grantee> | Grantee {
  const id = childText(element, 'ID')
  const uri = childText(element, 'URI')
  const email = childText(element, 'EmailAddress')
  if (uri !== undefined) return groupOf(uri)
  if (id !== undefined) return tenantOf('canonical', id, reader)
  if (email !== undefined) return tenantOf('email', email, reader)
  throw new S3Error('MalformedACLError')
}

function groupOf(uri: string): Grantee {
  const group = aclGroups.find(each => groupUris[each] === uri)
  if (group !== undefined) return { group }
  throw new S3Error('InvalidArgument', 'Invalid group uri', { ArgumentName: 'uri', ArgumentValue: uri })
}

async function tenantOf(
  kind: 'canonical' | 'email',
  name: string,
  { owners, identity }: AclReader,
): Promise<Grantee> {
  if (kind === 'canonical' && name === identity.account.canonicalId) return { tenant: identity.tenant }
  const tenant = await owners.find(kind, name)
  if (tenant !== null) return { tenant }
  if (kind === 'email')
    throw new S3Error('UnresolvableGrantByEmailAddress', undefined, { EmailAddress: name })
  throw new S3Error('InvalidArgument', 'Invalid id', {
    ArgumentName: 'CanonicalUser/ID',
    ArgumentValue: name,
  })
}

function checked(acl: Acl): Acl {
  if (acl.grants.length <= maxGrants) return acl
  throw new S3Error('InvalidRequest', `The list has more than ${maxGrants} grants.`)
}
