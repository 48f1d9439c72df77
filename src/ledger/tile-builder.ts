import { concat, u16be } from '../core/bytes.ts'
import { emptyRoot, leafHash } from '../verify/merkle.ts'
import { tilePath, tileWidth } from '../verify/tile-path.ts'
import { TreeFold } from '../verify/tree-fold.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import type { TileResource } from './tile-store.ts'

type Sha256 = Pick<VerifyCrypto, 'sha256'>

const hashBytes = 32
/** A subtree of 256^n leaves is one hash in a tile at level n; 256^6 is past any size here. */
const levelOfWidth = new Map([1, 2, 3, 4, 5, 6].map(level => [tileWidth ** level, level]))

/** The unfinished tile at the right edge of one level. */
interface EdgeTile {
  index: number
  count: number
  bytes: Uint8Array
  /** Hashes of it that are already in a partial tile in the store. */
  stored: number
  /** Whether the store may have partial tiles of it. */
  partials: boolean
}

/** What is on the right edge of a tree of some size: enough to go on from there. */
export interface RightEdge {
  readonly size: number
  /** The leaves since the last full bundle. */
  readonly leaves: readonly Uint8Array[]
  /** From level 1: the hashes in each level's unfinished tile, one after the other. */
  readonly upper: readonly Uint8Array[]
}

export const emptyEdge: RightEdge = { size: 0, leaves: [], upper: [] }

/**
 * Turns leaves into tiles and entry bundles (C2SP `tlog-tiles`). Full ones are handed out once, when they fill;
 * partial ones for the size at which they are asked for. Keeps one tile a level in memory.
 */
export class TileBuilder {
  readonly #crypto: Sha256
  readonly #fold: TreeFold
  readonly #levels: EdgeTile[] = []
  #bundle: Uint8Array[] = []
  #full: TileResource[] = []
  #outgrown: string[] = []
  readonly #joined = (hash: Uint8Array, width: number): void => {
    const level = levelOfWidth.get(width)
    if (level !== undefined) this.#add(level, hash)
  }

  constructor(crypto: Sha256, edge: RightEdge) {
    this.#crypto = crypto
    this.#fold = new TreeFold(crypto)
    for (const [at, bytes] of [...edge.upper.entries()].reverse()) {
      const level = at + 1
      const count = bytes.length / hashBytes
      const tile = this.#tile(level)
      tile.index = Math.floor(edge.size / tileWidth ** (level + 1))
      tile.bytes.set(bytes)
      tile.count = tile.stored = count
      tile.partials = true
      for (let i = 0; i < count; i++) {
        this.#fold.push(bytes.slice(i * hashBytes, (i + 1) * hashBytes), tileWidth ** level)
      }
    }
    const bottom = this.#tile(0)
    bottom.index = Math.floor(edge.size / tileWidth)
    bottom.partials = true
    for (const leaf of edge.leaves) this.append(leaf)
  }

  get size(): number {
    return this.#fold.size
  }

  root(): Uint8Array {
    return this.#fold.root() ?? emptyRoot(this.#crypto)
  }

  /** What a builder needs to go on from here. */
  edge(): RightEdge {
    const upper = this.#levels.slice(1).map(({ bytes, count }) => bytes.slice(0, count * hashBytes))
    return { size: this.size, leaves: [...this.#bundle], upper }
  }

  append(leaf: Uint8Array): void {
    const hash = leafHash(leaf, this.#crypto)
    this.#bundle.push(leaf)
    this.#add(0, hash)
    this.#fold.push(hash, 1, this.#joined)
  }

  /** Full tiles and bundles since the last call. They are the same at every later size. */
  takeFull(): TileResource[] {
    const full = this.#full
    this.#full = []
    return full
  }

  /** The partial tiles and bundle that a checkpoint of the present size needs and that were not taken before. */
  takePartials(): TileResource[] {
    const partials: TileResource[] = []
    for (const [level, tile] of this.#levels.entries()) {
      if (tile.count === tile.stored) continue
      const bytes = tile.bytes.slice(0, tile.count * hashBytes)
      partials.push({ path: tilePath(level, tile.index, tile.count), bytes })
      if (level === 0) {
        partials.push({ path: tilePath('entries', tile.index, tile.count), bytes: bundleOf(this.#bundle) })
      }
      tile.stored = tile.count
      tile.partials = true
    }
    return partials
  }

  /** Full resources, since the last call, of which partial forms may be in the store. */
  takeOutgrown(): string[] {
    const outgrown = this.#outgrown
    this.#outgrown = []
    return outgrown
  }

  #tile(level: number): EdgeTile {
    while (this.#levels.length <= level) this.#levels.push(newEdgeTile())
    return this.#levels[level]!
  }

  #add(level: number, hash: Uint8Array): void {
    const tile = this.#tile(level)
    tile.bytes.set(hash, tile.count * hashBytes)
    tile.count++
    if (tile.count < tileWidth) return
    const paths = [tilePath(level, tile.index, tileWidth)]
    this.#full.push({ path: paths[0]!, bytes: tile.bytes })
    if (level === 0) {
      paths.push(tilePath('entries', tile.index, tileWidth))
      this.#full.push({ path: paths[1]!, bytes: bundleOf(this.#bundle) })
      this.#bundle = []
    }
    if (tile.partials) this.#outgrown.push(...paths)
    this.#levels[level] = { ...newEdgeTile(), index: tile.index + 1 }
  }
}

function newEdgeTile(): EdgeTile {
  return { index: 0, count: 0, stored: 0, partials: false, bytes: new Uint8Array(tileWidth * hashBytes) }
}

function bundleOf(leaves: readonly Uint8Array[]): Uint8Array {
  return concat(...leaves.flatMap(leaf => [u16be(leaf.length), leaf]))
}
