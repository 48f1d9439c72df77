/** The table of operations: a request is the first row that fits it. What fits no row is not implemented. */
import { S3Error } from './errors.ts'
import type { Operation } from './operation.ts'
import {
  createBucketOperation,
  deleteBucketOperation,
  getBucketLocationOperation,
  headBucketOperation,
  listBucketsOperation,
} from './ops/buckets.ts'
import { copyObjectOperation } from './ops/copy-object.ts'
import { deleteObjectOperation, deleteObjectsOperation } from './ops/delete-objects.ts'
import { getObjectOperation, headObjectOperation } from './ops/get-object.ts'
import {
  listMultipartUploadsOperation,
  listObjectsOperation,
  listObjectsV2Operation,
} from './ops/list-objects.ts'
import {
  abortMultipartUploadOperation,
  completeMultipartUploadOperation,
  createMultipartUploadOperation,
  listPartsOperation,
  uploadPartCopyOperation,
  uploadPartOperation,
} from './ops/multipart.ts'
import { putObjectOperation } from './ops/put-object.ts'
import { fixedAnswer, notConfigured, privateAcl } from './ops/subresources.ts'
import type { S3Request } from './request.ts'

type Level = 'service' | 'bucket' | 'object'

interface Route {
  readonly method: string
  readonly level: Level
  /** Parameters that must be there; one with a value must have it. */
  readonly query?: readonly string[]
  /** A header that must be there. */
  readonly header?: string
  readonly operation: Operation
}

const routes: readonly Route[] = [
  { method: 'GET', level: 'service', operation: listBucketsOperation },

  { method: 'PUT', level: 'bucket', operation: createBucketOperation },
  { method: 'HEAD', level: 'bucket', operation: headBucketOperation },
  { method: 'DELETE', level: 'bucket', operation: deleteBucketOperation },
  { method: 'GET', level: 'bucket', query: ['location'], operation: getBucketLocationOperation },
  { method: 'GET', level: 'bucket', query: ['uploads'], operation: listMultipartUploadsOperation },
  { method: 'POST', level: 'bucket', query: ['delete'], operation: deleteObjectsOperation },
  { method: 'GET', level: 'bucket', query: ['list-type=2'], operation: listObjectsV2Operation },

  ...configuration('policy', notConfigured('GetBucketPolicy', 'NoSuchBucketPolicy')),
  ...configuration('cors', notConfigured('GetBucketCors', 'NoSuchCORSConfiguration')),
  ...configuration(
    'lifecycle',
    notConfigured('GetBucketLifecycleConfiguration', 'NoSuchLifecycleConfiguration'),
  ),
  ...configuration('tagging', notConfigured('GetBucketTagging', 'NoSuchTagSet')),
  ...configuration('website', notConfigured('GetBucketWebsite', 'NoSuchWebsiteConfiguration')),
  ...configuration(
    'publicAccessBlock',
    notConfigured('GetPublicAccessBlock', 'NoSuchPublicAccessBlockConfiguration'),
  ),
  ...configuration(
    'replication',
    notConfigured('GetBucketReplication', 'ReplicationConfigurationNotFoundError'),
  ),
  ...configuration(
    'object-lock',
    notConfigured('GetObjectLockConfiguration', 'ObjectLockConfigurationNotFoundError'),
  ),
  ...configuration(
    'ownershipControls',
    notConfigured('GetBucketOwnershipControls', 'OwnershipControlsNotFoundError'),
  ),
  ...configuration(
    'versioning',
    fixedAnswer('GetBucketVersioning', 'VersioningConfiguration', () => ({})),
  ),
  ...configuration(
    'logging',
    fixedAnswer('GetBucketLogging', 'BucketLoggingStatus', () => ({})),
  ),
  ...configuration(
    'notification',
    fixedAnswer('GetBucketNotificationConfiguration', 'NotificationConfiguration', () => ({})),
  ),
  ...configuration(
    'accelerate',
    fixedAnswer('GetBucketAccelerateConfiguration', 'AccelerateConfiguration', () => ({})),
  ),
  ...configuration(
    'requestPayment',
    fixedAnswer('GetBucketRequestPayment', 'RequestPaymentConfiguration', () => ({ Payer: 'BucketOwner' })),
  ),
  ...configuration('acl', fixedAnswer('GetBucketAcl', 'AccessControlPolicy', privateAcl)),
  ...configuration(
    'encryption',
    fixedAnswer('GetBucketEncryption', 'ServerSideEncryptionConfiguration', () => ({
      Rule: { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: true },
    })),
  ),
  { method: 'GET', level: 'bucket', operation: listObjectsOperation },

  { method: 'POST', level: 'object', query: ['uploads'], operation: createMultipartUploadOperation },
  {
    method: 'PUT',
    level: 'object',
    query: ['partNumber', 'uploadId'],
    header: 'x-amz-copy-source',
    operation: uploadPartCopyOperation,
  },
  { method: 'PUT', level: 'object', query: ['partNumber', 'uploadId'], operation: uploadPartOperation },
  { method: 'POST', level: 'object', query: ['uploadId'], operation: completeMultipartUploadOperation },
  { method: 'DELETE', level: 'object', query: ['uploadId'], operation: abortMultipartUploadOperation },
  { method: 'GET', level: 'object', query: ['uploadId'], operation: listPartsOperation },
  { method: 'PUT', level: 'object', header: 'x-amz-copy-source', operation: copyObjectOperation },
  { method: 'PUT', level: 'object', operation: putObjectOperation },
  { method: 'GET', level: 'object', operation: getObjectOperation },
  { method: 'HEAD', level: 'object', operation: headObjectOperation },
  { method: 'DELETE', level: 'object', operation: deleteObjectOperation },
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
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'partNumber',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
  'versions',
  'website',
]) // prettier-ignore

/** Read by these although they are subresources elsewhere. */
const alsoRead: Readonly<Record<string, readonly string[]>> = {
  GetObject: ['partNumber', 'versionId'],
  HeadObject: ['partNumber', 'versionId'],
  DeleteObject: ['versionId'],
}

function configuration(name: string, get: Operation): Route[] {
  return [{ method: 'GET', level: 'bucket', query: [name], operation: get }]
}

export function findOperation(request: S3Request): Operation {
  const level: Level = request.bucket === null ? 'service' : request.key === null ? 'bucket' : 'object'
  const named = [...request.query.keys()].filter(name => subresources.has(name))
  for (const route of routes) {
    if (route.method !== request.method || route.level !== level) continue
    if (route.header !== undefined && request.headers[route.header] === undefined) continue
    const wanted = route.query ?? []
    if (!wanted.every(pair => hasParameter(request, pair))) continue
    const read = [...wanted, ...(alsoRead[route.operation.name] ?? [])]
    if (named.every(name => read.includes(name))) return checkVersion(request, route.operation)
  }
  if (named.length > 0)
    throw new S3Error('NotImplemented', `${request.method} ?${named[0]} is not implemented.`)
  throw new S3Error('MethodNotAllowed')
}

/** Buckets keep one version so far; S3 calls it `null`. */
function checkVersion(request: S3Request, found: Operation): Operation {
  const versionId = request.query.get('versionId')
  if (versionId !== undefined && versionId !== 'null' && versionId !== '') {
    throw new S3Error('NotImplemented', 'Versions are not implemented; a bucket keeps the null version only.')
  }
  return found
}

function hasParameter(request: S3Request, pair: string): boolean {
  const [name, value] = pair.split('=') as [string, string?]
  return value === undefined ? request.query.has(name) : request.query.get(name) === value
}
