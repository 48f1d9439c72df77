import type { EntryId } from '../../core/ids.ts'
import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectDelete } from '../../policy/operations.ts'
import { removeObject } from '../../store/objects.ts'
import { S3Error } from '../errors.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { children, childText, parseXml, xmlDocument } from '../xml.ts'
import { collectXml } from './buckets.ts'

/** 1,000 keys of 1,024 bytes, every byte escaped, with their tags. */
const maxDeleteBytes = 8 * 2 ** 20

async function objectDelete(context: S3Context): Promise<{ op: ObjectDelete; target: LocatedBucket }> {
  const target = await context.locate(context.request.bucket!)
  return { op: { action: 'object.delete', bucket: target.facts }, target }
}

export const deleteObjectOperation = operation<ObjectDelete, LocatedBucket>({
  name: 'DeleteObject',
  facts: objectDelete,
  run: async (context, authorized, bucket) => {
    const entryId = await deleteKey(context, authorized, bucket, context.request.key!)
    if (entryId !== null) context.entered(entryId)
    return { status: 204, headers: {}, body: null }
  },
})

export const deleteObjectsOperation = operation<ObjectDelete, LocatedBucket>({
  name: 'DeleteObjects',
  facts: objectDelete,
  run: async (context, authorized, bucket) => {
    const root = parseXml(await collectXml(context, maxDeleteBytes), 'Delete')
    const quiet = childText(root, 'Quiet')?.toLowerCase() === 'true'
    const keys = children(root, 'Object').map(object => childText(object, 'Key'))
    if (keys.length === 0 || keys.length > 1000) throw new S3Error('MalformedXML')
    const deleted: { Key: string }[] = []
    const failed: { Key: string; Code: string; Message: string }[] = []
    // Together: their commits share the catalog's group commit.
    const outcomes = await Promise.allSettled(
      keys.map(key => {
        if (key === undefined || key === '') throw new S3Error('MalformedXML')
        return deleteKey(context, authorized, bucket, key)
      }),
    )
    for (const [index, outcome] of outcomes.entries()) {
      const key = keys[index]!
      if (outcome.status === 'fulfilled') {
        deleted.push({ Key: key })
        if (outcome.value !== null) context.entered(outcome.value)
      } else {
        const error = outcome.reason instanceof S3Error ? outcome.reason : new S3Error('InternalError')
        failed.push({ Key: key, Code: error.code, Message: error.message })
      }
    }
    const body = xmlDocument('DeleteResult', { Deleted: quiet ? [] : deleted, Error: failed })
    return { status: 200, headers: {}, body }
  },
})

/** A key that is not there is deleted already: nothing changes and nothing is entered. */
async function deleteKey(
  context: S3Context,
  authorized: Authorized<ObjectDelete>,
  bucket: LocatedBucket,
  key: string,
): Promise<EntryId | null> {
  let entryId: EntryId | null = null
  const removed = await removeObject(
    bucket.region.catalog,
    context.services.clock,
    authorized,
    bucket,
    key,
    row => {
      const draft = bucket.region.drafts.draft({
        tenant: bucket.row.tenant,
        type: 'object.deleted',
        body: {
          bucket: bucket.row.name,
          key,
          versionId: row.versionId,
          originId: row.originId,
          by: { accessKeyId: context.identity.accessKeyId },
          instruction: null,
        },
      })
      entryId = draft.entryId
      return draft.put
    },
  )
  return removed === null ? null : entryId
}
