/**
 * Makes again what follows from a ledger's entries: tiles, bundles, `entryids`, `chains`, `ledger/tree`. Entries and
 * whatever is signed are never touched; and nothing is made from entries that are not those that were signed.
 *
 * Crash points: each batch and each tile is right by itself and written only where it differs. Stopped anywhere and run
 * again, it goes on.
 */
import { equalBytes, fromUtf8, readU64be, toHex, u64be } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Catalog, Put, Remove } from '../store/catalog.ts'
import { rowsOf } from '../store/rows-of.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import { leafBytes, parseLeaf } from '../verify/leaf.ts'
import { decodeDraft } from './draft-format.ts'
import { type NamedEntry, readNamedEntries } from './named-entries.ts'
import { readPublished } from './published-log.ts'
import type { LogStores } from './recover.ts'
import { storedLeaves } from './stored-leaves.ts'
import {
  chainHeadKey,
  chainRowKey,
  decodeTreeState,
  encodeChainHead,
  encodeTreeState,
  entryIdKey,
  signedKey,
  treeKey,
} from './tables.ts'
import { emptyEdge, TileBuilder } from './tile-builder.ts'
import type { TileResource } from './tile-store.ts'

const batchRows = 1000
const tenantIdLength = 64

/**
 * What was done, in words; nothing where nothing was to be done. `store-damaged` when the entries are not those that
 * were signed, or are fewer than were entered: then only a backup helps. Nothing else may write meanwhile.
 */
export async function repairLedger(stores: LogStores): Promise<string[]> {
  const done: string[] = []
  const size = await demandEntries(stores)
  await repairTree(stores, size, done)
  await repairTiles(stores, done)
  const entries = await readNamedEntries(stores, size)
  await repairRows(stores.catalog, entries, done)
  await repairDrafts(stores.catalog, done)
  return done
}

/** How many entries there are, once it is sure that they are the right ones. */
async function demandEntries({ catalog, tiles, log, crypto }: LogStores): Promise<number> {
  let size = 0
  for await (const { key } of rowsOf(catalog, 'entries')) {
    if (readU64be(key) !== size) throw damaged(`entry ${size} is not in the catalog`)
    size++
  }
  const tree = await catalog.get('meta', treeKey)
  const claimed = tree?.length === 40 ? decodeTreeState(tree).size : 0
  if (claimed > size) throw damaged(`${claimed} were entered and ${size} are here`)
  const row = await catalog.get('meta', signedKey)
  const signed = row === null ? null : openCheckpoint(fromUtf8(row), log, crypto)
  if (typeof signed === 'string') throw damaged(`the signed checkpoint is not this log's: ${signed}`)
  const published = await readPublished(tiles, log, crypto)
  const wanted = [signed, published].filter(checkpoint => checkpoint !== null)
  await demandRoots({ catalog, crypto }, size, wanted)
  return size
}

async function demandRoots(
  { catalog, crypto }: Pick<LogStores, 'catalog' | 'crypto'>,
  size: number,
  wanted: readonly Checkpoint[],
): Promise<void> {
  const builder = new TileBuilder(crypto, emptyEdge)
  const check = (): void => {
    for (const checkpoint of wanted)
      if (checkpoint.size === builder.size && !equalBytes(checkpoint.root, builder.root()))
        throw damaged(`the first ${checkpoint.size} are not those that were signed`)
  }
  for (const checkpoint of wanted)
    if (checkpoint.size > size) throw damaged(`${checkpoint.size} were signed and ${size} are here`)
  check()
  for await (const leaf of storedLeaves(catalog, 0, size)) {
    builder.append(leaf)
    builder.takeFull()
    check()
  }
}

async function repairTree({ catalog, crypto }: LogStores, size: number, done: string[]): Promise<void> {
  const builder = new TileBuilder(crypto, emptyEdge)
  for await (const leaf of storedLeaves(catalog, 0, size)) {
    builder.append(leaf)
    builder.takeFull()
  }
  const before = await catalog.get('meta', treeKey)
  const value = encodeTreeState({ size, root: builder.root() })
  if ((size === 0 && before === null) || (before !== null && equalBytes(before, value))) return
  const checks = [{ table: 'meta' as const, key: treeKey, expected: before }]
  await commit(catalog, { checks, puts: [{ table: 'meta', key: treeKey, value }] })
  done.push(`ledger/tree: written again, for ${size} entries`)
}

