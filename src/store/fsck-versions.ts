/** Do the tables that hold the versions of keys agree with each other? */
import { fromUtf8, toHex } from '../core/bytes.ts'
import type { Catalog } from './catalog.ts'
import {
  bucketPrefix,
  decodeRow,
  isMarker,
  type MarkerRow,
  type ObjectRow,
  objectRowKey,
  type VersionRow,
} from './rows.ts'
import { rowsOf } from './rows-of.ts'
import { bucketIdBytes, readVersionRowKey, versionRowKey } from './version-keys.ts'

export interface StoredVersion {
  readonly bucketId: string
  readonly key: string
  readonly row: ObjectRow
  readonly isCurrent: boolean
}

/** Every version that has content; of one bucket, where it is named. */
export async function* storedVersions(catalog: Catalog, bucketId = ''): AsyncGenerator<StoredVersion> {
  const range = bucketId === '' ? {} : { prefix: bucketPrefix(bucketId) }
  for await (const { key, value } of rowsOf(catalog, 'objects', range)) {
    const name = {
      bucketId: toHex(key.subarray(0, bucketIdBytes)),
      key: fromUtf8(key.subarray(bucketIdBytes)),
    }
    yield { ...name, row: decodeRow<ObjectRow>(value), isCurrent: true }
  }
  for await (const { key, value } of rowsOf(catalog, 'versions', range)) {
    const row = decodeRow<VersionRow>(value)
    if (!isMarker(row)) yield { ...readVersionRowKey(key), row, isCurrent: false }
  }
}

/** Is a version there, current or not? */
export async function isStored(
  catalog: Catalog,
  bucketId: string,
  key: string,
  versionId: string,
): Promise<boolean> {
  // In this order: the current one may become another's predecessor in between.
  if ((await currentOf(catalog, bucketId, key))?.versionId === versionId) return true
  return (await catalog.get('versions', versionRowKey(bucketId, key, versionId))) !== null
}

/** `nameOf`: what a bucket is called, `null` when it is gone. */
export async function fsckVersions(
  catalog: Catalog,
  nameOf: (bucketId: string) => string | null,
): Promise<string[]> {
  const findings: string[] = []
  const name = (bucketId: string, key: string): string => `${nameOf(bucketId) ?? '?'}/${key}`

  for await (const { key } of rowsOf(catalog, 'markers')) {
    const bucketId = toHex(key.subarray(0, bucketIdBytes))
    const what = `${name(bucketId, fromUtf8(key.subarray(bucketIdBytes)))}: its delete marker`
    if (nameOf(bucketId) === null) findings.push(`${what}: the bucket is gone`)
    if ((await catalog.get('objects', key)) !== null) findings.push(`${what} is current, and so is an object`)
  }

  for await (const { key: rowKey, value } of rowsOf(catalog, 'versions')) {
    const { bucketId, key, versionId } = readVersionRowKey(rowKey)
    const row = decodeRow<VersionRow>(value)
    const what = `${name(bucketId, key)} (${versionId})`
    if (nameOf(bucketId) === null) findings.push(`${what}: its bucket is gone`)
    if (row.versionId !== versionId) findings.push(`${what}: its row is of version ${row.versionId}`)
    const current = await currentOf(catalog, bucketId, key)
    if (current === null) findings.push(`${what}: the key has no current version`)
    else if (current.versionId <= versionId) findings.push(`${what}: it is newer than the current version`)
    if (row.versioned !== undefined) continue
    const pointer = await catalog.get('nullversions', objectRowKey(bucketId, key))
    if (pointer === null || fromUtf8(pointer) !== versionId)
      findings.push(`${what}: it is a null version and not the key's`)
    if (current !== null && current.versioned === undefined)
      findings.push(`${what}: it is a null version, and so is the current one`)
  }

  for await (const { key: rowKey, value } of rowsOf(catalog, 'nullversions')) {
    const bucketId = toHex(rowKey.subarray(0, bucketIdBytes))
    const key = fromUtf8(rowKey.subarray(bucketIdBytes))
    if ((await catalog.get('versions', versionRowKey(bucketId, key, fromUtf8(value)))) === null)
      findings.push(`${name(bucketId, key)}: its null version ${fromUtf8(value)} is missing`)
  }
  return findings
}

async function currentOf(catalog: Catalog, bucketId: string, key: string): Promise<VersionRow | null> {
  const rowKey = objectRowKey(bucketId, key)
  const bytes = (await catalog.get('objects', rowKey)) ?? (await catalog.get('markers', rowKey))
  return bytes === null ? null : decodeRow<ObjectRow | MarkerRow>(bytes)
}
