import type { Authorized } from '../../policy/authorized.ts'
import type { ObjectRead, ObjectWrite } from '../../policy/operations.ts'
import type { ObjectRow } from '../../store/rows.ts'
import { findReadable, versionHeader, versionIdOf } from '../find-readable.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { askedTags, maxObjectTags, parseTagSet, type Tag, tagSetXml } from '../tags.ts'
import { collectXml } from './buckets.ts'
import { changeAttributes } from './change-attributes.ts'
import { objectRead } from './get-object.ts'
import { objectWrite } from './put-object.ts'

const maxDocumentBytes = 64 * 1024

export const getObjectTaggingOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObjectTagging',
  facts: objectRead,
  run: async ({ request }, _authorized, bucket) => {
    const row = await findReadable(bucket, request.key!, versionIdOf(request))
    return { status: 200, headers: versionHeader(bucket.row, row), body: tagSetXml(row.tags ?? []) }
  },
})

interface Tagging {
  readonly bucket: LocatedBucket
  readonly tags: readonly Tag[]
}

export const putObjectTaggingOperation = operation<ObjectWrite, Tagging>({
  name: 'PutObjectTagging',
  facts: async context => {
    const { op, target: bucket } = await objectWrite(context)
    const tags = parseTagSet(await collectXml(context, maxDocumentBytes), maxObjectTags)
    return { op, target: { bucket, tags }, asked: askedTags(tags) }
  },
  run: async (context, authorized, { bucket, tags }) => {
    const row = await setTags(context, authorized, bucket, tags)
    return { status: 200, headers: versionHeader(bucket.row, row), body: null }
  },
})

export const deleteObjectTaggingOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'DeleteObjectTagging',
  facts: objectWrite,
  run: async (context, authorized, bucket) => {
    const row = await setTags(context, authorized, bucket, [])
    return { status: 204, headers: versionHeader(bucket.row, row), body: null }
  },
})

function setTags(
  context: S3Context,
  authorized: Authorized<ObjectWrite>,
  bucket: LocatedBucket,
  tags: readonly Tag[],
): Promise<ObjectRow> {
  const change = ({ tags: _before, ...row }: ObjectRow): ObjectRow =>
    tags.length === 0 ? row : { ...row, tags }
  return changeAttributes(
    context,
    authorized,
    bucket,
    change,
    (_row, name) => {
      const { region, row: owner } = bucket
      const body = { ...name, tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])) }
      return region.drafts.draft({ tenant: owner.tenant, type: 'object.tagged', body })
    },
    tags.length === 0 ? 'ObjectTagging:Delete' : 'ObjectTagging:Put',
  )
}
