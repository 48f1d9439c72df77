/** What a snapshot of the catalog refers to outside of itself: whole blobs, and segments up to the last that counts. */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { BlobId } from '../store/blob-store.ts'
import { type Catalog, prefixEnd } from '../store/catalog.ts'
import { blobFolder } from '../store/file-blob-store.ts'
import { decodeLocation, packedKey } from '../store/packed-blob-store.ts'
import { rowsOf } from '../store/rows-of.ts'
import { parseSegmentId } from '../store/segment-files.ts'

export interface CutFile {
  /** In the region's folder. */
  readonly source: string
  /** In the backup. */
  readonly path: string
  readonly bytes: number
}

export async function* filesOfCut(catalog: Catalog): AsyncGenerator<CutFile, void> {
  for await (const { key, value } of rowsOf(catalog, 'blobs')) {
    const { bytes, place } = decodeLocation(value)
    // What is in the trash is referred to by nobody, and may be gone.
    if (place !== null || (await catalog.get('trash', key)) !== null) continue
    const id = fromUtf8(key) as BlobId
    const source = `blobs/${blobFolder(id)}/${id}`
    yield { source, path: source, bytes }
  }
  for (let from: Uint8Array | undefined; ; ) {
    const [first] = await catalog.scan('packed', { limit: 1, ...(from && { from }) })
    if (first === undefined) return
    const segment = parseSegmentId(fromUtf8(first.key.subarray(0, first.key.length - 6)))
    if (segment === null) throw new HoldfastError('store-damaged', 'a row of packed names no segment')
    const prefix = utf8(segment)
    const end = prefixEnd(prefix)!
    const [last] = await catalog.scan('packed', { from: prefix, to: end, limit: 1, reverse: true })
    const row = await catalog.get('blobs', last!.value)
    const location = row === null ? null : decodeLocation(row)
    if (location === null || location.place === null || !packedKey(location.place).equals(last!.key))
      throw new HoldfastError(
        'store-damaged',
        `the index of segment ${segment} names a blob that is not there`,
      )
    // A segment grows: each length of it is a file of its own in the backup, so that older backups keep theirs.
    const bytes = location.place.at + location.bytes
    const source = `segments/${segment}.seg`
    yield { source, path: `${source}/${bytes}`, bytes }
    from = end
  }
}
