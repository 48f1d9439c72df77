/** A bucket's configurations: one document a kind, its hash in the bucket's own row. */
import { createHash } from 'node:crypto'
import { HoldfastError } from '../core/errors.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { BucketUse } from '../policy/operations.ts'
import type { Catalog, Put } from './catalog.ts'
import { type KnownBucket, sameBucket } from './objects.ts'
import {
  type BucketConfigRow,
  type BucketRow,
  bucketConfigRowKey,
  bucketRowKey,
  type ConfigKind,
  decodeRow,
  encodeRow,
} from './rows.ts'

/** The document of a kind; `null` when the bucket has none. A bucket that never had one costs no look-up. */
export async function findConfig(
  catalog: Catalog,
  bucket: BucketRow,
  kind: ConfigKind,
): Promise<string | null> {
  if (bucket.configs?.[kind] === undefined) return null
  const bytes = await catalog.get('bucketconfigs', bucketConfigRowKey(bucket.id, kind))
  return bytes === null ? null : decodeRow<BucketConfigRow>(bytes).body
}

/**
 * Remembers what documents of one kind parse to, by their hash. A document that changed has another hash, so what is
 * remembered is never stale; and equal documents of many buckets are parsed once.
 */
export function createConfigCache<Parsed>(
  kind: ConfigKind,
  parse: (body: string) => Parsed,
  capacity = 1000,
): (catalog: Catalog, bucket: BucketRow) => Promise<Parsed | null> {
  const known = new Map<string, Parsed>()
  return async (catalog, bucket) => {
    const hash = bucket.configs?.[kind]
    if (hash === undefined) return null
    const found = known.get(hash)
    if (found !== undefined) return found
    const body = await findConfig(catalog, bucket, kind)
    if (body === null) return null
    const parsed = parse(body)
    if (known.size >= capacity) known.clear()
    // Not under `hash`: the document may have been replaced since the bucket's row was read.
    known.set(sha256(body), parsed)
    return parsed
  }
}

export interface ConfigDocument {
  readonly kind: ConfigKind
  readonly body: string
}

/** Configurations that a bucket is made with: what its row says of them, and their own rows. */
export function firstConfigs(
  bucketId: string,
  documents: readonly ConfigDocument[],
): { readonly configs: Partial<Record<ConfigKind, string>>; readonly puts: Put[] } {
  return {
    configs: Object.fromEntries(documents.map(({ kind, body }) => [kind, sha256(body)])),
    puts: documents.map(({ kind, body }) => putConfig(bucketId, kind, body)),
  }
}

function putConfig(bucketId: string, kind: ConfigKind, body: string): Put {
  const row: BucketConfigRow = { v: 1, kind, body }
  return { table: 'bucketconfigs', key: bucketConfigRowKey(bucketId, kind), value: encodeRow(row) }
}

export interface ConfigChange {
  readonly kind: ConfigKind
  /** The new document; `null` takes the configuration away. */
  readonly body: string | null
  /** What else the bucket's row says because of it. Asked again after a lost race; throws to stop the change. */
  readonly row?: (row: BucketRow) => BucketRow
  readonly entry: (sha256: string | null) => Put
}

const maxRaces = 1000

/** Document, bucket row and entry in one transaction. False when the bucket is gone. */
export async function changeConfig(
  catalog: Catalog,
  _authorized: Authorized<BucketUse>,
  bucket: KnownBucket,
  { kind, body, row, entry }: ConfigChange,
): Promise<boolean> {
  const key = bucketConfigRowKey(bucket.row.id, kind)
  const hash = body === null ? null : sha256(body)
  let known: KnownBucket | null = bucket
  for (let race = 0; race < maxRaces && known !== null; race++) {
    const { [kind]: _before, ...others } = known.row.configs ?? {}
    const changed: BucketRow = {
      ...(row?.(known.row) ?? known.row),
      configs: hash === null ? others : { ...others, [kind]: hash },
    }
    const held = await catalog.commit({
      checks: [{ table: 'buckets', key: bucketRowKey(known.row.name), expected: known.bytes }],
      removes: body === null ? [{ table: 'bucketconfigs', key }] : [],
      puts: [
        ...(body === null ? [] : [putConfig(known.row.id, kind, body)]),
        { table: 'buckets', key: bucketRowKey(known.row.name), value: encodeRow(changed) },
        entry(hash),
      ],
    })
    if (held) return true
    known = await sameBucket(catalog, known)
  }
  if (known === null) return false
  throw new HoldfastError('conflict', 'too many writers change this bucket at once')
}

function sha256(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}
