/** Deleting one key or one version: what both the single deletion and the deletion of many are made of. */
import { deletionEntry } from '../../ledger/deletion-entry.ts'
import type { Drafted } from '../../ledger/drafts.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectDelete } from '../../policy/operations.ts'
import { type Deletion, deleteObject } from '../../store/objects.ts'
import { clientVersionId, isMarker } from '../../store/rows.ts'
import { type DeleteDemand, deleteCondition, deleteDemand } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import { versionIdOf } from '../find-readable.ts'
import { bypassesGovernance, lockedError } from '../object-lock.ts'
import { type LocatedBucket, notifierOf, operation, type S3Context } from '../operation.ts'

async function objectDelete(context: S3Context): Promise<{ op: ObjectDelete; target: LocatedBucket }> {
  const target = await context.locate(context.request.bucket!)
  return { op: { action: 'object.delete', bucket: target.facts }, target }
}

export interface Deleted {
  readonly entered: Drafted | null
  /** What went, or was put on top, is a delete marker. */
  readonly isMarker: boolean
  /** Of the version that was named, or of the marker that was made; `null` where nothing was ever versioned. */
  readonly versionId: string | null
}

export const deleteObjectOperation = operation<ObjectDelete, LocatedBucket>({
  name: 'DeleteObject',
  facts: objectDelete,
  run: async (context, authorized, bucket) => {
    const { request } = context
    const demand = deleteDemand(request.headers)
    const versionId = versionIdOf(request)
    const deleted = await deleteVersion(context, authorized, bucket, request.key!, versionId, demand)
    if (deleted.entered !== null) context.entered(deleted.entered)
    const headers: Record<string, string> = {}
    if (deleted.versionId !== null) headers['x-amz-version-id'] = deleted.versionId
    if (deleted.isMarker) headers['x-amz-delete-marker'] = 'true'
    return { status: 204, headers, body: null }
  },
})

/** What is not there is deleted already: nothing changes and nothing is entered. */
export async function deleteVersion(
  context: S3Context,
  authorized: Authorized<ObjectDelete>,
  bucket: LocatedBucket,
  key: string,
  versionId: string | null,
  demand: DeleteDemand,
): Promise<Deleted> {
  const { services, identity } = context
  const { region } = bucket
  const by = { accessKeyId: identity.accessKeyId }
  const condition = deleteCondition(demand)
  let entered: Drafted | null = null
  const entry = (deletion: Exclude<Deletion, { did: 'nothing' }>) => {
    entered = region.drafts.draft(deletionEntry(bucket.row, key, deletion, by))
    return entered.put
  }
  const notifier = await notifierOf(context, bucket)
  const deletion = await deleteObject(region.catalog, services, authorized, {
    bucket,
    key,
    ...(versionId !== null && { version: { versionId } }),
    ...(condition && { condition }),
    bypassGovernance: await bypassesGovernance(context, bucket, key, versionId),
    entry,
    ...(notifier && { events: deletion => notifier.deletion('ObjectRemoved', key, deletion) }),
  })
  if (deletion === 'bucket-gone')
    throw new S3Error('NoSuchBucket', undefined, { BucketName: bucket.row.name })
  if (deletion === 'locked') throw lockedError()
  // What was drafted for a race that was lost is not entered: others deleted it first.
  if (deletion.did === 'nothing') return { entered: null, isMarker: false, versionId }
  if (deletion.did === 'marked')
    return { entered, isMarker: true, versionId: clientVersionId(deletion.marker) }
  const wasMarker = deletion.did === 'removed' && isMarker(deletion.version)
  return { entered, isMarker: wasMarker, versionId }
}
