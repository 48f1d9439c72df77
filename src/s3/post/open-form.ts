/** A browser's upload up to its file: the fields, read and bounded; the file's bytes are still to come. */
import type { IncomingMessage } from 'node:http'
import { wireChunks } from '../body.ts'
import { S3Error } from '../errors.ts'
import type { S3Request } from '../request.ts'
import { boundaryOf, createFormReader } from './form-reader.ts'

export interface PostForm extends AsyncDisposable {
  /** By name in lower case; `key` with its file name put in. */
  readonly fields: ReadonlyMap<string, string>
  /** The file. Its end is the end of the request: what stands behind it was looked at and left out. */
  readonly file: AsyncGenerator<Buffer, void>
}

const maxFieldBytes = 20 * 1024
const maxFields = 1000

export function isForm({ method, bucket, key, query, headers }: S3Request): boolean {
  if (method !== 'POST' || bucket === null || key !== null || query.has('delete')) return false
  return boundaryOf(headers['content-type']) !== null
}

export async function openForm(message: IncomingMessage, { headers }: S3Request): Promise<PostForm> {
  const reader = createFormReader(wireChunks(message), boundaryOf(headers['content-type'])!)
  try {
    const fields = new Map<string, string>()
    let bytes = 0
    for (let part = await reader.next(); part !== null; part = await reader.next()) {
      const name = part.name.toLowerCase()
      if (name === 'file') {
        withFilename(fields, part.filename ?? '')
        const file = untilEnd(part.content, reader)
        return { fields, file, [Symbol.asyncDispose]: () => reader.close() }
      }
      let value = Buffer.alloc(0)
      for await (const chunk of part.content) {
        bytes += chunk.length
        if (bytes > maxFieldBytes) throw new S3Error('MaxPostPreDataLengthExceeded')
        value = Buffer.concat([value, chunk])
      }
      bytes += name.length
      if (fields.size >= maxFields || bytes > maxFieldBytes) throw new S3Error('MaxPostPreDataLengthExceeded')
      fields.set(name, value.toString('utf8'))
    }
    throw new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.', {
      ArgumentName: 'file',
      ArgumentValue: '0',
    })
  } catch (error) {
    await reader.close()
    throw error
  }
}

/** Fields behind the file are passed over, as S3 does; that the form ends is demanded. */
async function* untilEnd(
  content: AsyncGenerator<Buffer, void>,
  reader: ReturnType<typeof createFormReader>,
): AsyncGenerator<Buffer, void> {
  yield* content
  let fields = 0
  while ((await reader.next()) !== null) {
    if (++fields > maxFields) throw new S3Error('MalformedPOSTRequest')
  }
}

/** Some browsers send a path along; only what it ends with is the file's name. */
function withFilename(fields: Map<string, string>, path: string): void {
  const filename = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)
  for (const [name, value] of fields) {
    if (name !== 'policy')
      fields.set(
        name,
        value.replace(/\$\{filename\}/g, () => filename),
      )
  }
}
