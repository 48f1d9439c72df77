/** The table of operations: a request is the first row that fits it. What fits no row is not implemented. */
import { aclHeaders } from './acl/read-acl.ts'
import { S3Error } from './errors.ts'
import type { Operation } from './operation.ts'
import { absentConfigRoutes } from './ops/absent-configs.ts'
import { getBucketAclOperation, putBucketAclOperation } from './ops/bucket-acl.ts'
import { configRoutes } from './ops/bucket-configs.ts'
import { getBucketPolicyStatusOperation } from './ops/bucket-policy-status.ts'
import {
  createBucketOperation,
  deleteBucketOperation,
  getBucketLocationOperation,
  headBucketOperation,
} from './ops/buckets.ts'
import { completeMultipartUploadOperation } from './ops/complete-upload.ts'
import { copyObjectOperation } from './ops/copy-object.ts'
import { deleteObjectOperation } from './ops/delete-object.ts'
import { deleteObjectsOperation } from './ops/delete-objects.ts'
import { getObjectOperation, headObjectOperation } from './ops/get-object.ts'
import { listBucketsOperation } from './ops/list-buckets.ts'
import { listObjectsOperation, listObjectsV2Operation } from './ops/list-objects.ts'
import { listPartsOperation } from './ops/list-parts.ts'
import { listMultipartUploadsOperation } from './ops/list-uploads.ts'
import { listObjectVersionsOperation } from './ops/list-versions.ts'
import { abortMultipartUploadOperation, createMultipartUploadOperation } from './ops/multipart.ts'
import { getObjectAclOperation, putObjectAclOperation } from './ops/object-acl.ts'
import { getObjectAttributesOperation } from './ops/object-attributes.ts'
import {
  getObjectLegalHoldOperation,
  getObjectRetentionOperation,
  putObjectLegalHoldOperation,
  putObjectRetentionOperation,
} from './ops/object-lock.ts'
import {
  deleteObjectTaggingOperation,
  getObjectTaggingOperation,
  putObjectTaggingOperation,
} from './ops/object-tagging.ts'
import { postObjectOperation } from './ops/post-object.ts'
import { putObjectOperation } from './ops/put-object.ts'
import { uploadPartCopyOperation, uploadPartOperation } from './ops/upload-part.ts'
import type { S3Request } from './request.ts'
import { type IamNeed, type Level, need, type Route } from './route.ts'

const reading = need('s3:GetObject', { version: 's3:GetObjectVersion' })
const copying = [{ ...reading, on: 'source' as const }, need('s3:PutObject')]
/** What a new version may be given beside its content. */
const describing = [
  need('s3:PutObjectTagging', { header: 'x-amz-tagging' }),
  need('s3:PutObjectRetention', { header: 'x-amz-object-lock-mode' }),
  need('s3:PutObjectLegalHold', { header: 'x-amz-object-lock-legal-hold' }),
  need('s3:PutObjectAcl', { header: aclHeaders }),
]
/** An ETag that is demanded tells of what is there. */
const matching = need('s3:GetObject', { header: 'if-match', unless: '*' })
const bypassing = need('s3:BypassGovernanceRetention', {
  header: 'x-amz-bypass-governance-retention',
  optional: true,
})

