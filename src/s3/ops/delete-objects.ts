import type { ObjectDelete } from '../../policy/operations.ts'
import { S3Error } from '../errors.ts'
import { checkVersionId } from '../find-readable.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { childBoolean, children, childText, parseXml, type XmlNode, xmlDocument } from '../xml.ts'
import { collectXml } from './buckets.ts'
import { type Deleted, deleteVersion, objectDelete } from './delete-object.ts'

/** 1,000 keys of 1,024 bytes, every byte escaped, with their tags. */
const maxDeleteBytes = 8 * 2 ** 20
const maxObjects = 1000

interface Wanted {
  readonly key: string
  readonly versionId: string | undefined
}

export const deleteObjectsOperation = operation<ObjectDelete, LocatedBucket>({
  name: 'DeleteObjects',
  facts: objectDelete,
  run: async (context, authorized, bucket) => {
    const { quiet, wanted } = parseDelete(await collectXml(context, maxDeleteBytes))
    // Together: their commits share the catalog's group commit.
    const outcomes = await Promise.allSettled(
      wanted.map(async ({ key, versionId }) =>
        deleteVersion(
          context,
          authorized,
          bucket,
          key,
          versionId === undefined ? null : checkVersionId(versionId),
        ),
      ),
    )
    const deleted: XmlNode[] = []
    const failed: XmlNode[] = []
    for (const [index, outcome] of outcomes.entries()) {
      const { key, versionId } = wanted[index]!
      if (outcome.status === 'fulfilled') {
        deleted.push(deletedXml(key, versionId, outcome.value))
        if (outcome.value.entryId !== null) context.entered(outcome.value.entryId)
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
    return { key, versionId: childText(object, 'VersionId') }
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
