import type { TenantId } from '../core/ids.ts'
import type { LocatedBucket, S3Context } from './operation.ts'
import type { ShownOwner } from './owners.ts'

interface Owned {
  readonly owner?: TenantId
}

/** Whose each is, as `Owner` elements say it: the bucket's, but where others can have objects of their own. */
export async function versionOwners(
  { services: { owners, targets } }: Pick<S3Context, 'services'>,
  bucket: LocatedBucket,
  rows: readonly Owned[],
): Promise<(row: Owned) => ShownOwner> {
  const { tenant, shared } = bucket.row
  const isOwnersAlone = shared !== true || (await targets.ownershipOf(bucket)) === 'BucketOwnerEnforced'
  if (isOwnersAlone) {
    const owner = await owners.show(tenant)
    return () => owner
  }
  const show = await owners.showAll([tenant, ...rows.map(({ owner }) => owner ?? tenant)])
  return ({ owner }) => show(owner ?? tenant)
}
