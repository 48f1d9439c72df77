import { fromBase64, fromUtf8, toBase64, utf8 } from '../../core/bytes.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { bucketPrefix } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { decodeListed, listedXml, ownerText } from '../list-contents.ts'
import { keyParameter, type ListParameters, listParameters } from '../list-parameters.ts'
import { emptyPage, type ListPage, listPage, startAfter, textAfter } from '../listing.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { bucketOwner, type OwnerXml } from '../owner.ts'
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
    const owner = await bucketOwner(context, bucket)
    return { status: 200, headers: {}, body: listXml(head, page, encode, owner) }
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
    const owner = query.get('fetch-owner') === 'true' ? await bucketOwner(context, bucket) : undefined
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
    return { status: 200, headers: {}, body: listXml(head, page, encode, owner) }
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

function listXml(
  head: XmlNode,
  page: ListPage,
  encode: (text: string) => string,
  owner: OwnerXml | undefined,
): string {
  const groups = { CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })) }
  return xmlDocument('ListBucketResult', [head, contents(page, encode, owner), groups])
}

function contents(page: ListPage, encode: (text: string) => string, owner: OwnerXml | undefined): RawXml {
  const named = owner === undefined ? '' : ownerText(owner)
  let text = ''
  for (const { key, row } of page.rows)
    text += `<Contents><Key>${escapeXml(encode(key))}</Key>${listedXml(decodeListed(row.value))}${named}</Contents>`
  return new RawXml(text)
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
