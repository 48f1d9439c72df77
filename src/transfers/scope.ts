/** Walks what an instruction covers: keys ascending as bytes, the versions of a key from the oldest to the newest. */
import { concat, utf8 } from '../core/bytes.ts'
import { ciphertextSha256, readManifest } from '../crypto/manifest.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import { type Catalog, prefixEnd, type Row, type Table } from '../store/catalog.ts'
import { contentOf } from '../store/content.ts'
import { originIdOf } from '../store/key-versions.ts'
import { type BucketRow, bucketPrefix, decodeRow, isMarker, type VersionRow } from '../store/rows.ts'
import { versionRowKey, versionsPrefix } from '../store/version-keys.ts'
import { rowDigest, type SentRow, type TransferItem } from './protocol.ts'

/** The last version that was walked over. */
export interface Cursor {
  readonly key: string
  readonly versionId: string
}

export interface ScopedVersion {
  readonly key: string
  readonly row: VersionRow
}

export type Scope = Pick<TransferInstruction, 'prefix' | 'versions'>

const pageRows = 1000

export async function* versionsInScope(
  catalog: Catalog,
  bucket: BucketRow,
  { prefix, versions }: Scope,
  after: Cursor | null = null,
): AsyncGenerator<ScopedVersion, void> {
  const all = versions === 'all' && bucket.versioning !== undefined
  const from = after?.key ?? prefix
  for await (const { key, row } of currentVersions(catalog, bucket, prefix, from, all)) {
    const seen = after?.key === key ? after.versionId : null
    // Of a key whose version has gone, one that came since does not go as well.
    if (!all && seen !== null) continue
    if (all) yield* olderVersions(catalog, bucket.id, key, row.versionId, seen)
    if (seen === null || row.versionId > seen) yield { key, row }
  }
}

/** Keys from `from` on. A key that has delete markers on top comes with them only where they are wanted. */
async function* currentVersions(
  catalog: Catalog,
  { id }: BucketRow,
  prefix: string,
  from: string,
  withMarkers: boolean,
): AsyncGenerator<ScopedVersion, void> {
  const base = bucketPrefix(id)
  const keyOf = ({ key }: Row): string => Buffer.from(key.subarray(base.length)).toString('utf8')
  const objects = rowsFrom(catalog, 'objects', concat(base, utf8(from)), concat(base, utf8(prefix)))
  const markers = withMarkers
    ? rowsFrom(catalog, 'markers', concat(base, utf8(from)), concat(base, utf8(prefix)))
    : null
  let object = await objects.next()
  let marker = markers === null ? null : await markers.next()
  while (object !== null || marker !== null) {
    const order = object === null ? 1 : marker === null ? -1 : Buffer.compare(object.key, marker.key)
    const row = order <= 0 ? object! : marker!
    yield { key: keyOf(row), row: decodeRow<VersionRow>(row.value) }
    // One key in both: it changed between the two pages, and is taken once.
    if (order <= 0) object = await objects.next()
    if (order >= 0 && markers !== null) marker = await markers.next()
  }
}

/** Noncurrent versions below the current one, oldest first, behind `seen`. */
async function* olderVersions(
  catalog: Catalog,
  bucketId: string,
  key: string,
  current: string,
  seen: string | null,
): AsyncGenerator<ScopedVersion, void> {
  const from = versionsPrefix(bucketId, key)
  let to = seen === null ? prefixEnd(from)! : versionRowKey(bucketId, key, seen)
  for (;;) {
    const rows = await catalog.scan('versions', { from, to, limit: pageRows, reverse: true })
    for (const { value } of rows) {
      const row = decodeRow<VersionRow>(value)
      // It became noncurrent after its key was read, or came later still.
      if (row.versionId >= current) return
      yield { key, row }
    }
    if (rows.length < pageRows) return
    to = rows.at(-1)!.key
  }
}

function rowsFrom(
  catalog: Catalog,
  table: Table,
  start: Uint8Array,
  prefix: Uint8Array,
): { next(): Promise<Row | null> } {
  const to = prefixEnd(prefix)
  let from: Uint8Array | null = start
  let rows: Row[] = []
  let at = 0
  return {
    async next() {
      if (at >= rows.length) {
        if (from === null) return null
        rows = await catalog.scan(table, { from, ...(to && { to }), limit: pageRows })
        // A catalog in this process answers at once: others must have their turn during a long walk.
        await new Promise(resolve => setImmediate(resolve))
        from = rows.length < pageRows ? null : concat(rows.at(-1)!.key, new Uint8Array([0]))
        at = 0
      }
      return rows[at++] ?? null
    },
  }
}

/** What departs of a version; `null` when it was replaced since its row was read. */
export async function itemOf(
  catalog: Catalog,
  bucketId: string,
  { key, row }: ScopedVersion,
): Promise<TransferItem | null> {
  const originId = originIdOf(bucketId, key, row)
  if (isMarker(row)) {
    const nothing = sha256Hex('')
    return {
      ...{ ciphertextBytes: 0, ciphertextSha256: nothing, key, manifestSha256: nothing, originId },
      rowSha256: rowDigest(sentRow(bucketId, key, row, null)),
    }
  }
  const content = await contentOf(catalog, row)
  if (content === null) return null
  return {
    ciphertextBytes: row.ciphertextBytes,
    ciphertextSha256: ciphertextSha256(readManifest(content.manifest).parts),
    key,
    manifestSha256: sha256Hex(content.manifest),
    originId,
    rowSha256: rowDigest(sentRow(bucketId, key, row, content.partChecksums)),
  }
}

/** Of a version, what the destination keeps as it is; version id and places are its own. */
export function sentRow(
  bucketId: string,
  key: string,
  row: VersionRow,
  partChecksums: readonly string[] | null,
): SentRow {
  const { modifiedUnixMs } = row
  if (isMarker(row)) return { marker: true, modifiedUnixMs, originId: originIdOf(bucketId, key, row) }
  const { acl, bucketKeyId, checksum, ciphertextBytes, encryption, etag, headers, legalHold, metadata } = row
  const { originId, owner, partCount, retention, sizeBytes, tags, wrappedDataKey } = row
  // In canonical order: it is hashed.
  return {
    ...(acl && { acl }),
    bucketKeyId,
    checksum: checksum && { algorithm: checksum.algorithm, type: checksum.type, value: checksum.value },
    ciphertextBytes,
    ...(encryption && { encryption }),
    ...{ etag, headers },
    ...(legalHold && { legalHold }),
    ...{ metadata, modifiedUnixMs, originId },
    ...(owner && { owner }),
    ...(partChecksums && { partChecksums: [...partChecksums] }),
    partCount,
    ...(retention && { retention }),
    sizeBytes,
    ...(tags && { tags }),
    wrappedDataKey,
  }
}
