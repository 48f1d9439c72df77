import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { readU64be, toHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RegionId, TenantId } from '../core/ids.ts'
import { type Clock, isoTime } from '../core/time.ts'
import type { Catalog } from '../store/catalog.ts'
import { parseLeaf } from '../verify/leaf.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { type NoteSigner, printNote } from '../verify/note.ts'
import { printBlankRow, printEnd, printHeader, printRow, statementText } from '../verify/statement-format.ts'
import { subtreeEnd } from '../verify/subtrees.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { decodeDraft } from './draft-format.ts'
import { promiseWithinSeconds } from './promises.ts'
import { chooseCheckpoint, readPublished } from './published-log.ts'
import {
  chainHeadKey,
  chainRowKey,
  decodeChainHead,
  decodeEntryRow,
  type EntryRow,
  entryKey,
  erasedKey,
  isErased,
  payloadOf,
  saltOf,
} from './tables.ts'
import type { TileStore } from './tile-store.ts'
import { createTreeReader, type TreeReader } from './tree-reader.ts'

export interface StatementDeps {
  readonly catalog: Catalog
  readonly tiles: TileStore
  readonly region: RegionId
  readonly signer: NoteSigner
  readonly log: LogKeys
  readonly crypto: VerifyCrypto
  readonly clock: Clock
}

/** Sequence numbers: `first` included, `end` not; left out, from the first entry and to the last. */
export interface StatementRange {
  readonly first?: number
  readonly end?: number
}

const pageRows = 500
const maxLooks = 50
const lookEveryMs = 100

/**
 * The tenant's statement at the newest checkpoint, line by line, each with its newline (`docs/formats/statement.md`).
 * Holds one page of rows in memory. `not-found` before the log's first checkpoint, `bad-input` for a range that does
 * not lie in what is entered.
 */
export async function* statementLines(
  deps: StatementDeps,
  tenant: TenantId,
  range: StatementRange = {},
): AsyncGenerator<string> {
  const { catalog, crypto, region, signer, tiles } = deps
  await untilErasureShows(deps, tenant)
  await untilPromisesShow(deps)
  const lastIndex = await lastPublished(deps, tenant)
  const published = await chooseCheckpoint(deps, { lastIndex })
  if (published === null) throw new HoldfastError('not-found', 'the region has published no checkpoint yet')
  const entered = await countBelow(catalog, tenant, published.size)
  const { first = 0, end = entered } = range
  if (first > end || end > entered)
    throw new HoldfastError('bad-input', `entries ${first} to ${end} of ${entered} are no range`)
  const prev = toHex(await commitmentBefore(catalog, tenant, first))
  const count = end - first
  const time = isoTime(deps.clock())
  const reader = createTreeReader(tiles, published.size, crypto)
  const digest = createHash('sha256')
  const signed = (line: string): string => {
    digest.update(line)
    return line
  }

  yield signed(
    `${printHeader({ checkpoint: published.note, count, entered, first, prev, region, tenant, time })}\n`,
  )
  let at = 0
  let number = 0
  for await (const { index, ...entry } of tenantEntries(catalog, tenant, first, end)) {
    number++
    const hashes = await hashesBetween(reader, at, index)
    const row = isErased(entry)
      ? printBlankRow({ hashes, index, leaf: entry.leaf })
      : printRow({ hashes, index, payload: payloadOf(entry), salt: saltOf(entry) })
    yield signed(number === count ? `${row}\n` : `${row},\n`)
    at = index + 1
  }
  const rest = await hashesBetween(reader, at, published.size)
  const text = statementText(signer.name, digest.digest(), rest, crypto)
  yield `${printEnd({ rest, signature: printNote(text, signer, crypto) })}\n`
}

/**
 * A row is blank from the moment of its erasure on, and the entry that says so is published a little later. In between
 * a statement would show a blank row that nothing explains.
 */
async function untilErasureShows(
  { catalog, tiles, log, crypto }: StatementDeps,
  tenant: TenantId,
): Promise<void> {
  const id = await catalog.get('meta', erasedKey(tenant))
  if (id === null) return
  for (let looks = 0; looks < maxLooks; looks++) {
    const index = await catalog.get('entryids', id)
    const size = (await readPublished(tiles, log, crypto))?.size ?? 0
    if (index !== null && readU64be(index) < size) return
    await sleep(lookEveryMs)
  }
  throw new HoldfastError('conflict', 'an erasure is being entered; ask again in a moment')
}

