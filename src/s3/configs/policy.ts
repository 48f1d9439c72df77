import { isPublicPolicy, maxBucketPolicyBytes, parseBucketPolicy } from '../../policy/bucket-policy.ts'
import { findConfig } from '../../store/bucket-configs.ts'
import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket } from '../operation.ts'
import { readPublicAccessBlock } from './public-access-block.ts'

/** Kept and answered as it was sent. */
export async function parsePolicyConfig(body: Uint8Array, bucket: LocatedBucket): Promise<ParsedConfig> {
  const text = Buffer.from(body).toString('utf8')
  if (body.length > maxBucketPolicyBytes)
    throw new S3Error(
      'PolicyTooLarge',
      `Normalized policy document exceeds the maximum allowed size of ${maxBucketPolicyBytes} bytes`,
    )
  const policy = parseBucketPolicy(text, bucket.row.name)
  if (typeof policy === 'string') throw new S3Error('MalformedPolicy', policy)
  const blockHash = bucket.row.configs?.publicAccessBlock
  const block = await findConfig(bucket.region.catalog, bucket.row, 'publicAccessBlock')
  const isBlocked = block !== null && readPublicAccessBlock(Buffer.from(block)).BlockPublicPolicy
  if (isBlocked && isPublicPolicy(policy))
    throw new S3Error('AccessDenied', 'Public policies are blocked by the BlockPublicPolicy setting.')
  return {
    body: text,
    row: row => {
      if (row.configs?.publicAccessBlock !== blockHash) throw new S3Error('OperationAborted')
      return { ...row, shared: true }
    },
  }
}
