import type { BucketUse } from '../../policy/operations.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { type XmlNode, xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'

export const getBucketAclOperation = operation<BucketUse, LocatedBucket>({
  name: 'GetBucketAcl',
  facts: bucketUse,
  run: async (_context, _authorized, bucket) => ({
    status: 200,
    headers: {},
    body: xmlDocument('AccessControlPolicy', privateAcl(bucket)),
  }),
})

/** The owner has all rights and nobody else has any: what an account's private bucket shows. */
function privateAcl(bucket: LocatedBucket): XmlNode {
  const owner = { ID: bucket.row.tenant, DisplayName: bucket.row.tenant.slice(0, 12) }
  return {
    Owner: owner,
    AccessControlList: {
      Grant: {
        'Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"': owner,
        Permission: 'FULL_CONTROL',
      },
    },
  }
}
