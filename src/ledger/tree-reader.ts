import { HoldfastError } from '../core/errors.ts'
import { emptyRoot, leafHash } from '../verify/merkle.ts'
import { type LeafRange, splitPoint } from '../verify/subtrees.ts'
import { tilePath, tileWidth, tileWidthAt } from '../verify/tile-path.ts'
import { TreeFold } from '../verify/tree-fold.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import type { TileStore } from './tile-store.ts'

type Sha256 = Pick<VerifyCrypto, 'sha256'>

const hashBytes = 32
/** A walk from left to right needs one tile a level; a few more serve proofs near each other. */
const cachedTiles = 32

/**
 * The hashes of a published tree, from its tiles. Rejects with `store-damaged` where a tile is missing.
 */
export interface TreeReader {
  readonly size: number
  root(): Promise<Uint8Array>
  /** The hash of a subtree of this tree, as `verify/subtrees.ts` names them. */
  subtree(range: LeafRange): Promise<Uint8Array>
  /** Those of a proof, in its order; their tiles are read at the same time. */
  proof(ranges: readonly LeafRange[]): Promise<Uint8Array[]>
}

export function createTreeReader(tiles: Pick<TileStore, 'read'>, size: number, crypto: Sha256): TreeReader {
  const cache = new Map<string, Promise<Uint8Array>>()

  const tile = (level: number, index: number): Promise<Uint8Array> => {
    const width = tileWidthAt(level, index, size)
    const path = tilePath(level, index, width)
    const cached = cache.get(path)
    if (cached !== undefined) return cached
    const reading = readTile(tiles, level, index, width).then(bytes => {
      if (bytes === null) throw new HoldfastError('store-damaged', `tile ${path} is missing`)
      return bytes
    })
    if (cache.size >= cachedTiles) cache.delete(cache.keys().next().value!)
    cache.set(path, reading)
    // Whoever asks next tries anew.
    reading.catch(() => cache.delete(path))
    return reading
  }

  const subtree = async ({ start, end }: LeafRange): Promise<Uint8Array> => {
    const width = end - start
    let level = 0
    let unit = 1
    while (unit * tileWidth <= width) {
      unit *= tileWidth
      level++
    }
    if (width % unit !== 0 || !isPowerOfTwo(width / unit)) {
      // The ragged right edge: its left side is full, its right side ragged or not.
      const middle = start + splitPoint(width)
      const sides = [subtree({ start, end: middle }), subtree({ start: middle, end })] as const
      const [left, right] = await Promise.all(sides)
      const fold = new TreeFold(crypto)
      fold.push(left, middle - start)
      fold.push(right, end - middle)
      return fold.root()!
    }
    const first = start / unit
    const index = Math.floor(first / tileWidth)
    const bytes = await tile(level, index)
    const fold = new TreeFold(crypto)
    for (let at = first - index * tileWidth, left = width / unit; left > 0; at++, left--) {
      fold.push(bytes.subarray(at * hashBytes, (at + 1) * hashBytes))
    }
    return fold.root()!
  }

  return {
    size,
    subtree,
    proof: ranges => Promise.all(ranges.map(subtree)),
    root: () => (size === 0 ? Promise.resolve(emptyRoot(crypto)) : subtree({ start: 0, end: size })),
  }
}

/** Where the partial tile was dropped, the full one has the same hashes in front. `null` when there is neither. */
export async function readTile(
  tiles: Pick<TileStore, 'read'>,
  level: number,
  index: number,
  width: number,
): Promise<Uint8Array | null> {
  const bytes =
    (await tiles.read(tilePath(level, index, width))) ?? (await tiles.read(tilePath(level, index, tileWidth)))
  return bytes !== null && bytes.length >= width * hashBytes ? bytes.subarray(0, width * hashBytes) : null
}

/** The root over leaves that come in order from anywhere but the tiles. */
export async function rootOfLeaves(leaves: AsyncIterable<Uint8Array>, crypto: Sha256): Promise<Uint8Array> {
  const fold = new TreeFold(crypto)
  for await (const leaf of leaves) fold.push(leafHash(leaf, crypto))
  return fold.root() ?? emptyRoot(crypto)
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value
}
