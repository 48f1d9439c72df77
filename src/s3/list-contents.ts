/**
 * The entries of a list, by the thousand a page: written straight as text, and of each row only what a list shows is
 * parsed. Half of what a page costs would be its XML and the parsing of manifests and keys that it does not show.
 * Benchmark: LIST of 1,000 keys in `bench/run.ts`.
 */
import { decodeRow, type ObjectRow } from '../store/rows.ts'
import { xmlDate } from './object-headers.ts'
import type { ShownOwner } from './owners.ts'
import { escapeXml } from './xml.ts'

export type ListedObject = Pick<
  ObjectRow,
  'v' | 'etag' | 'modifiedUnixMs' | 'sizeBytes' | 'checksum' | 'owner'
>

/**
 * Where a row's JSON goes on with what no list shows. Inside a string its quotes would be escaped, and names of
 * metadata have no capitals, so it is found in that one place.
 */
const cut = Buffer.from(',"bucketKeyId":')

export function decodeListed(bytes: Uint8Array): ListedObject {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = buffer.indexOf(cut)
  if (at > 0) {
    try {
      const row = JSON.parse(`${buffer.toString('utf8', 0, at)}}`) as Partial<ListedObject>
      if (isWhole(row)) return row
    } catch {
      // Written in another order: read as a whole.
    }
  }
  return decodeRow<ObjectRow>(bytes)
}

function isWhole(row: Partial<ListedObject>): row is ListedObject {
  return (
    row.v === 1 &&
    row.etag !== undefined &&
    row.modifiedUnixMs !== undefined &&
    row.sizeBytes !== undefined &&
    row.checksum !== undefined
  )
}

/** What `Contents` and `Version` elements say of an object beside its name. */
export function listedXml({ etag, modifiedUnixMs, sizeBytes, checksum }: ListedObject): string {
  const sums =
    checksum === null
      ? ''
      : `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`
  return (
    `<LastModified>${xmlDate(modifiedUnixMs)}</LastModified><ETag>&quot;${etag}&quot;</ETag>${sums}` +
    `<Size>${sizeBytes}</Size><StorageClass>STANDARD</StorageClass>`
  )
}

export function ownerText(owner: ShownOwner): string {
  return `<Owner><ID>${escapeXml(owner.ID)}</ID><DisplayName>${escapeXml(owner.DisplayName)}</DisplayName></Owner>`
}