/**
 * After a long standstill there are entries that were promised for a time that is over. A statement without them, dated
 * now, would show a promise broken that is about to be kept.
 */
async function untilPromisesShow({ catalog, tiles, log, crypto, clock }: StatementDeps): Promise<void> {
  for (let looks = 0; looks < maxLooks; looks++) {
    const size = (await readPublished(tiles, log, crypto))?.size ?? 0
    const entered = await catalog.get('entries', entryKey(size))
    const [draft] = await catalog.scan('drafts', { limit: 1 })
    const times = [
      entered === null ? null : (parseLeaf(decodeEntryRow(entered).leaf)?.timeUnixMs ?? null),
      draft === undefined ? null : decodeDraft(draft.value).timeUnixMs,
    ]
    const late = clock() - (promiseWithinSeconds * 1000) / 2
    if (times.every(time => time === null || time > late)) return
    await sleep(lookEveryMs)
  }
  throw new HoldfastError('conflict', 'entries that are due are still being entered; ask again in a moment')
}

async function commitmentBefore(catalog: Catalog, tenant: TenantId, seq: number): Promise<Uint8Array> {
  if (seq === 0) return new Uint8Array(32)
  for await (const { leaf } of tenantEntries(catalog, tenant, seq - 1, seq)) {
    const parsed = parseLeaf(leaf)
    if (parsed !== null) return parsed.commitment
  }
  throw gap(tenant, seq - 1)
}

/** The walk of the format, from leaf `at` to leaf `limit`: the largest subtrees in between. */
async function hashesBetween(reader: TreeReader, at: number, limit: number): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = []
  for (let start = at; start < limit; ) {
    const end = subtreeEnd(start, limit, reader.size)
    hashes.push(await reader.subtree({ start, end }))
    start = end
  }
  return hashes
}

/** The last leaf that a statement must cover: the tenant's own, and what a key before the one in use signed for. */
async function lastPublished(
  { catalog, tiles, log, crypto }: StatementDeps,
  tenant: TenantId,
): Promise<number> {
  const published = await readPublished(tiles, log, crypto)
  const count = published === null ? 0 : await countBelow(catalog, tenant, published.size)
  const row = count === 0 ? null : await catalog.get('chains', chainRowKey(tenant, count - 1))
  return Math.max(row === null ? -1 : readU64be(row), log.spans.at(-1)!.from - 1)
}

/** How many of the tenant's entries are in the first `size` leaves. Its leaf indices ascend, so halving finds it. */
async function countBelow(catalog: Catalog, tenant: TenantId, size: number): Promise<number> {
  const head = await catalog.get('chains', chainHeadKey(tenant))
  let low = 0
  let high = head === null ? 0 : decodeChainHead(head).count
  while (low < high) {
    // Most often all but the newest few are in.
    const middle = high - low > 16 ? (low + high) >>> 1 : high - 1
    const row = await catalog.get('chains', chainRowKey(tenant, middle))
    if (row === null) throw gap(tenant, middle)
    if (readU64be(row) < size) low = middle + 1
    else high = middle
  }
  return low
}

/** The tenant's entries from number `first` to before `end`, in their order. */
export async function* tenantEntries(
  catalog: Catalog,
  tenant: TenantId,
  first: number,
  end: number,
): AsyncGenerator<EntryRow & { readonly index: number }> {
  for (let seq = first; seq < end; ) {
    const from = chainRowKey(tenant, seq)
    const rows = await catalog.scan('chains', { from, to: chainRowKey(tenant, end), limit: pageRows })
    if (rows.length === 0) throw gap(tenant, seq)
    const entries = await Promise.all(
      rows.map(async ({ value }) => {
        const bytes = await catalog.get('entries', value)
        if (bytes === null) throw gap(tenant, seq)
        return { ...decodeEntryRow(bytes), index: readU64be(value) }
      }),
    )
    yield* entries
    seq += rows.length
  }
}

function gap(tenant: string, seq: number): HoldfastError {
  return new HoldfastError('store-damaged', `the chain of tenant ${tenant} has a gap at number ${seq}`)
}
