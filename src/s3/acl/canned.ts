import type { TenantId } from '../../core/ids.ts'
import type { Acl, Grant } from '../../policy/acl.ts'

const full = (tenant: TenantId): Grant => ({ grantee: { tenant }, permission: 'FULL_CONTROL' })
const toAll = (permission: 'READ' | 'WRITE'): Grant => ({ grantee: { group: 'AllUsers' }, permission })

/** "Canned ACL": what each grants beside the owner's full control. */
const canned: Readonly<Record<string, (owner: TenantId, bucketOwner: TenantId) => readonly Grant[]>> = {
  private: () => [],
  'public-read': () => [toAll('READ')],
  'public-read-write': () => [toAll('READ'), toAll('WRITE')],
  'authenticated-read': () => [{ grantee: { group: 'AuthenticatedUsers' }, permission: 'READ' }],
  'aws-exec-read': () => [],
  'log-delivery-write': () => [
    { grantee: { group: 'LogDelivery' }, permission: 'WRITE' },
    { grantee: { group: 'LogDelivery' }, permission: 'READ_ACP' },
  ],
  // Of a bucket they say nothing more than that it is private: its owner is the bucket's owner.
  'bucket-owner-read': (owner, bucketOwner) =>
    owner === bucketOwner ? [] : [{ grantee: { tenant: bucketOwner }, permission: 'READ' }],
  'bucket-owner-full-control': (owner, bucketOwner) => (owner === bucketOwner ? [] : [full(bucketOwner)]),
}

/** `null`: there is no such name. */
export function cannedAcl(name: string, owner: TenantId, bucketOwner: TenantId): Acl | null {
  const grants = Object.hasOwn(canned, name) ? canned[name]! : null
  return grants === null ? null : { owner, grants: [full(owner), ...grants(owner, bucketOwner)] }
}

export function privateAcl(owner: TenantId): Acl {
  return { owner, grants: [full(owner)] }
}

/** Nobody but the owner was granted anything, and the owner everything. */
export function isPrivate({ owner, grants }: Acl): boolean {
  return (
    grants.length > 0 &&
    grants.every(({ grantee }) => 'tenant' in grantee && grantee.tenant === owner) &&
    grants.some(({ permission }) => permission === 'FULL_CONTROL')
  )
}
