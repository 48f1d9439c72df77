/** Are old entries still what they were? A bundle read again, with the tiles that lead from it to the verified root. */
import { equalBytes } from '../../core/bytes.ts'
import { HoldfastError } from '../../core/errors.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { createTreeReader, readTile } from '../../ledger/tree-reader.ts'
import { inclusionHolds, leafHash, nodeHash } from '../../verify/merkle.ts'
import { inclusionRanges } from '../../verify/subtrees.ts'
import { tilePath, tileWidth, tileWidthAt } from '../../verify/tile-path.ts'
import type { Tree } from './compare-trees.ts'
import type { Finding } from './finding.ts'
import type { LogSource } from './log-source.ts'
import { parseBundle } from './monitor-state.ts'

/** What is wrong with full bundle `index` of a tree that was verified, or `null`. */
export async function sampleFault(tree: Tree, index: number, source: LogSource): Promise<Finding | null> {
  const path = tilePath('entries', index, tileWidth)
  const bundle = await source.read(path)
  const tile = await readTile(source, 0, index, tileWidth)
  if (bundle === null || tile === null)
    return { kind: 'resource-missing', what: `${path}, or its tile, was there and is not any more` }
  // The proof of one entry of a full tile goes through every hash of the tile.
  const at = index * tileWidth
  try {
    const reader = createTreeReader(source, tree.size, crypto)
    const proof = await reader.proof(inclusionRanges(at, tree.size))
    if (!inclusionHolds({ ...tree, index: at, leafHash: tile.subarray(0, 32), proof }, crypto))
      return { kind: 'tile-changed', what: `tiles above ${path} are not what they were` }
    // Its own hash in the tile above is on no path that leads from it.
    const above = Math.floor(index / tileWidth)
    const width = tileWidthAt(1, above, tree.size)
    const parent = await readTile(source, 1, above, width)
    const left = new Uint8Array(await reader.subtree({ start: at, end: at + tileWidth / 2 }))
    const right = await reader.subtree({ start: at + tileWidth / 2, end: at + tileWidth })
    const node = nodeHash(left, right, crypto)
    const place = (index % tileWidth) * 32
    if (parent === null || !equalBytes(parent.subarray(place, place + 32), node))
      return { kind: 'tile-changed', what: `${tilePath(1, above, width)} is not what it was` }
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'store-damaged') throw error
    return { kind: 'resource-missing', what: `above ${path}: ${error.message}` }
  }
  const hashes = parseBundle(bundle)?.map(entry => leafHash(entry, crypto)) ?? []
  return equalBytes(Buffer.concat(hashes), tile)
    ? null
    : { kind: 'entry-changed', what: `${path} is not what it was when it was read before` }
}
