/**
 * The port to a region's metadata: ordered tables of bytes, changed by atomic batches.
 *
 * Contract, which `test/contract/catalog.ts` holds every adapter to:
 * - `commit` MUST be atomic, and MUST NOT resolve to true before the batch is on stable storage. A batch whose
 *   checks do not hold changes nothing and resolves to false.
 * - Batches take effect in the order in which `commit` was called. A check sees every batch before its own.
 * - `commit` that rejects leaves it open whether the batch took effect: the caller MUST treat it as unknown.
 * - `get` and `scan` MUST NOT show what is not durable yet (an answer could otherwise leave before its entry).
 * - `scan` returns keys in memcmp order, each page from one snapshot.
 * - Keys are 1 to 1,900 bytes, values up to 16 MiB.
 */
export interface Catalog extends AsyncDisposable {
  get(table: Table, key: Uint8Array): Promise<Uint8Array | null>
  scan(table: Table, range: ScanRange): Promise<Row[]>
  commit(batch: CatalogBatch): Promise<boolean>
}

/** Every table of a region; `docs/formats/catalog.md` says what its keys and values are. */
export const tables = [
  'meta',
  'tenants',
  'accesskeys',
  'apitokens',
  'buckets',
  'bucketconfigs',
  'bucketkeys',
  'objects',
  'smallblobs',
  'manifests',
  'uploads',
  'parts',
  'blobs',
  'trash',
  'drafts',
  'entries',
  'entryids',
  'chains',
  'instructions',
  'verdicts',
  'transfers',
  'batches',
] as const
export type Table = (typeof tables)[number]

export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface ScanRange {
  /** Inclusive lower bound; left out, from the first key. */
  readonly from?: Uint8Array
  /** Exclusive upper bound; left out, to the last key. */
  readonly to?: Uint8Array
  readonly limit: number
  /** From the last key below `to` downwards. */
  readonly reverse?: boolean
}

export interface CatalogBatch {
  readonly checks?: readonly Check[]
  readonly puts?: readonly Put[]
  readonly removes?: readonly Remove[]
}

export interface Put {
  readonly table: Table
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface Remove {
  readonly table: Table
  readonly key: Uint8Array
}

/**
 * `expected` is the exact value the row must have, or `null` where there must be no row; `emptyPrefix` says that no
 * key may start so.
 */
export type Check = RowCheck | PrefixCheck

export interface RowCheck {
  readonly table: Table
  readonly key: Uint8Array
  readonly expected: Uint8Array | null
}

export interface PrefixCheck {
  readonly table: Table
  readonly emptyPrefix: Uint8Array
}

/** The smallest key above every key that starts with `prefix`; `null` when there is none (all bytes 0xff). */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return null
  // Not `slice`: of a Buffer that is a view, and the prefix itself would be counted up.
  const end = new Uint8Array(prefix.subarray(0, length))
  end[length - 1]!++
  return end
}
