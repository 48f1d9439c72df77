import type { ObjectWrite } from '../../policy/operations.ts'
import { S3Error } from '../errors.ts'
import { locationOf } from '../location.ts'
import { type LocatedBucket, operation, type S3Answer, type S3Context } from '../operation.ts'
import type { SizeRange } from '../post/policy-document.ts'
import { xmlDocument } from '../xml.ts'
import { maxPutBytes, objectWrite, sealContent, storeWhole } from './put-object.ts'

export const postObjectOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'PostObject',
  facts: async context => {
    if (context.form === null)
      throw new S3Error('PreconditionFailed', undefined, {
        Condition: 'Bucket POST must be of the enclosure-type multipart/form-data',
      })
    return objectWrite(context)
  },
  run: async (context, authorized, bucket) => {
    const { file, fields, size } = context.form!
    const { row, headers } = await storeWhole(context, authorized, bucket, (key, keep) =>
      sealContent(context, bucket, key, within(file, size), size?.max ?? maxPutBytes, keep),
    )
    return answer(context, fields, bucket.row.name, row.etag, headers)
  },
})

/** What is too small is known at its end only, and then nothing of it is kept. */
async function* within(
  file: AsyncGenerator<Buffer, void>,
  size: SizeRange | null,
): AsyncGenerator<Buffer, void> {
  let bytes = 0
  for await (const chunk of file) {
    bytes += chunk.length
    if (size !== null && bytes > size.max) {
      throw new S3Error('EntityTooLarge', undefined, {
        ProposedSize: String(bytes),
        MaxSizeAllowed: String(size.max),
      })
    }
    yield chunk
  }
  if (size !== null && bytes < size.min) {
    throw new S3Error('EntityTooSmall', undefined, {
      ProposedSize: String(bytes),
      MinSizeAllowed: String(size.min),
    })
  }
}

/** As the form wishes: a page to go to, a status, or nothing. */
function answer(
  context: S3Context,
  fields: ReadonlyMap<string, string>,
  bucket: string,
  etag: string,
  stored: Readonly<Record<string, string>>,
): S3Answer {
  const key = context.request.key!
  const next = redirectTo(fields.get('success_action_redirect') ?? fields.get('redirect'))
  if (next !== null) {
    next.searchParams.set('bucket', bucket)
    next.searchParams.set('key', key)
    next.searchParams.set('etag', `"${etag}"`)
    return { status: 303, headers: { ...stored, location: next.href }, body: null }
  }
  const location = locationOf(context, bucket, key)
  const headers = { ...stored, location }
  const status = fields.get('success_action_status')
  if (status === '200') return { status: 200, headers, body: null }
  if (status !== '201') return { status: 204, headers, body: null }
  const result = { Location: location, Bucket: bucket, Key: key, ETag: `"${etag}"` }
  return { status: 201, headers, body: xmlDocument('PostResponse', result, null) }
}

/** One that is no URL is passed over. */
function redirectTo(text: string | undefined): URL | null {
  const url = text === undefined ? null : URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) ? url : null
}
