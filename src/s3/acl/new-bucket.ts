/** Who may use a new bucket: what S3 gives every one, and what the request says of it. */
import { isPublicAcl } from '../../policy/acl.ts'
import type { ConfigDocument } from '../../store/bucket-configs.ts'
import { type ObjectOwnership, ownershipControlsXml, readOwnership } from '../configs/ownership-controls.ts'
import { allBlocked } from '../configs/public-access-block.ts'
import { S3Error } from '../errors.ts'
import type { S3Context } from '../operation.ts'
import { isPrivate } from './canned.ts'
import { aclOfHeaders } from './read-acl.ts'

export interface NewBucketAccess {
  readonly documents: readonly ConfigDocument[]
  /** Others were granted something from the start. */
  readonly isShared: boolean
}

/** `isClassic`: as before April 2023, when ACLs were enabled and nothing was blocked. */
export async function newBucketAccess(
  { request: { headers }, services, identity }: S3Context,
  isClassic: boolean,
): Promise<NewBucketAccess> {
  const named = headers['x-amz-object-ownership']
  const given = named === undefined ? null : readOwnership(String(named))
  if (named !== undefined && given === null) {
    throw new S3Error('InvalidArgument', `Invalid x-amz-object-ownership header: ${String(named)}`, {
      ArgumentName: 'x-amz-object-ownership',
    })
  }
  const ownership: ObjectOwnership | null = given ?? (isClassic ? null : 'BucketOwnerEnforced')
  const { tenant } = identity
  const acl = await aclOfHeaders(headers, tenant, { owners: services.owners, identity, bucketOwner: tenant })
  const grants = acl !== null && !isPrivate(acl)
  if (grants && ownership === 'BucketOwnerEnforced') throw new S3Error('InvalidBucketAclWithObjectOwnership')
  if (grants && !isClassic && isPublicAcl(acl))
    throw new S3Error('InvalidBucketAclWithBlockPublicAccessError')
  const documents: ConfigDocument[] = []
  if (ownership !== null) documents.push({ kind: 'ownershipControls', body: ownershipControlsXml(ownership) })
  if (!isClassic) documents.push({ kind: 'publicAccessBlock', body: allBlocked })
  if (grants) documents.push({ kind: 'acl', body: JSON.stringify(acl) })
  return { documents, isShared: grants }
}
