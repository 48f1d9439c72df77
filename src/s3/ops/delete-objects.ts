import { isRefusal } from '../../policy/authorized.ts'
import type { ObjectDelete, ObjectsDelete } from '../../policy/operations.ts'
import type { DeleteDemand } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import { checkVersionId } from '../find-readable.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { childBoolean, children, childText, parseXml, type XmlNode, xmlDocument } from '../xml.ts'
import { collectXml } from './buckets.ts'
import { type Deleted, deleteVersion } from './delete-object.ts'

/** 1,000 keys of 1,024 bytes, every byte escaped, with their tags. */
const maxDeleteBytes = 8 * 2 ** 20
const maxObjects = 1000

interface Wanted {
  readonly key: string
  readonly versionId: string | undefined
  readonly demand: DeleteDemand
}

export const deleteObjectsOperation = operation<ObjectsDelete, LocatedBucket>({
  name: 'DeleteObjects',
  facts: async context => {
    const target = await context.locate(context.request.bucket!)
    return { op: { action: 'objects.delete', bucket: target.facts }, target }
  },
  run: async (context, _authorized, bucket) => {
    const { quiet, wanted } = parseDelete(await collectXml(context, maxDeleteBytes))
    // Together: their commits share the catalog's group commit.
    const outcomes = await Promise.allSettled(
      wanted.map(async ({ key, versionId: asked, demand }) => {
        const versionId = asked === undefined ? null : checkVersionId(asked)
        const op: ObjectDelete = { action: 'object.delete', bucket: bucket.facts }
        const action = versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion'
        const decision = await context.decideOn(op, { action, bucket, key, versionId })
        if (isRefusal(decision)) throw new S3Error('AccessDenied', decision.message)
        return deleteVersion(context, decision, bucket, key, versionId, demand)
      }),
    )
    const deleted: XmlNode[] = []
    const failed: XmlNode[] = []
    for (const [index, outcome] of outcomes.entries()) {
      const { key, versionId } = wanted[index]!
      if (outcome.status === 'fulfilled') {
        deleted.push(deletedXml(key, versionId, outcome.value))
        if (outcome.value.entered !== null) context.entered(outcome.value.entered)
      } else {
        const error = outcome.reason instanceof S3Error ? outcome.reason : new S3Error('InternalError')
        failed.push({ Key: key, VersionId: versionId, Code: error.code, Message: error.message })
      }
    }
    const body = xmlDocument('DeleteResult', { Deleted: quiet ? [] : deleted, Error: failed })
    return { status: 200, headers: {}, body }
  },
})

function parseDelete(body: Uint8Array): { quiet: boolean; wanted: Wanted[] } {
  const root = parseXml(body, 'Delete')
  const quiet = childBoolean(root, 'Quiet') ?? false
  const wanted = children(root, 'Object').map(object => {
    const key = childText(object, 'Key')
    if (key === undefined || key === '') throw new S3Error('MalformedXML')
    const demand = {
      etag: childText(object, 'ETag'),
      modified: childText(object, 'LastModifiedTime'),
      sizeBytes: childText(object, 'Size'),
    }
    return { key, versionId: childText(object, 'VersionId'), demand }
  })
  if (wanted.length === 0 || wanted.length > maxObjects) throw new S3Error('MalformedXML')
  return { quiet, wanted }
}

function deletedXml(key: string, asked: string | undefined, { isMarker, versionId }: Deleted): XmlNode {
  return {
    Key: key,
    VersionId: asked,
    ...(isMarker && { DeleteMarker: true, DeleteMarkerVersionId: versionId ?? undefined }),
  }
}
