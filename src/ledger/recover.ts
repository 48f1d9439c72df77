import { equalBytes, fromUtf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Catalog } from '../store/catalog.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import type { Checkpoint } from '../verify/checkpoint-text.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { emptyRoot } from '../verify/merkle.ts'
import { checkpointPath, tileWidth } from '../verify/tile-path.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { storedLeaves } from './stored-leaves.ts'
import { decodeTreeState, signedKey, stoppedKey, type TreeState, treeKey } from './tables.ts'
import { emptyEdge, type RightEdge, TileBuilder } from './tile-builder.ts'
import type { TileStore } from './tile-store.ts'
import { createTreeReader, readTile, rootOfLeaves } from './tree-reader.ts'

export interface LogStores {
  readonly catalog: Catalog
  readonly tiles: TileStore
  readonly log: LogKeys
  readonly crypto: VerifyCrypto
}

/** Where a log stands. `builder` is at the size of the catalog's tree. */
export interface LogState {
  readonly builder: TileBuilder
  /** The row `ledger/tree` as it is stored; `null` before the first entry. */
  tree: Uint8Array | null
  /** The last checkpoint that was signed, as a note; the row `ledger/signed`. */
  signed: string | null
  signedSize: number
  /** Whether tiles and checkpoint in the store are those of the catalog's tree. */
  published: boolean
}

/** How many leaves are rebuilt between two writes of tiles, so that memory stays bounded. */
const rebuildLeaves = 65_536

/**
 * Finds out where the log stands: at start-up, and after any failure whose outcome is unknown.
 *
 * It goes on only if the catalog's tree continues what was signed. A catalog that came back from a backup, or a disk
 * that lost an acknowledged commit, would otherwise make the region sign a second history: two checkpoints that
 * contradict each other, which anybody who holds both can prove. Then it stops with `store-damaged` and a person has
 * to decide.
 */
export async function recover(stores: LogStores): Promise<LogState> {
  const { catalog, tiles, crypto } = stores
  const stopped = await catalog.get('meta', stoppedKey)
  if (stopped !== null) throw damaged(fromUtf8(stopped))
  const tree = await catalog.get('meta', treeKey)
  const { size, root } = tree === null ? { size: 0, root: emptyRoot(crypto) } : decodeTreeState(tree)
  const signedRow = await catalog.get('meta', signedKey)
  const signedNote = signedRow === null ? null : fromUtf8(signedRow)
  const signed = signedNote === null ? null : ownCheckpoint(signedNote, 'signed', stores)
  const publishedRow = await tiles.read(checkpointPath)
  const publishedNote = publishedRow === null ? null : fromUtf8(publishedRow)
  const published = publishedNote === null ? null : ownCheckpoint(publishedNote, 'published', stores)

  if (signed !== null && signed.size > size) {
    throw damaged(`the catalog has ${size} entries and a checkpoint over ${signed.size} was signed`)
  }
  // What is published was recorded as signed before: more than that means that the catalog went back in time.
  if (published !== null && published.size > (signed?.size ?? -1)) {
    throw damaged(`a checkpoint over ${published.size} is published that the catalog knows nothing of`)
  }
  // Witnesses' lines may follow the log's own.
  const isSigned = signedNote !== null && publishedNote?.startsWith(signedNote) === true
  if (published !== null && !isSigned) await demandRoot(stores, published)

  const signedSize = signed?.size ?? 0
  const edge = await readEdge(stores, signedSize)
  let builder = new TileBuilder(crypto, edge ?? emptyEdge)
  const tilesHold = edge !== null && (signed === null || equalBytes(builder.root(), signed.root))
  if (!tilesHold) {
    // Tiles can be made again from the catalog, but only from one that has what was signed.
    if (signed !== null) await demandCatalogRoot(stores, signed)
    builder = new TileBuilder(crypto, emptyEdge)
    await rebuild(stores, builder, signedSize)
  }
  for await (const leaf of storedLeaves(catalog, signedSize, size)) builder.append(leaf)
  if (!equalBytes(builder.root(), root))
    throw damaged(`the entries do not have the root of the tree of ${size}`)

  const upToDate = tilesHold && signedSize === size && isSigned
  return { builder, tree, signed: signedNote, signedSize, published: upToDate }
}

function ownCheckpoint(note: string, which: string, { log, crypto }: LogStores): Checkpoint {
  const checkpoint = openCheckpoint(note, log, crypto)
  if (typeof checkpoint === 'string')
    throw damaged(`the ${which} checkpoint is not this log's: ${checkpoint}`)
  return checkpoint
}

async function demandRoot(stores: LogStores, { size, root }: TreeState): Promise<void> {
  try {
    if (equalBytes(await createTreeReader(stores.tiles, size, stores.crypto).root(), root)) return
  } catch {
    // Missing tiles: the catalog has the last word.
  }
  await demandCatalogRoot(stores, { size, root })
}

async function demandCatalogRoot({ catalog, crypto }: LogStores, { size, root }: TreeState): Promise<void> {
  const found = await rootOfLeaves(storedLeaves(catalog, 0, size), crypto)
  if (!equalBytes(found, root))
    throw damaged(`the catalog's first ${size} entries are not those that were signed`)
}

/** The right edge from the tiles of a published size; `null` where a tile is missing. */
async function readEdge({ catalog, tiles }: LogStores, size: number): Promise<RightEdge | null> {
  const upper: Uint8Array[] = []
  for (let level = 1; size >= tileWidth ** level; level++) {
    const hashes = Math.floor(size / tileWidth ** level)
    const width = hashes % tileWidth
    const bytes =
      width === 0 ? new Uint8Array(0) : await readTile(tiles, level, Math.floor(hashes / tileWidth), width)
    if (bytes === null) return null
    upper.push(bytes)
  }
  const leaves: Uint8Array[] = []
  for await (const leaf of storedLeaves(catalog, size - (size % tileWidth), size)) leaves.push(leaf)
  return { size, leaves, upper }
}

async function rebuild({ catalog, tiles }: LogStores, builder: TileBuilder, size: number): Promise<void> {
  for await (const leaf of storedLeaves(catalog, 0, size)) {
    builder.append(leaf)
    if (builder.size % rebuildLeaves === 0) await tiles.writeTiles(builder.takeFull())
  }
}

function damaged(reason: string): HoldfastError {
  return new HoldfastError('store-damaged', `the ledger stops and signs nothing more: ${reason}`)
}
