/** Access control lists: who was granted what on a bucket or an object, and which actions a grant stands for. */
import type { TenantId } from '../core/ids.ts'

export const permissions = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const
export type Permission = (typeof permissions)[number]

export const aclGroups = ['AllUsers', 'AuthenticatedUsers', 'LogDelivery'] as const
export type AclGroup = (typeof aclGroups)[number]

export type Grantee = { readonly tenant: TenantId } | { readonly group: AclGroup }

export interface Grant {
  readonly grantee: Grantee
  readonly permission: Permission
}

export interface Acl {
  readonly owner: TenantId
  readonly grants: readonly Grant[]
}

/** What a grant on the bucket stands for ("Mapping of ACL permissions and access policy permissions"). */
const onBucket: Readonly<Record<string, Permission>> = {
  's3:listbucket': 'READ',
  's3:listbucketversions': 'READ',
  's3:listbucketmultipartuploads': 'READ',
  's3:putobject': 'WRITE',
  's3:deleteobject': 'WRITE',
  's3:abortmultipartupload': 'WRITE',
  's3:listmultipartuploadparts': 'WRITE',
  's3:getbucketacl': 'READ_ACP',
  's3:putbucketacl': 'WRITE_ACP',
}
const onObject: Readonly<Record<string, Permission>> = {
  's3:getobject': 'READ',
  's3:getobjectversion': 'READ',
  's3:getobjecttorrent': 'READ',
  's3:getobjectversiontorrent': 'READ',
  's3:getobjectacl': 'READ_ACP',
  's3:getobjectversionacl': 'READ_ACP',
  's3:putobjectacl': 'WRITE_ACP',
  's3:putobjectversionacl': 'WRITE_ACP',
}

export function bucketPermissionOf(action: string): Permission | null {
  return onBucket[action] ?? null
}

export function objectPermissionOf(action: string): Permission | null {
  return onObject[action] ?? null
}

/** Actions on an object itself, which are its owner's to allow where objects have owners of their own. */
export function isOfObject(action: string): boolean {
  return action in onObject || /^s3:(?:get|put|delete)object(?:version)?(?:tagging|attributes)$/.test(action)
}

export function isGranted(
  acl: Acl,
  permission: Permission,
  /** `null`: anonymous. */
  tenant: TenantId | null,
  /** Grants to groups count for nothing (`IgnorePublicAcls`). */
  ignoresPublic: boolean,
): boolean {
  return acl.grants.some(({ grantee, permission: granted }) => {
    if (granted !== permission && granted !== 'FULL_CONTROL') return false
    if ('tenant' in grantee) return grantee.tenant === tenant
    if (ignoresPublic) return false
    return grantee.group === 'AllUsers' || (grantee.group === 'AuthenticatedUsers' && tenant !== null)
  })
}

export function isPublicAcl({ grants }: Acl): boolean {
  return grants.some(({ grantee }) => 'group' in grantee && grantee.group !== 'LogDelivery')
}
