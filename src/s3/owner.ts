import { accountOf, findTenant } from '../store/tenants.ts'
import type { LocatedBucket, S3Context } from './operation.ts'

export interface OwnerXml {
  readonly [name: string]: string
  readonly ID: string
  readonly DisplayName: string
}

/** Whose a bucket is, as `Owner` elements say it. */
export async function bucketOwner({ identity }: S3Context, bucket: LocatedBucket): Promise<OwnerXml> {
  const { tenant } = bucket.row
  const account =
    identity.tenant === tenant
      ? identity.account
      : accountOf((await findTenant(bucket.region.catalog, tenant)) ?? { tenant })
  return { ID: account.canonicalId, DisplayName: account.displayName }
}