export const routes: readonly Route[] = [
  {
    method: 'GET',
    level: 'service',
    operation: listBucketsOperation,
    iam: [need('s3:ListAllMyBuckets')],
    doc: 'Lists the buckets of the caller, in all regions.',
  },

  {
    method: 'PUT',
    level: 'bucket',
    operation: createBucketOperation,
    iam: [
      need('s3:CreateBucket'),
      need('s3:PutBucketObjectLockConfiguration', { header: 'x-amz-bucket-object-lock-enabled' }),
      need('s3:PutBucketVersioning', { header: 'x-amz-bucket-object-lock-enabled' }),
      need('s3:PutBucketOwnershipControls', { header: 'x-amz-object-ownership' }),
      need('s3:PutBucketAcl', { header: aclHeaders }),
    ],
    doc: 'Makes a bucket in the region that `LocationConstraint` names, or at home.',
  },
  {
    method: 'HEAD',
    level: 'bucket',
    operation: headBucketOperation,
    iam: [need('s3:ListBucket')],
    doc: 'Says whether the bucket is there, and in which region.',
  },
  {
    method: 'DELETE',
    level: 'bucket',
    operation: deleteBucketOperation,
    iam: [need('s3:DeleteBucket')],
    doc: 'Ends an empty bucket, with its configurations and open uploads.',
  },
  {
    method: 'GET',
    level: 'bucket',
    query: ['location'],
    operation: getBucketLocationOperation,
    iam: [need('s3:GetBucketLocation')],
    doc: 'Answers the bucket’s region.',
  },
  {
    method: 'GET',
    level: 'bucket',
    query: ['uploads'],
    operation: listMultipartUploadsOperation,
    iam: [need('s3:ListBucketMultipartUploads')],
    doc: 'Lists the open uploads of a bucket.',
  },
  {
    method: 'POST',
    level: 'bucket',
    query: ['delete'],
    operation: deleteObjectsOperation,
    iam: [
      need('s3:DeleteObject', { version: 's3:DeleteObjectVersion', on: 'keys' }),
      { ...bypassing, on: 'keys' },
    ],
    doc: 'Deletes up to 1,000 objects.',
  },
  {
    method: 'POST',
    level: 'bucket',
    operation: postObjectOperation,
    iam: [need('s3:PutObject'), ...describing],
    doc: 'Stores the file of a browser’s form.',
  },
  {
    method: 'GET',
    level: 'bucket',
    query: ['list-type=2'],
    operation: listObjectsV2Operation,
    iam: [need('s3:ListBucket')],
    doc: 'Lists objects, a page at a time.',
  },
  {
    method: 'GET',
    level: 'bucket',
    query: ['versions'],
    operation: listObjectVersionsOperation,
    iam: [need('s3:ListBucketVersions')],
    doc: 'Lists all versions and delete markers, newest first within a key.',
  },
  {
    method: 'GET',
    level: 'bucket',
    query: ['acl'],
    operation: getBucketAclOperation,
    iam: [need('s3:GetBucketAcl')],
    doc: 'Answers who was granted what on the bucket.',
  },
  {
    method: 'PUT',
    level: 'bucket',
    query: ['acl'],
    operation: putBucketAclOperation,
    iam: [need('s3:PutBucketAcl')],
    doc: 'Grants rights on the bucket, where ACLs are enabled.',
  },
  {
    method: 'GET',
    level: 'bucket',
    query: ['policyStatus'],
    operation: getBucketPolicyStatusOperation,
    iam: [need('s3:GetBucketPolicyStatus')],
    doc: 'Answers whether a policy or an ACL lets everyone in.',
  },
  ...configRoutes,
  ...absentConfigRoutes,
  {
    method: 'GET',
    level: 'bucket',
    operation: listObjectsOperation,
    iam: [need('s3:ListBucket')],
    doc: 'Lists objects, in the older form.',
  },

  {
    method: 'POST',
    level: 'object',
    query: ['uploads'],
    operation: createMultipartUploadOperation,
    iam: [need('s3:PutObject'), ...describing],
    doc: 'Begins an object of several parts.',
  },
  {
    method: 'PUT',
    level: 'object',
    query: ['partNumber', 'uploadId'],
    header: 'x-amz-copy-source',
    operation: uploadPartCopyOperation,
    iam: copying,
    doc: 'Makes a part of an object that is there, or of a range of it.',
  },
  {
    method: 'PUT',
    level: 'object',
    query: ['partNumber', 'uploadId'],
    operation: uploadPartOperation,
    iam: [need('s3:PutObject')],
    doc: 'Sends a part.',
  },
  {
    method: 'POST',
    level: 'object',
    query: ['uploadId'],
    operation: completeMultipartUploadOperation,
    iam: [need('s3:PutObject'), matching],
    doc: 'Makes an object of the parts that are listed.',
  },
  {
    method: 'DELETE',
    level: 'object',
    query: ['uploadId'],
    operation: abortMultipartUploadOperation,
    iam: [need('s3:AbortMultipartUpload')],
    doc: 'Gives an upload up, with its parts.',
  },
  {
    method: 'GET',
    level: 'object',
    query: ['uploadId'],
    operation: listPartsOperation,
    iam: [need('s3:ListMultipartUploadParts')],
    doc: 'Lists the parts of an upload.',
  },
  {
    method: 'PUT',
    level: 'object',
    header: 'x-amz-copy-source',
    operation: copyObjectOperation,
    iam: [...copying, ...describing, matching],
    doc: 'Makes an object of another in the same region.',
  },
  ...objectDocument('acl', [
    [
      'GET',
      getObjectAclOperation,
      need('s3:GetObjectAcl', { version: 's3:GetObjectVersionAcl' }),
      'Answers who was granted what on an object.',
    ],
    [
      'PUT',
      putObjectAclOperation,
      need('s3:PutObjectAcl', { version: 's3:PutObjectVersionAcl' }),
      'Grants rights on an object, where ACLs are enabled.',
    ],
  ]),
  ...objectDocument('attributes', [
    [
      'GET',
      getObjectAttributesOperation,
      reading,
      'Answers ETag, checksum, parts, storage class or size of an object.',
      need('s3:GetObjectAttributes', { version: 's3:GetObjectVersionAttributes' }),
    ],
  ]),
  ...objectDocument('tagging', [
    [
      'GET',
      getObjectTaggingOperation,
      need('s3:GetObjectTagging', { version: 's3:GetObjectVersionTagging' }),
      'Answers the tags of an object.',
    ],
    [
      'PUT',
      putObjectTaggingOperation,
      need('s3:PutObjectTagging', { version: 's3:PutObjectVersionTagging' }),
      'Sets the tags of an object, up to 10.',
    ],
    [
      'DELETE',
      deleteObjectTaggingOperation,
      need('s3:DeleteObjectTagging', { version: 's3:DeleteObjectVersionTagging' }),
      'Takes the tags of an object away.',
    ],
  ]),
  ...objectDocument('retention', [
    [
      'GET',
      getObjectRetentionOperation,
      need('s3:GetObjectRetention'),
      'Answers until when a version is locked.',
    ],
    [
      'PUT',
      putObjectRetentionOperation,
      need('s3:PutObjectRetention'),
      'Locks a version until a date, or longer than it was.',
      bypassing,
    ],
  ]),
  ...objectDocument('legal-hold', [
    ['GET', getObjectLegalHoldOperation, need('s3:GetObjectLegalHold'), 'Answers whether a version is held.'],
    ['PUT', putObjectLegalHoldOperation, need('s3:PutObjectLegalHold'), 'Holds a version, or lets it go.'],
  ]),
  {
    method: 'PUT',
    level: 'object',
    operation: putObjectOperation,
    iam: [need('s3:PutObject'), ...describing, matching],
    doc: 'Stores an object.',
  },
  {
    method: 'GET',
    level: 'object',
    reads: ['partNumber', 'versionId'],
    operation: getObjectOperation,
    iam: [reading],
    doc: 'Answers an object, or one range of it.',
  },
  {
    method: 'HEAD',
    level: 'object',
    reads: ['partNumber', 'versionId'],
    operation: headObjectOperation,
    iam: [reading],
    doc: 'Answers what GetObject would, without the bytes.',
  },
  {
    method: 'DELETE',
    level: 'object',
    reads: ['versionId'],
    operation: deleteObjectOperation,
    iam: [need('s3:DeleteObject', { version: 's3:DeleteObjectVersion' }), bypassing, matching],
    doc: 'Deletes an object, or one version; where versions are kept, puts a delete marker on top.',
  },
]

