/** A bucket as policies see it: what its owner has set about who may do what. */

import { HoldfastError } from '../../core/errors.ts'
import type { TenantId } from '../../core/ids.ts'
import type { AccessTarget, PublicAccess, TargetAcls } from '../../policy/access.ts'
import type { Acl } from '../../policy/acl.ts'
import { type Policy, parsePolicy } from '../../policy/document.ts'
import { createConfigCache } from '../../store/bucket-configs.ts'
import type { Catalog } from '../../store/catalog.ts'
import { findVersion, readCurrent } from '../../store/key-versions.ts'
import { type BucketRow, isMarker, type ObjectRow } from '../../store/rows.ts'
import { accountOf, findTenant } from '../../store/tenants.ts'
import { privateAcl } from '../acl/canned.ts'
import { aclOf } from '../acl/new-object.ts'
import { type ObjectOwnership, readOwnershipControls } from '../configs/ownership-controls.ts'
import { type PublicAccessBlock, readPublicAccessBlock } from '../configs/public-access-block.ts'
import type { LocatedBucket } from '../operation.ts'

export interface Targets {
  /** `key`: of the object that is asked about; `null` for the bucket itself. */
  readonly of: (
    bucket: LocatedBucket,
    key: string | null,
    versionId: string | null,
    caller: TenantId,
  ) => Promise<AccessTarget>
  readonly policyOf: (bucket: LocatedBucket) => Promise<Policy | null>
  readonly publicAccessBlockOf: (bucket: LocatedBucket) => Promise<PublicAccessBlock | null>
  /** `BucketOwnerEnforced` disables ACLs; a bucket that says nothing has them, as those of before 2023 have at S3. */
  readonly ownershipOf: (bucket: LocatedBucket) => Promise<ObjectOwnership>
  readonly bucketAclOf: (bucket: LocatedBucket) => Promise<Acl>
  /** `null`: there is no such object. */
  readonly objectOf: (
    bucket: LocatedBucket,
    key: string,
    versionId: string | null,
  ) => Promise<ObjectRow | null>
}

const nothingBlocked: PublicAccess = { ignoresPublicAcls: false, restrictsPublicPolicy: false }

export function createTargets(): Targets {
  const policies = createConfigCache('policy', parseStored)
  const blocks = createConfigCache('publicAccessBlock', body => readPublicAccessBlock(Buffer.from(body)))
  const ownerships = createConfigCache('ownershipControls', body => readOwnershipControls(Buffer.from(body)))
  const acls = createConfigCache('acl', body => JSON.parse(body) as Acl)

  const targets: Targets = {
    policyOf: ({ region, row }) => policies(region.catalog, row),
    publicAccessBlockOf: ({ region, row }) => blocks(region.catalog, row),
    ownershipOf: async ({ region, row }) => (await ownerships(region.catalog, row)) ?? 'ObjectWriter',
    bucketAclOf: async ({ region, row }) => (await acls(region.catalog, row)) ?? privateAcl(row.tenant),
    async objectOf({ region, row }, key, versionId) {
      const found =
        versionId === null
          ? await readCurrent(region.catalog, row, key)
          : await findVersion(region.catalog, row, key, versionId)
      return found === null || isMarker(found.row) ? null : found.row
    },

    async of(bucket, key, versionId, caller) {
      const { row, region } = bucket
      // By far the most: an owner at a bucket into which nobody else was ever let, by a policy or an ACL.
      if (row.shared !== true && caller === row.tenant) return ownersAlone(row)
      const policy = await targets.policyOf(bucket)
      const isEnforced = (await targets.ownershipOf(bucket)) === 'BucketOwnerEnforced'
      const block = policy === null && isEnforced ? null : await targets.publicAccessBlockOf(bucket)
      const object = isEnforced || key === null ? null : await targets.objectOf(bucket, key, versionId)
      const acls: TargetAcls | null = isEnforced
        ? null
        : {
            bucket: await targets.bucketAclOf(bucket),
            object: object === null ? null : aclOf(object, row.tenant),
          }
      return {
        bucket: row.name,
        tenant: row.tenant,
        // Only a bucket's policy asks for it.
        accountId: policy === null ? '' : await accountIdOf(region.catalog, row.tenant),
        policy,
        publicAccess:
          block === null
            ? nothingBlocked
            : {
                ignoresPublicAcls: block.IgnorePublicAcls,
                restrictsPublicPolicy: block.RestrictPublicBuckets,
              },
        acls,
      }
    },
  }
  return targets
}

function ownersAlone({ name, tenant }: BucketRow): AccessTarget {
  return { bucket: name, tenant, accountId: '', policy: null, publicAccess: nothingBlocked, acls: null }
}

/** A policy was checked before it was kept; one that does not read now must not be passed over. */
function parseStored(body: string): Policy {
  const policy = parsePolicy(body, 'resource')
  if (typeof policy === 'string') throw new HoldfastError('store-damaged', `a bucket's policy: ${policy}`)
  return policy
}

async function accountIdOf(catalog: Catalog, tenant: TenantId): Promise<string> {
  const row = await findTenant(catalog, tenant)
  return accountOf(row ?? { tenant }).accountId
}
