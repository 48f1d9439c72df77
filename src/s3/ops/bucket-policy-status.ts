import { isPublicAcl } from '../../policy/acl.ts'
import { isPublicPolicy } from '../../policy/bucket-policy.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'

/** Of what holds: a policy or a list that a public access block takes the force of makes nothing public. */
export const getBucketPolicyStatusOperation = operation<BucketUse, LocatedBucket>({
  name: 'GetBucketPolicyStatus',
  facts: bucketUse,
  run: async ({ services: { targets } }, _authorized, bucket) => {
    const policy = await targets.policyOf(bucket)
    const block = await targets.publicAccessBlockOf(bucket)
    const hasAcls = (await targets.ownershipOf(bucket)) !== 'BucketOwnerEnforced'
    const isPublic =
      (policy !== null && isPublicPolicy(policy) && block?.RestrictPublicBuckets !== true) ||
      (hasAcls && isPublicAcl(await targets.bucketAclOf(bucket)) && block?.IgnorePublicAcls !== true)
    return { status: 200, headers: {}, body: xmlDocument('PolicyStatus', { IsPublic: isPublic }) }
  },
})
