/** The actions of S3 that a policy can name, and the kind of resource that each is about ("Actions defined by Amazon S3"). */
export type ActionLevel = 'account' | 'bucket' | 'object'

const names: Readonly<Record<ActionLevel, string>> = {
  account: `CreateJob GetAccessPoint GetAccountPublicAccessBlock ListAccessPoints ListAllMyBuckets ListJobs
    PutAccountPublicAccessBlock`,
  bucket: `CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration
    DeleteBucketOwnershipControls DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration
    GetAnalyticsConfiguration GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging
    GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration
    GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock
    GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
    GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
    GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions ListTagsForResource
    PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAcl PutBucketCORS PutBucketLogging
    PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
    PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite
    PutEncryptionConfiguration PutIntelligentTieringConfiguration PutInventoryConfiguration
    PutLifecycleConfiguration PutMetricsConfiguration PutReplicationConfiguration TagResource UntagResource`,
  object: `AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging DeleteObjectVersion
    DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention
    GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes
    GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
    ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectLegalHold
    PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject
    ReplicateTags RestoreObject UpdateObjectEncryption`,
}

export interface S3Action {
  /** `s3:getobject` */
  readonly name: string
  readonly level: ActionLevel
}

/** By name in lower case, which is how actions are compared. */
export const s3Actions: ReadonlyMap<string, S3Action> = new Map(
  (Object.entries(names) as [ActionLevel, string][]).flatMap(([level, list]) =>
    list.split(/\s+/).map(action => {
      const name = `s3:${action.toLowerCase()}`
      return [name, { name, level }] as const
    }),
  ),
)

/** Condition keys of S3 that a bucket policy may ask for, in lower case, without the `s3:` in front. */
const conditionKeys = new Set(
  `accessgrantsinstancearn accesspointnetworkorigin authtype bucketkeyenabled creditType dataaccesspointaccount
   dataaccesspointarn delimiter existingjoboperation existingjobpriority if-match if-none-match inventoryaccessibleoptionalfields
   locationconstraint max-keys object-lock-legal-hold object-lock-mode object-lock-remaining-retention-days
   object-lock-retain-until-date objectcreationoperation operation prefix requestjoboperation requestjobpriority
   requestobjecttagkeys resourceaccount signatureage signatureversion tlsversion versionid x-amz-acl
   x-amz-content-sha256 x-amz-copy-source x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp
   x-amz-grant-write x-amz-grant-write-acp x-amz-metadata-directive x-amz-object-ownership
   x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id
   x-amz-server-side-encryption-customer-algorithm x-amz-storage-class x-amz-website-redirect-location`
    .toLowerCase()
    .split(/\s+/),
)

export function isConditionKey(key: string): boolean {
  const name = key.toLowerCase()
  if (name.startsWith('aws:')) return name.length > 4
  if (!name.startsWith('s3:')) return /^[a-z0-9.-]+:.+/.test(name)
  const own = name.slice(3)
  return conditionKeys.has(own) || /^(?:existingobjecttag|requestobjecttag)\/.+/.test(own)
}
