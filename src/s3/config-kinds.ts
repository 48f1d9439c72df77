/**
 * The table of bucket configurations: what each is called, what is answered while there is none, and how a document is
 * checked. A kind without `parse` can be asked for and not be set.
 */
import type { BucketRow, ConfigKind } from '../store/rows.ts'
import { parseCors } from './configs/cors.ts'
import { defaultEncryption, encryptionXml, parseEncryption } from './configs/encryption.ts'
import { parseLifecycle } from './configs/lifecycle.ts'
import { parseLogging } from './configs/logging.ts'
import { parseNotification } from './configs/notification.ts'
import { parseObjectLock } from './configs/object-lock.ts'
import { parseOwnershipControls } from './configs/ownership-controls.ts'
import { parsePolicyConfig } from './configs/policy.ts'
import { parsePublicAccessBlock } from './configs/public-access-block.ts'
import { parseReplication } from './configs/replication.ts'
import { parseAccelerate, parseRequestPayment } from './configs/small.ts'
import { parseBucketTagging } from './configs/tagging.ts'
import { parseVersioning } from './configs/versioning.ts'
import type { S3ErrorCode } from './errors.ts'
import type { LocatedBucket, S3Context } from './operation.ts'
import { type XmlNode, xmlDocument } from './xml.ts'

export interface ConfigSpec {
  readonly kind: ConfigKind
  /** Names of the operations. A kind that cannot be deleted has no `delete`. */
  readonly get: string
  readonly put: string
  readonly delete?: string
  /** IAM actions; of a deletion the one that sets, unless it has its own. */
  readonly iamGet: string
  readonly iamPut: string
  readonly iamDelete?: string
  /** What a GET answers while nothing was set: an error of S3's, or a document. */
  readonly absent: S3ErrorCode | ((bucket: LocatedBucket) => string)
  /**
   * Checks a document and returns what is kept and answered from then on; throws an S3Error. `row`: what else the
   * bucket's row says because of it, asked in the transaction itself, so that it may refuse by what stands there.
   */
  readonly parse?: (
    body: Uint8Array,
    bucket: LocatedBucket,
    context: S3Context,
  ) => ParsedConfig | Promise<ParsedConfig>
  /** Beside those of every answer, on Get and Put. */
  readonly headers?: Readonly<Record<string, string>>
  readonly contentType?: string
  readonly putStatus?: 200 | 204
  /** What it is, for `docs/s3.md`. */
  readonly doc: string
}

/** `null` as body: the document says that there is to be none. */
export type ParsedConfig =
  | string
  | {
      readonly body: string | null
      readonly row?: (row: BucketRow) => BucketRow
      /** Of the answer to what set it. */
      readonly headers?: Readonly<Record<string, string>>
    }

const empty =
  (root: string, content: XmlNode = {}) =>
  (): string =>
    xmlDocument(root, content)

