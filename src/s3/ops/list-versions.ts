import type { TenantId } from '../../core/ids.ts'
import type { BucketUse } from '../../policy/operations.ts'
import { clientVersionId, isMarker } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { checkVersionId } from '../find-readable.ts'
import { listedXml, ownerText } from '../list-contents.ts'
import { keyParameter, listParameters } from '../list-parameters.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import type { ShownOwner } from '../owners.ts'
import { type ListedVersion, listVersionPage, type VersionPage } from '../version-listing.ts'
import { versionOwners } from '../version-owners.ts'
import { escapeXml, RawXml, xmlDocument } from '../xml.ts'
import { bucketUse } from './buckets.ts'

const emptyPage: VersionPage = { versions: [], commonPrefixes: [], truncated: false, next: null }

export const listObjectVersionsOperation = operation<BucketUse, LocatedBucket>({
  name: 'ListObjectVersions',
  facts: bucketUse,
  run: async (context, _authorized, bucket) => {
    const { query } = context.request
    const parameters = listParameters(context.request, 'max-keys')
    const { prefix, delimiter, maxItems, encode, encodingType } = parameters
    const keyMarker = keyParameter(context.request, 'key-marker')
    const idMarker = query.get('version-id-marker') ?? ''
    if (idMarker !== '' && keyMarker === '')
      throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.')
    const page =
      maxItems === 0
        ? emptyPage
        : await listVersionPage({
            catalog: bucket.region.catalog,
            bucket: bucket.row,
            prefix,
            delimiter,
            keyMarker,
            versionIdMarker: idMarker === '' ? null : checkVersionId(idMarker),
            limit: maxItems,
          })
    const next = page.truncated ? page.next : null
    const rows = page.versions.map(({ row }) => (isMarker(row) ? {} : row))
    const ownerOf = await versionOwners(context, bucket, rows)
    // Versions and markers stand in one list, in the order of their keys.
    const body = xmlDocument('ListVersionsResult', [
      {
        Name: bucket.row.name,
        Prefix: encode(prefix),
        KeyMarker: encode(keyMarker),
        VersionIdMarker: idMarker,
        NextKeyMarker: next === null ? undefined : encode(next.keyMarker),
        NextVersionIdMarker: next?.versionIdMarker ?? undefined,
        MaxKeys: maxItems,
        Delimiter: delimiter === '' ? undefined : encode(delimiter),
        EncodingType: encodingType,
        IsTruncated: page.truncated,
      },
      versionsXml(page.versions, ownerOf, encode),
      { CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })) },
    ])
    return { status: 200, headers: {}, body }
  },
})

function versionsXml(
  versions: readonly ListedVersion[],
  ownerOf: (row: { readonly owner?: TenantId }) => ShownOwner,
  encode: (text: string) => string,
): RawXml {
  let text = ''
  for (const { key, row, isLatest } of versions) {
    const name = `<Key>${escapeXml(encode(key))}</Key><VersionId>${clientVersionId(row)}</VersionId><IsLatest>${isLatest}</IsLatest>`
    const named = ownerText(ownerOf(isMarker(row) ? {} : row))
    text += isMarker(row)
      ? `<DeleteMarker>${name}<LastModified>${xmlDate(row.modifiedUnixMs)}</LastModified>${named}</DeleteMarker>`
      : `<Version>${name}${listedXml(row)}${named}</Version>`
  }
  return new RawXml(text)
}