/** Parameters that name a subresource: with one of them, a row that does not ask for it must not match. */
const subresources = new Set([
  'accelerate',
  'acl',
  'analytics',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataConfiguration',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'partNumber',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
]) // prettier-ignore

type DocumentRow = readonly [
  method: string,
  operation: Operation,
  iam: IamNeed,
  doc: string,
  ...more: IamNeed[],
]

/** Documents that belong to one version of an object. */
function objectDocument(name: string, rows: readonly DocumentRow[]): Route[] {
  return rows.map(([method, operation, iam, doc, ...more]) => ({
    method,
    level: 'object',
    query: [name],
    reads: ['versionId'],
    operation,
    iam: [iam, ...more],
    doc,
  }))
}

/** Whether a parameter says what of a bucket or an object is meant, beside a version or a part. */
export function isSubresource(name: string): boolean {
  return subresources.has(name) && !['versionId', 'partNumber', 'uploadId'].includes(name)
}

export function findRoute(request: S3Request): Route {
  const level: Level = request.bucket === null ? 'service' : request.key === null ? 'bucket' : 'object'
  const named = [...request.query.keys()].filter(name => subresources.has(name))
  for (const route of routes) {
    if (route.method !== request.method || route.level !== level) continue
    if (route.header !== undefined && request.headers[route.header] === undefined) continue
    const wanted = route.query ?? []
    if (!wanted.every(pair => hasParameter(request, pair))) continue
    const read = [...wanted, ...(route.reads ?? [])]
    if (named.every(name => read.includes(name))) return route
  }
  if (named.includes('versionId') && level === 'object')
    throw new S3Error('InvalidArgument', 'This operation does not accept a version-id.')
  if (named.length > 0)
    throw new S3Error('NotImplemented', `${request.method} ?${named[0]} is not implemented.`)
  throw new S3Error('MethodNotAllowed')
}

function hasParameter(request: S3Request, pair: string): boolean {
  const [name, value] = pair.split('=') as [string, string?]
  return value === undefined ? request.query.has(name) : request.query.get(name) === value
}
