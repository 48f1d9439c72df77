/** An attacker with the provider's disk: reads and changes a stopped region's catalog and blobs. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { type RegionFiles, regionFiles } from '../../src/open-region.ts'
import { type Catalog, prefixEnd } from '../../src/store/catalog.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import type { Place } from '../../src/store/places.ts'
import {
  type BucketRow,
  bucketPrefix,
  bucketRowKey,
  decodeRow,
  manifestRowKey,
  type ObjectContent,
  type ObjectRow,
  objectRowKey,
} from '../../src/store/rows.ts'
import type { Holdfast } from './holdfast.ts'

const region = 'in-mumbai'

export interface Disk {
  readonly catalog: Catalog
  /** Where the parts of an object are. */
  places(bucket: string, key: string): Promise<readonly Place[]>
  row(bucket: string, key: string): Promise<ObjectRow>
  rowKey(bucket: string, key: string): Promise<Uint8Array>
  setContent(bucket: string, key: string, content: ObjectContent): Promise<void>
  content(bucket: string, key: string): Promise<ObjectContent>
  blobPath(place: Place): string
  segmentPath(segment: string): string
}

/** Stops the server, lets `operate` at the disk, and starts the server again. */
export async function operateOnDisk<Result>(
  holdfast: Holdfast,
  operate: (disk: Disk) => Promise<Result>,
): Promise<Result> {
  await holdfast.server.stop()
  try {
    const files = regionFiles(holdfast.data, region)
    await using catalog = await openLmdbCatalog(files.catalog)
    return await operate(createDisk(catalog, files))
  } finally {
    await holdfast.server.start()
  }
}

function createDisk(catalog: Catalog, { blobs, segments }: RegionFiles): Disk {
  const bucketId = async (name: string): Promise<string> =>
    decodeRow<BucketRow>((await catalog.get('buckets', bucketRowKey(name as never)))!).id
  const rowKey = async (bucket: string, key: string) => objectRowKey(await bucketId(bucket), key)
  const row = async (bucket: string, key: string) =>
    decodeRow<ObjectRow>((await catalog.get('objects', await rowKey(bucket, key)))!)
  const content = async (bucket: string, key: string): Promise<ObjectContent> => {
    const found = await row(bucket, key)
    if (found.content !== null) return found.content
    return JSON.parse(String(await catalog.get('manifests', manifestRowKey(found.versionId))))
  }
  return {
    catalog,
    row,
    rowKey,
    content,
    places: async (bucket, key) => (await content(bucket, key)).places,
    async setContent(bucket, key, changed) {
      const found = await row(bucket, key)
      const put =
        found.content === null
          ? {
              table: 'manifests' as const,
              key: manifestRowKey(found.versionId),
              value: utf8(JSON.stringify(changed)),
            }
          : {
              table: 'objects' as const,
              key: await rowKey(bucket, key),
              value: utf8(JSON.stringify({ ...found, content: changed })),
            }
      await catalog.commit({ puts: [put] })
    },
    segmentPath: segment => join(segments, `${segment}.seg`),
    blobPath(place) {
      const name = readdirSync(blobs, { recursive: true, encoding: 'utf8' }).find(path =>
        path.endsWith(place.id),
      )
      if (name === undefined) throw new Error(`no blob ${place.id}`)
      return join(blobs, name)
    },
  }
}

/** How many objects a bucket's rows show. */
export async function countObjects(disk: Disk, bucket: string): Promise<number> {
  const { id } = decodeRow<BucketRow>((await disk.catalog.get('buckets', bucketRowKey(bucket as never)))!)
  const from = bucketPrefix(id)
  const rows = await disk.catalog.scan('objects', { from, to: prefixEnd(from)!, limit: 1000 })
  return new Set(rows.map(({ key }) => toHex(key))).size
}
