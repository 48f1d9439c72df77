import type { BucketUse } from '../../policy/operations.ts'
import { clientVersionId, isMarker } from '../../store/rows.ts'
import { S3Error } from '../errors.ts'
import { checkVersionId } from '../find-readable.ts'
import { keyParameter, listParameters } from '../list-parameters.ts'
import { xmlDate } from '../object-headers.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { bucketOwner, type OwnerXml } from '../owner.ts'
import { type ListedVersion, listVersionPage, type VersionPage } from '../version-listing.ts'
import { type XmlNode, xmlDocument } from '../xml.ts'
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
    const owner = await bucketOwner(context, bucket)
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
      ...page.versions.map(version => versionXml(version, owner, encode)),
      { CommonPrefixes: page.commonPrefixes.map(group => ({ Prefix: encode(group) })) },
    ])
    return { status: 200, headers: {}, body }
  },
})

function versionXml(
  { key, row, isLatest }: ListedVersion,
  owner: OwnerXml,
  encode: (text: string) => string,
): XmlNode {
  const name = { Key: encode(key), VersionId: clientVersionId(row), IsLatest: isLatest }
  const LastModified = xmlDate(row.modifiedUnixMs)
  if (isMarker(row)) return { DeleteMarker: { ...name, LastModified, Owner: owner } }
  return {
    Version: {
      ...name,
      LastModified,
      ETag: `"${row.etag}"`,
      ...(row.checksum !== null && {
        ChecksumAlgorithm: row.checksum.algorithm,
        ChecksumType: row.checksum.type,
      }),
      Size: row.sizeBytes,
      StorageClass: 'STANDARD',
      Owner: owner,
    },
  }
}
