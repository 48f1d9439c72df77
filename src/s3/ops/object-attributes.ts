import type { ObjectRead } from '../../policy/operations.ts'
import type { ObjectRow } from '../../store/rows.ts'
import { customerKeyOf } from '../encryption/customer-key.ts'
import { S3Error } from '../errors.ts'
import { versionHeader, versionIdOf } from '../find-readable.ts'
import { httpDate } from '../object-headers.ts'
import { type LocatedBucket, operation, type S3Context } from '../operation.ts'
import { type OpenedVersion, openVersion } from '../versions.ts'
import { type XmlNode, xmlDocument } from '../xml.ts'
import { isOfParts, objectRead } from './get-object.ts'

const maxPageParts = 1000

type Describe = (context: S3Context, version: OpenedVersion) => XmlNode | undefined

/** In the order in which S3 writes them. */
const attributes: Readonly<Record<string, Describe>> = {
  ETag: (_context, { row }) => row.etag,
  Checksum: (_context, { row }) => checksumXml(row),
  ObjectParts: partsXml,
  StorageClass: () => 'STANDARD',
  ObjectSize: (_context, { row }) => row.sizeBytes,
}

/** Without the number of parts that a composite checksum ends with elsewhere. */
function checksumXml({ checksum }: ObjectRow): XmlNode | undefined {
  if (checksum === null) return undefined
  const { algorithm, value, type } = checksum
  return { [`Checksum${algorithm}`]: value.replace(/-\d+$/, ''), ChecksumType: type }
}

function partsXml(context: S3Context, { row, manifest, partChecksums }: OpenedVersion): XmlNode | undefined {
  if (!isOfParts(row)) return undefined
  const limit = Math.min(maxPageParts, integerHeader(context, 'x-amz-max-parts', maxPageParts))
  const marker = integerHeader(context, 'x-amz-part-number-marker', 0)
  const checksum = partChecksums === null ? null : row.checksum
  const parts = manifest.parts.map((part, index) => ({
    PartNumber: part.partNumber,
    Size: part.plainBytes,
    ...(checksum !== null && { [`Checksum${checksum.algorithm}`]: partChecksums![index]! }),
  }))
  const left = parts.filter(({ PartNumber }) => PartNumber > marker)
  const page = left.slice(0, limit)
  return {
    PartsCount: parts.length,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.PartNumber ?? marker,
    MaxParts: limit,
    IsTruncated: left.length > page.length,
    Part: page,
  }
}

function integerHeader({ request }: S3Context, name: string, absent: number): number {
  const text = request.headers[name]
  if (text === undefined) return absent
  if (/^\d{1,9}$/.test(String(text))) return Number(text)
  throw new S3Error('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
    ArgumentName: name,
    ArgumentValue: String(text),
  })
}

function namesOf({ request }: S3Context): Set<string> {
  const names = String(request.headers['x-amz-object-attributes'] ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  if (names.length === 0)
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    )
  if (names.some(name => !Object.hasOwn(attributes, name)))
    throw new S3Error('InvalidArgument', 'Invalid attribute name specified.', {
      ArgumentName: 'x-amz-object-attributes',
    })
  return new Set(names)
}

export const getObjectAttributesOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObjectAttributes',
  facts: objectRead,
  run: async (context, _authorized, bucket) => {
    const { request, services } = context
    const names = namesOf(context)
    const version = await openVersion(
      services,
      bucket,
      request.key!,
      versionIdOf(request),
      customerKeyOf(context),
    )
    const { row } = version
    const described = Object.entries(attributes).map(
      ([name, describe]) => [name, names.has(name) ? describe(context, version) : undefined] as const,
    )
    const headers = {
      'last-modified': httpDate(row.modifiedUnixMs),
      ...versionHeader(bucket.row, row),
    }
    const body = xmlDocument('GetObjectAttributesResponse', Object.fromEntries(described))
    return { status: 200, headers, body }
  },
})
