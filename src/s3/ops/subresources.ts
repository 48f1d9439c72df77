/**
 * Subresources that nothing can be stored in yet. Clients (Terraform above all) ask for each by name and want S3's
 * exact words for "not configured"; what S3 answers by default, we answer.
 */
import type { BucketUse } from '../../policy/operations.ts'
import { S3Error, type S3ErrorCode } from '../errors.ts'
import { type LocatedBucket, type Operation, operation } from '../operation.ts'
import { type XmlNode, xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'

export function notConfigured(name: string, code: S3ErrorCode): Operation {
  return operation<BucketUse, LocatedBucket>({
    name,
    facts: bucketUse,
    run: async (_context, _authorized, bucket) => {
      throw new S3Error(code, undefined, { BucketName: bucket.row.name })
    },
  })
}

export function fixedAnswer(
  name: string,
  root: string,
  content: (bucket: LocatedBucket) => XmlNode,
): Operation {
  return operation<BucketUse, LocatedBucket>({
    name,
    facts: bucketUse,
    run: async (_context, _authorized, bucket) => ({
      status: 200,
      headers: {},
      body: xmlDocument(root, content(bucket)),
    }),
  })
}

/** The owner has all rights and nobody else has any: what an account's private bucket shows. */
export function privateAcl(bucket: LocatedBucket): XmlNode {
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
