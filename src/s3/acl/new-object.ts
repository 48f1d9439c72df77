/** Whose a new object is, and who else may use it: the bucket's setting, the writer and the request's headers. */
import type { TenantId } from '../../core/ids.ts'
import { type Acl, isPublicAcl } from '../../policy/acl.ts'
import type { VersionAttributes } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket, S3Context } from '../operation.ts'
import { isPrivate } from './canned.ts'
import { type AclReader, aclHeaders, aclOfHeaders } from './read-acl.ts'

type Ownership = Pick<VersionAttributes, 'owner' | 'acl'>

export async function ownershipOf(context: S3Context, bucket: LocatedBucket): Promise<Ownership> {
  const { services, identity, request } = context
  const { headers } = request
  const setting = await services.targets.ownershipOf(bucket)
  const says = aclHeaders.some(name => headers[name] !== undefined)
  const bucketOwner = bucket.row.tenant
  // By far the most writes.
  if (!says && (setting === 'BucketOwnerEnforced' || identity.tenant === bucketOwner)) return {}
  const isHandedOver =
    setting === 'BucketOwnerPreferred' && headers['x-amz-acl'] === 'bucket-owner-full-control'
  const owner = setting === 'BucketOwnerEnforced' || isHandedOver ? bucketOwner : identity.tenant
  const acl = says ? await aclOfHeaders(headers, owner, readerOf(context, bucket)) : null
  if (setting === 'BucketOwnerEnforced') {
    demandEnforced(acl, headers['x-amz-acl'])
    return {}
  }
  if (acl !== null) await demandUnblocked(context, bucket, acl)
  return {
    ...(owner !== bucketOwner && { owner }),
    ...(acl !== null && !isPrivate(acl) && { acl: acl.grants }),
  }
}

export function readerOf({ services, identity }: S3Context, bucket: LocatedBucket): AclReader {
  return { owners: services.owners, identity, bucketOwner: bucket.row.tenant }
}

/** Where ACLs are disabled, a list is taken that says no more than what holds anyway: the bucket's owner has all. */
export function demandEnforced(acl: Acl | null, canned: unknown): void {
  if (acl === null || canned === 'bucket-owner-full-control' || isPrivate(acl)) return
  throw new S3Error('AccessControlListNotSupported')
}

export async function demandUnblocked(
  { services }: S3Context,
  bucket: LocatedBucket,
  acl: Acl,
): Promise<void> {
  if (!isPublicAcl(acl)) return
  const block = await services.targets.publicAccessBlockOf(bucket)
  if (block?.BlockPublicAcls === true)
    throw new S3Error('AccessDenied', 'Public ACLs are blocked by the BlockPublicAcls setting.')
}

/** The list that holds for a version. */
export function aclOf({ owner, acl }: Ownership, bucketOwner: TenantId): Acl {
  const whose = owner ?? bucketOwner
  return { owner: whose, grants: acl ?? [{ grantee: { tenant: whose }, permission: 'FULL_CONTROL' }] }
}
