/**
 * What a version would lose in the bucket that it is to go to: its lock, its access control list, its place among
 * other versions. What would be lost does not go.
 */
import { isPublicAcl } from '../policy/acl.ts'
import { findConfig } from '../store/bucket-configs.ts'
import type { Catalog } from '../store/catalog.ts'
import type { BucketRow } from '../store/rows.ts'
import type { Keeping, SentRow } from './protocol.ts'
import { TransferRefused } from './refused.ts'
import type { Scope } from './scope.ts'

export async function keepingOf(catalog: Catalog, row: BucketRow): Promise<Keeping> {
  const [ownership, block] = [
    await findConfig(catalog, row, 'ownershipControls'),
    await findConfig(catalog, row, 'publicAccessBlock'),
  ]
  return {
    versions: row.versioning === 'Enabled',
    locks: row.objectLock !== undefined,
    acls: ownership?.includes('<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>') !== true,
    publicAcls: block?.includes('<BlockPublicAcls>true</BlockPublicAcls>') !== true,
  }
}

/** All versions of a key go only where all of them stay. */
export function demandVersions(
  { versions }: Pick<Scope, 'versions'>,
  keeping: Keeping,
  bucket: string,
): void {
  if (versions === 'all' && !keeping.versions)
    throw new TransferRefused('versions-would-be-lost', keepsNone(bucket))
}

/** The same, before anything is ordered: `null`, or why not. */
export function lostVersions(
  { versions }: Pick<Scope, 'versions'>,
  { name, versioning }: BucketRow,
): string | null {
  return versions === 'all' && versioning !== 'Enabled' ? keepsNone(name) : null
}

function keepsNone(bucket: string): string {
  return `${bucket} does not keep versions, and all versions are to go there. What would change it: put-bucket-versioning, Status=Enabled`
}

/** `null`: nothing. A retention that is over binds nobody any more. */
export function lostIn(row: SentRow, keeping: Keeping, nowUnixMs: number): TransferRefused | null {
  if ('marker' in row) return null
  const { retention, legalHold, owner, acl } = row
  if (!keeping.locks && (legalHold === 'ON' || (retention?.untilUnixMs ?? 0) > nowUnixMs)) {
    return new TransferRefused('lock-would-be-lost', 'It is locked, and the bucket there has no object lock.')
  }
  if (owner === undefined && acl === undefined) return null
  if (!keeping.acls)
    return new TransferRefused('acl-would-be-lost', 'It has an access list, which the bucket there disables.')
  if (acl !== undefined && !keeping.publicAcls && isPublicAcl({ owner: '' as never, grants: acl as never }))
    return new TransferRefused('acl-would-be-lost', 'It is public, which the bucket there blocks.')
  return null
}
