import { fromBase64, fromUtf8, toBase64, utf8 } from '../../core/bytes.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { bucketPrefix } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { decodeListed, listedXml, ownerText } from '../list-contents.ts'
import { keyParameter, type ListParameters, listParameters } from '../list-parameters.ts'
import { emptyPage, type ListPage, listPage, startAfter, textAfter } from '../listing.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { versionOwners } from '../version-owners.ts'
import { escapeXml, RawXml, type XmlNode, xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'

export const listObjectsOperation = operation<BucketUse, LocatedBucket>({
  name: 'ListObjects',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const parameters = listParameters(context.request, 'max-keys')
    const { encode, prefix, delimiter, encodingType } = parameters
    const marker = keyParameter(context.request, 'marker')
    const page = await listRows(bucket, parameters, marker)
    const head = {
      Name: bucket.row.name,
      Prefix: encode(prefix),
      Marker: encode(marker),
      // Without a delimiter the last key says the same, and S3 leaves it out.
      NextMarker: page.truncated && delimiter !== '' ? encode(page.last!.key) : undefined,
      MaxKeys: parameters.maxItems,
      Delimiter: delimiter === '' ? undefined : encode(delimiter),
      IsTruncated: page.truncated,
      EncodingType: encodingType,
    }
    return { status: 200, headers: {}, body: await listXml(context, bucket, head, page, encode, true) }
  },
})

export const listObjectsV2Operation = operation<BucketUse, LocatedBucket>({
  name: 'ListObjectsV2',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const { query } = context.request
    const parameters = listParameters(context.request, 'max-keys')
    const { encode, prefix, delimiter, encodingType } = parameters
    const token = query.get('continuation-token')
    const after = keyParameter(context.request, 'start-after')
    const page = await listRows(bucket, parameters, token ? parseToken(token) : after)
    const withOwner = query.get('fetch-owner') === 'true'
    const head = {
      Name: bucket.row.name,
      Prefix: encode(prefix),
      StartAfter: after === '' ? undefined : encode(after),
      ContinuationToken: token,
      NextContinuationToken: page.truncated ? toBase64(utf8(page.last!.key)) : undefined,
      KeyCount: page.rows.length + page.commonPrefixes.length,
      MaxKeys: parameters.maxItems,
      Delimiter: delimiter === '' ? undefined : encode(delimiter),
      IsTruncated: page.truncated,
      EncodingType: encodingType,
    }
    return { status: 200, headers: {}, body: await listXml(context, bucket, head, page, encode, withOwner) }
  },
})

function listRows(bucket: LocatedBucket, parameters: ListParameters, after: string): Promise<ListPage> {
  const base = bucketPrefix(bucket.row.id)
  const { prefix, delimiter, maxItems } = parameters
  // S3 answers max-keys=0 with an empty page that is not truncated.
  if (maxItems === 0) return Promise.resolve(emptyPage)
  return listPage({
    catalog: bucket.region.catalog,
    table: 'objects',
    base,
    prefix,
    delimiter,
    from: startAfter(base, prefix, delimiter, after),
    limit: maxItems,
    keyOf: row => textAfter(row, base.length),
  })
}

async function listXml(
  context: S3Context,
  bucket: LocatedBucket,
  head: XmlNode,
  page: ListPage,
  encode: (text: string) => string,
  withOwner: boolean,
): Promise<string> {
  const objects = page.rows.map(({ key, row }) => ({ key, object: decodeListed(row.value) }))
  const rows = objects.map(({ object }) => object)
  const ownerOf = withOwner ? await versionOwners(context, bucket, rows) : null
  let text = ''
  for (const { key, object } of objects) {
    const named = ownerOf === null ? '' : ownerText(ownerOf(object))
    text += `<Contents><Key>${escapeXml(encode(key))}</Key>${listedXml(object)}${named}</Contents>`
  }
  const groups = { CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })) }
  return xmlDocument('ListBucketResult', [head, new RawXml(text), groups])
}

function parseToken(token: string): string {
  try {
    const bytes = fromBase64(token)
    if (bytes !== null && bytes.length > 0 && bytes.length <= 1024) return fromUtf8(bytes)
  } catch {}
  throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
    ArgumentName: 'continuation-token',
  })
}
