import { HoldfastError } from '../core/errors.ts'

/**
 * The port to a region's metadata: ordered tables of bytes, changed by atomic batches.
 *
 * Contract, which `test/contract/catalog.ts` holds every adapter to:
 * - `commit` MUST be atomic, and MUST NOT resolve to true before the batch is on stable storage. A batch whose
 *   checks do not hold changes nothing and resolves to false.
 * - Batches of one process take effect in the order in which `commit` was called. A check sees every batch before its
 *   own, those of other processes on the same catalog included.
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
  'accounts',
  'iam',
  'sessions',
  'apitokens',
  'buckets',
  'bucketconfigs',
  'lifecycle',
  'webhooks',
  'events',
  'bucketkeys',
  'objects',
  'markers',
  'versions',
  'nullversions',
  'smallblobs',
  'manifests',
  'uploads',
  'parts',
  'blobs',
  'packed',
  'segments',
  'usage',
  'trash',
  'drafts',
  'entries',
  'entryids',
  'chains',
  'approvers',
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
  readonly removes?: readonly Remove[]
  readonly puts?: readonly Put[]
  readonly adds?: readonly Add[]
}

/**
 * In place of a key: the number after the table's last one, as 8 bytes, big endian (0 in an empty table), given when
 * the batch takes effect. So the order of such rows is the order of commits, whichever process made them.
 */
export const next = Symbol('next')

export interface Put {
  readonly table: Table
  readonly key: Uint8Array | typeof next
  readonly value: Uint8Array
  /** The batch does not hold when there is a row there: a check that travels with what needs it. */
  readonly unless?: { readonly table: Table; readonly key: Uint8Array }
}

/**
 * Adds to the counters of a row, a JSON array of integers; a missing row counts as zeros. A batch that would take a
 * counter above its `atMost` does not hold. Counters are added to and never checked against an expected value, so
 * that writers who share one do not race.
 */
export interface Add {
  readonly table: Table
  readonly key: Uint8Array
  readonly amounts: readonly number[]
  readonly atMost?: readonly (number | null)[]
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

export function decodeCounters(value: Uint8Array | null): readonly number[] {
  return value === null ? [] : (JSON.parse(Buffer.from(value).toString('latin1')) as number[])
}

/** The row after the addition; `null` when it would exceed a limit. */
export function addCounters(before: readonly number[], { amounts, atMost }: Add): readonly number[] | null {
  const after: number[] = []
  for (let i = 0; i < Math.max(before.length, amounts.length); i++) {
    const amount = amounts[i] ?? 0
    const value = (before[i] ?? 0) + amount
    const limit = atMost?.[i] ?? null
    // What only shrinks is let through above a limit too: a quota that was lowered must not forbid deleting.
    if (limit !== null && amount > 0 && value > limit) return null
    after.push(value)
  }
  return after
}

export function encodeCounters(counters: readonly number[]): Uint8Array {
  return Buffer.from(JSON.stringify(counters), 'latin1')
}

const maxKeyBytes = 1900
const maxValueBytes = 16 << 20

/** For adapters, before a batch touches anything: what does not fit must not fail in its middle. */
export function demandSizes({ checks, removes, puts, adds }: CatalogBatch): void {
  for (const { table, key, value, unless } of puts ?? []) {
    demandSize(table, key, value.length)
    if (unless !== undefined) demandSize(unless.table, unless.key, 0)
  }
  for (const { table, key } of adds ?? []) demandSize(table, key, 0)
  for (const { table, key } of removes ?? []) demandSize(table, key, 0)
  for (const check of checks ?? [])
    if ('key' in check) demandSize(check.table, check.key, check.expected?.length ?? 0)
}

function demandSize(table: Table, key: Put['key'], valueBytes: number): void {
  if (key !== next && (key.length === 0 || key.length > maxKeyBytes))
    throw new HoldfastError('bad-input', `a key of ${key.length} bytes does not fit table ${table}`)
  if (valueBytes > maxValueBytes)
    throw new HoldfastError('bad-input', `a value of ${valueBytes} bytes does not fit table ${table}`)
}
