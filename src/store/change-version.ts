/** Changes what is said of a version; its content, its ids and its place among the versions stay. */
import { HoldfastError } from '../core/errors.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { ObjectWrite } from '../policy/operations.ts'
import type { Catalog, Check, Put } from './catalog.ts'
import { currentChecks, findVersion, readCurrent } from './key-versions.ts'
import type { KnownBucket } from './objects.ts'
import { encodeRow, isMarker, type MarkerRow, type ObjectRow, objectRowKey } from './rows.ts'
import { versionRowKey } from './version-keys.ts'

export interface VersionChange {
  readonly bucket: KnownBucket
  readonly key: string
  /** As clients know it; `null`: the current one. */
  readonly versionId: string | null
  /** Asked again after a lost race; throws to stop the change. */
  readonly change: (row: ObjectRow) => ObjectRow
  readonly entry: (row: ObjectRow) => Put
  readonly events?: (row: ObjectRow) => readonly Put[]
}

const maxRaces = 1000

/** The row as it is now. A delete marker is given back as it is, and `null` where there is no such version. */
export async function changeVersion(
  catalog: Catalog,
  _authorized: Authorized<ObjectWrite>,
  { bucket, key, versionId, change, entry, events }: VersionChange,
): Promise<ObjectRow | MarkerRow | null> {
  for (let race = 0; race < maxRaces; race++) {
    const found =
      versionId === null
        ? await readCurrent(catalog, bucket.row, key)
        : await findVersion(catalog, bucket.row, key, versionId)
    if (found === null || isMarker(found.row)) return found?.row ?? null
    const isCurrent = !('isCurrent' in found) || found.isCurrent
    const changed = change(found.row)
    const value = encodeRow(changed)
    const noncurrent = versionRowKey(bucket.row.id, key, found.row.versionId)
    const checks: Check[] = isCurrent
      ? currentChecks(bucket.row, key, found)
      : [{ table: 'versions', key: noncurrent, expected: found.bytes }]
    const put: Put = isCurrent
      ? { table: 'objects', key: objectRowKey(bucket.row.id, key), value }
      : { table: 'versions', key: noncurrent, value }
    if (await catalog.commit({ checks, puts: [put, entry(changed), ...(events?.(changed) ?? [])] }))
      return changed
  }
  throw new HoldfastError('conflict', 'too many writers change this version at once')
}
