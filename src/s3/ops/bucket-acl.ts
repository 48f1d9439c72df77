import type { TenantId } from '../../core/ids.ts'
import type { Acl } from '../../policy/acl.ts'
import { isPublicAcl } from '../../policy/acl.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { aclXml } from '../acl/acl-xml.ts'
import { isPrivate, privateAcl } from '../acl/canned.ts'
import { demandEnforced, demandUnblocked, readerOf } from '../acl/new-object.ts'
import { aclOfDocument, aclOfHeaders } from '../acl/read-acl.ts'
import { S3Error } from '../errors.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { enterChange } from './bucket-configs.ts'
import { bucketUse, collectXml } from './buckets.ts'

const maxAclBytes = 256 * 1024

export const getBucketAclOperation = operation<BucketUse, LocatedBucket>({
  name: 'GetBucketAcl',
  facts: bucketUse,
  run: async ({ services: { targets, owners } }, _authorized, bucket) => {
    const isEnforced = (await targets.ownershipOf(bucket)) === 'BucketOwnerEnforced'
    const acl = isEnforced ? privateAcl(bucket.row.tenant) : await targets.bucketAclOf(bucket)
    return { status: 200, headers: {}, body: await aclXml(acl, owners) }
  },
})

export const putBucketAclOperation = operation<BucketUse, LocatedBucket>({
  name: 'PutBucketAcl',
  facts: bucketUse,
  run: async (context, authorized, bucket) => {
    const acl = await requestedAcl(context, bucket, bucket.row.tenant)
    const { configs } = bucket.row
    if ((await context.services.targets.ownershipOf(bucket)) === 'BucketOwnerEnforced') {
      demandEnforced(acl, context.request.headers['x-amz-acl'])
      return { status: 200, headers: {}, body: null }
    }
    await demandUnblocked(context, bucket, acl)
    await enterChange(context, authorized, bucket, {
      kind: 'acl',
      body: isPrivate(acl) ? null : JSON.stringify(acl),
      row: row => {
        const isSame =
          row.configs?.ownershipControls === configs?.ownershipControls &&
          (!isPublicAcl(acl) || row.configs?.publicAccessBlock === configs?.publicAccessBlock)
        if (!isSame) throw new S3Error('OperationAborted')
        return isPrivate(acl) ? row : { ...row, shared: true }
      },
    })
    return { status: 200, headers: {}, body: null }
  },
})

/** From one place: headers or a document. */
export async function requestedAcl(context: S3Context, bucket: LocatedBucket, owner: TenantId): Promise<Acl> {
  const reader = readerOf(context, bucket)
  const ofHeaders = await aclOfHeaders(context.request.headers, owner, reader)
  const body = await collectXml(context, maxAclBytes)
  if (ofHeaders !== null) {
    if (body.length > 0) throw new S3Error('UnexpectedContent')
    return ofHeaders
  }
  if (body.length === 0)
    throw new S3Error('MissingSecurityHeader', undefined, { MissingHeaderName: 'x-amz-acl' })
  return aclOfDocument(body, owner, reader)
}
