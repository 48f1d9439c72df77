import { fromBase64, fromUtf8, toBase64, utf8 } from '../../core/bytes.ts'
import { uriEncode } from '../../crypto/sigv4.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { bucketPrefix, decodeRow, type ObjectRow, type UploadRow } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { type ListPage, listPage, textAfter } from '../listing.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { type XmlNode, xmlDocument } from '../xml.ts'
import { objectKeyOf } from './abort-uploads.ts'
import { bucketUse } from './buckets.ts'

interface ListParameters {
  readonly prefix: string
  readonly delimiter: string
  readonly maxKeys: number
  readonly encode: (text: string) => string
  readonly encodingType: string | undefined
}

export function listParameters({ request: { query } }: S3Context, limitName: string): ListParameters {
  const limit = query.get(limitName) ?? '1000'
  if (!/^\d{1,10}$/.test(limit) || Number(limit) > 2 ** 31 - 1) {
    throw new S3Error('InvalidArgument', `Argument ${limitName} must be an integer between 0 and 2147483647.`)
  }
  const encodingType = query.get('encoding-type')
  if (encodingType !== undefined && encodingType !== 'url')
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request')
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    maxKeys: Math.min(1000, Number(limit)),
    encode: encodingType === 'url' ? text => uriEncode(text, true) : text => text,
    encodingType,
  }
}

function listRows(bucket: LocatedBucket, parameters: ListParameters, after: string): Promise<ListPage> {
  const base = bucketPrefix(bucket.row.id)
  const { prefix, delimiter, maxKeys } = parameters
  // S3 answers max-keys=0 with an empty page that is not truncated.
  if (maxKeys === 0) return Promise.resolve({ rows: [], commonPrefixes: [], truncated: false, last: null })
  return listPage({
    catalog: bucket.region.catalog,
    table: 'objects',
    base,
    prefix,
    delimiter,
    after,
    limit: maxKeys,
    keyOf: row => textAfter(row, base.length),
  })
}

function contents(
  page: ListPage,
  bucket: LocatedBucket,
  encode: (text: string) => string,
  withOwner: boolean,
): XmlNode[] {
  const owner = { ID: bucket.row.tenant, DisplayName: bucket.row.tenant.slice(0, 12) }
  return page.rows.map(({ key, row }) => {
    const object = decodeRow<ObjectRow>(row.value)
    return {
      Key: encode(key),
      LastModified: xmlDate(object.modifiedUnixMs),
      ETag: `"${object.etag}"`,
      ...(object.checksum !== null && {
        ChecksumAlgorithm: object.checksum.algorithm,
        ChecksumType: object.checksum.type,
      }),
      Size: object.sizeBytes,
      ...(withOwner && { Owner: owner }),
      StorageClass: 'STANDARD',
    }
  })
}

export const listObjectsOperation = operation<BucketUse, LocatedBucket>({
  name: 'ListObjects',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const parameters = listParameters(context, 'max-keys')
    const { encode, prefix, delimiter, encodingType } = parameters
    const marker = context.request.query.get('marker') ?? ''
    const page = await listRows(bucket, parameters, marker)
    const body = xmlDocument('ListBucketResult', {
      Name: bucket.row.name,
      Prefix: encode(prefix),
      Marker: encode(marker),
      // Without a delimiter S3 leaves NextMarker out; the last key says the same. Clients do not mind it there.
      NextMarker: page.truncated ? encode(page.last!) : undefined,
      MaxKeys: parameters.maxKeys,
      Delimiter: delimiter === '' ? undefined : encode(delimiter),
      IsTruncated: page.truncated,
      EncodingType: encodingType,
      Contents: contents(page, bucket, encode, true),
      CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })),
    })
    return { status: 200, headers: {}, body }
  },
})

export const listObjectsV2Operation = operation<BucketUse, LocatedBucket>({
  name: 'ListObjectsV2',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const { query } = context.request
    const parameters = listParameters(context, 'max-keys')
    const { encode, prefix, delimiter, encodingType } = parameters
    const token = query.get('continuation-token')
    const startAfter = query.get('start-after') ?? ''
    const page = await listRows(bucket, parameters, token === undefined ? startAfter : parseToken(token))
    const body = xmlDocument('ListBucketResult', {
      Name: bucket.row.name,
      Prefix: encode(prefix),
      StartAfter: startAfter === '' ? undefined : encode(startAfter),
      ContinuationToken: token,
      NextContinuationToken: page.truncated ? toBase64(utf8(page.last!)) : undefined,
      KeyCount: page.rows.length + page.commonPrefixes.length,
      MaxKeys: parameters.maxKeys,
      Delimiter: delimiter === '' ? undefined : encode(delimiter),
      IsTruncated: page.truncated,
      EncodingType: encodingType,
      Contents: contents(page, bucket, encode, query.get('fetch-owner') === 'true'),
      CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })),
    })
    return { status: 200, headers: {}, body }
  },
})

function parseToken(token: string): string {
  try {
    const bytes = fromBase64(token)
    if (bytes !== null && bytes.length > 0) return fromUtf8(bytes)
  } catch {}
  throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect.')
}

export const listMultipartUploadsOperation = operation<BucketUse, LocatedBucket>({
  name: 'ListMultipartUploads',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const { query } = context.request
    const { prefix, delimiter, maxKeys, encode, encodingType } = listParameters(context, 'max-uploads')
    const base = bucketPrefix(bucket.row.id)
    const keyMarker = query.get('key-marker') ?? ''
    const idMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '')
    const owner = { ID: bucket.row.tenant, DisplayName: bucket.row.tenant.slice(0, 12) }
    const idBytes = 26
    const page = await listPage({
      catalog: bucket.region.catalog,
      table: 'uploads',
      base,
      prefix,
      delimiter,
      // Rows are `key 00 uploadId`: the highest id after the marker skips every upload of the marker's key.
      after: keyMarker === '' ? '' : `${keyMarker}\0${idMarker === '' ? '~' : idMarker}`,
      limit: Math.max(1, maxKeys),
      keyOf: row => textAfter(row, base.length).slice(0, -idBytes - 1),
    })
    const uploads = page.rows.map(({ row }) => {
      const upload = decodeRow<UploadRow>(row.value)
      return { key: objectKeyOf(row.key, upload.uploadId), upload }
    })
    const last = uploads.at(-1)
    const body = xmlDocument('ListMultipartUploadsResult', {
      Bucket: bucket.row.name,
      KeyMarker: encode(keyMarker),
      UploadIdMarker: idMarker,
      NextKeyMarker: page.truncated ? encode(last?.key ?? page.last!) : undefined,
      NextUploadIdMarker: page.truncated ? (last?.upload.uploadId ?? '') : undefined,
      Prefix: encode(prefix),
      Delimiter: delimiter === '' ? undefined : encode(delimiter),
      MaxUploads: maxKeys,
      IsTruncated: page.truncated,
      EncodingType: encodingType,
      Upload: uploads.map(({ key, upload }) => ({
        Key: encode(key),
        UploadId: upload.uploadId,
        Initiator: owner,
        Owner: owner,
        StorageClass: 'STANDARD',
        Initiated: xmlDate(upload.startedUnixMs),
      })),
      CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })),
    })
    return { status: 200, headers: {}, body }
  },
})