/** Those of the published checkpoint: what is not published yet, the next start writes. */
async function repairTiles({ catalog, tiles, log, crypto }: LogStores, done: string[]): Promise<void> {
  const published = await readPublished(tiles, log, crypto)
  if (published === null) return
  const builder = new TileBuilder(crypto, emptyEdge)
  const renew = async (resource: TileResource, isPartial: boolean): Promise<void> => {
    const { path, bytes } = resource
    const found =
      (await tiles.read(path)) ?? (isPartial ? await tiles.read(path.replace(/\.p\/\d+$/, '')) : null)
    if (found !== null && equalBytes(isPartial ? found.subarray(0, bytes.length) : found, bytes)) return
    await tiles.writeTiles([resource])
    done.push(`${path}: written again, it was ${found === null ? 'missing' : 'damaged'}`)
  }
  for await (const leaf of storedLeaves(catalog, 0, published.size)) {
    builder.append(leaf)
    for (const resource of builder.takeFull()) await renew(resource, false)
  }
  for (const resource of builder.takePartials()) await renew(resource, true)
}

/** What leads to an entry, and nothing else. */
async function repairRows(catalog: Catalog, entries: readonly NamedEntry[], done: string[]): Promise<void> {
  const puts: Put[] = []
  const removes: Remove[] = []
  const ids = new Map<string, number>()
  const chains = new Map<string, Uint8Array>()
  for (const { index, id, tenant, seq, commitment } of entries) {
    if (id !== null) ids.set(id, index)
    chains.set(toHex(chainRowKey(tenant, seq)), u64be(index))
    chains.set(toHex(chainHeadKey(tenant)), encodeChainHead({ count: seq + 1, prev: commitment }))
  }
  for (const [id, index] of ids) {
    const key = entryIdKey(id)
    const found = await catalog.get('entryids', key)
    if (found !== null && equalBytes(found, u64be(index))) continue
    puts.push({ table: 'entryids', key, value: u64be(index) })
    done.push(`entryids: id ${id} leads to entry ${index} again`)
  }
  // Of an entry whose erasure is not entered yet the id is known from its row alone.
  const unnamed = new Set(entries.filter(({ id }) => id === null).map(({ index }) => index))
  for await (const { key, value } of rowsOf(catalog, 'entryids')) {
    const id = fromUtf8(key)
    if (ids.has(id) || (value.length === 8 && unnamed.has(readU64be(value)))) continue
    removes.push({ table: 'entryids', key })
    done.push(`entryids: id ${id} led to no entry and is gone`)
  }
  for (const [hex, value] of chains) {
    const key = Buffer.from(hex, 'hex')
    const found = await catalog.get('chains', key)
    if (found !== null && equalBytes(found, value)) continue
    puts.push({ table: 'chains', key, value })
    done.push(`chains: ${nameOf(key)} written again`)
  }
  for await (const { key } of rowsOf(catalog, 'chains')) {
    if (chains.has(toHex(key))) continue
    removes.push({ table: 'chains', key })
    done.push(`chains: ${nameOf(key)} led to no entry and is gone`)
  }
  for (let at = 0; at < puts.length; at += batchRows)
    await commit(catalog, { puts: puts.slice(at, at + batchRows) })
  for (let at = 0; at < removes.length; at += batchRows)
    await commit(catalog, { removes: removes.slice(at, at + batchRows) })
}

function nameOf(key: Uint8Array): string {
  const tenant = fromUtf8(key.subarray(0, tenantIdLength))
  return key.length === tenantIdLength
    ? `the head of tenant ${tenant}`
    : `number ${readU64be(key, tenantIdLength)} of tenant ${tenant}`
}

/** A draft that is an entry already would be entered twice. */
async function repairDrafts(catalog: Catalog, done: string[]): Promise<void> {
  const removes: Remove[] = []
  for await (const { key, value } of rowsOf(catalog, 'drafts')) {
    const { entryId, timeUnixMs } = decodeDraft(value)
    const at = await catalog.get('entryids', entryIdKey(entryId))
    const entry = at === null ? null : await catalog.get('entries', at)
    const leaf = entry === null ? null : parseLeaf(entry.subarray(0, leafBytes))
    if (leaf === null || leaf.timeUnixMs !== timeUnixMs) continue
    removes.push({ table: 'drafts', key })
    done.push(`drafts: ${entryId} is entered and no longer a draft`)
  }
  if (removes.length > 0) await commit(catalog, { removes })
}

async function commit(catalog: Catalog, batch: Parameters<Catalog['commit']>[0]): Promise<void> {
  if (!(await catalog.commit(batch)))
    throw new HoldfastError('conflict', 'somebody else writes this ledger; stop the server first')
}

function damaged(reason: string): HoldfastError {
  return new HoldfastError(
    'store-damaged',
    `the entries cannot be built on, and nothing was repaired: ${reason}`,
  )
}