export const configSpecs: readonly ConfigSpec[] = [
  {
    kind: 'policy',
    get: 'GetBucketPolicy',
    put: 'PutBucketPolicy',
    delete: 'DeleteBucketPolicy',
    iamGet: 's3:GetBucketPolicy',
    iamPut: 's3:PutBucketPolicy',
    iamDelete: 's3:DeleteBucketPolicy',
    absent: 'NoSuchBucketPolicy',
    parse: parsePolicyConfig,
    contentType: 'application/json',
    putStatus: 204,
    doc: 'who may do what with the bucket and its objects',
  },
  {
    kind: 'cors',
    get: 'GetBucketCors',
    put: 'PutBucketCors',
    delete: 'DeleteBucketCors',
    iamGet: 's3:GetBucketCORS',
    iamPut: 's3:PutBucketCORS',
    absent: 'NoSuchCORSConfiguration',
    parse: parseCors,
    doc: 'which web pages may call the bucket',
  },
  {
    kind: 'lifecycle',
    get: 'GetBucketLifecycleConfiguration',
    put: 'PutBucketLifecycleConfiguration',
    delete: 'DeleteBucketLifecycle',
    iamGet: 's3:GetLifecycleConfiguration',
    iamPut: 's3:PutLifecycleConfiguration',
    absent: 'NoSuchLifecycleConfiguration',
    parse: parseLifecycle,
    headers: { 'x-amz-transition-default-minimum-object-size': 'all_storage_classes_128K' },
    doc: 'what ends by itself, and when',
  },
  {
    kind: 'tagging',
    get: 'GetBucketTagging',
    put: 'PutBucketTagging',
    delete: 'DeleteBucketTagging',
    iamGet: 's3:GetBucketTagging',
    iamPut: 's3:PutBucketTagging',
    absent: 'NoSuchTagSet',
    parse: parseBucketTagging,
    putStatus: 204,
    doc: 'the bucket’s tags, up to 50',
  },
  {
    kind: 'website',
    get: 'GetBucketWebsite',
    put: 'PutBucketWebsite',
    delete: 'DeleteBucketWebsite',
    iamGet: 's3:GetBucketWebsite',
    iamPut: 's3:PutBucketWebsite',
    iamDelete: 's3:DeleteBucketWebsite',
    absent: 'NoSuchWebsiteConfiguration',
    doc: 'the website that a bucket is',
  },
  {
    kind: 'publicAccessBlock',
    get: 'GetPublicAccessBlock',
    put: 'PutPublicAccessBlock',
    delete: 'DeletePublicAccessBlock',
    iamGet: 's3:GetBucketPublicAccessBlock',
    iamPut: 's3:PutBucketPublicAccessBlock',
    absent: 'NoSuchPublicAccessBlockConfiguration',
    parse: parsePublicAccessBlock,
    doc: 'that nothing makes the bucket public',
  },
  {
    kind: 'replication',
    get: 'GetBucketReplication',
    put: 'PutBucketReplication',
    delete: 'DeleteBucketReplication',
    iamGet: 's3:GetReplicationConfiguration',
    iamPut: 's3:PutReplicationConfiguration',
    absent: 'ReplicationConfigurationNotFoundError',
    parse: parseReplication,
    doc: 'where new versions should be copied to; an instruction does it',
  },
  {
    kind: 'object-lock',
    get: 'GetObjectLockConfiguration',
    put: 'PutObjectLockConfiguration',
    iamGet: 's3:GetBucketObjectLockConfiguration',
    iamPut: 's3:PutBucketObjectLockConfiguration',
    absent: 'ObjectLockConfigurationNotFoundError',
    parse: parseObjectLock,
    doc: 'how long new versions are locked',
  },
  {
    kind: 'ownershipControls',
    get: 'GetBucketOwnershipControls',
    put: 'PutBucketOwnershipControls',
    delete: 'DeleteBucketOwnershipControls',
    iamGet: 's3:GetBucketOwnershipControls',
    iamPut: 's3:PutBucketOwnershipControls',
    absent: 'OwnershipControlsNotFoundError',
    parse: parseOwnershipControls,
    doc: 'whose the objects of other writers are',
  },
  {
    kind: 'versioning',
    get: 'GetBucketVersioning',
    put: 'PutBucketVersioning',
    iamGet: 's3:GetBucketVersioning',
    iamPut: 's3:PutBucketVersioning',
    absent: empty('VersioningConfiguration'),
    parse: parseVersioning,
    doc: 'whether what is replaced or deleted is kept',
  },
  {
    kind: 'logging',
    get: 'GetBucketLogging',
    put: 'PutBucketLogging',
    iamGet: 's3:GetBucketLogging',
    iamPut: 's3:PutBucketLogging',
    absent: empty('BucketLoggingStatus'),
    parse: parseLogging,
    doc: 'where a log of requests is kept',
  },
  {
    kind: 'notification',
    get: 'GetBucketNotificationConfiguration',
    put: 'PutBucketNotificationConfiguration',
    iamGet: 's3:GetBucketNotification',
    iamPut: 's3:PutBucketNotification',
    absent: empty('NotificationConfiguration'),
    parse: parseNotification,
    doc: 'who is told of what happens to objects',
  },
  {
    kind: 'accelerate',
    get: 'GetBucketAccelerateConfiguration',
    put: 'PutBucketAccelerateConfiguration',
    iamGet: 's3:GetAccelerateConfiguration',
    iamPut: 's3:PutAccelerateConfiguration',
    absent: empty('AccelerateConfiguration'),
    parse: parseAccelerate,
    doc: 'transfer acceleration, which is not there',
  },
  {
    kind: 'requestPayment',
    get: 'GetBucketRequestPayment',
    put: 'PutBucketRequestPayment',
    iamGet: 's3:GetBucketRequestPayment',
    iamPut: 's3:PutBucketRequestPayment',
    absent: empty('RequestPaymentConfiguration', { Payer: 'BucketOwner' }),
    parse: parseRequestPayment,
    doc: 'who pays, which is the owner',
  },
  {
    kind: 'encryption',
    get: 'GetBucketEncryption',
    put: 'PutBucketEncryption',
    delete: 'DeleteBucketEncryption',
    iamGet: 's3:GetEncryptionConfiguration',
    iamPut: 's3:PutEncryptionConfiguration',
    absent: empty('ServerSideEncryptionConfiguration', encryptionXml(defaultEncryption)),
    parse: parseEncryption,
    doc: 'what answers say of encryption; everything is sealed whatever it says',
  },
]
