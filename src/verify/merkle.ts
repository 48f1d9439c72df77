import { equalBytes } from '../core/bytes.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

type Sha256 = Pick<VerifyCrypto, 'sha256'>

const hashBytes = 32
/** One block for all nodes: allocating 65 bytes a node costs as much as hashing them, and `sha256` keeps nothing. */
const nodeBlock = new Uint8Array(1 + 2 * hashBytes)
nodeBlock[0] = 1

/** RFC 6962 section 2.1. The prefixes keep a node from being shown as a leaf, or a leaf as a node. */
export function leafHash(leaf: Uint8Array, crypto: Sha256): Uint8Array {
  const block = new Uint8Array(1 + leaf.length)
  block.set(leaf, 1)
  return crypto.sha256(block)
}

/** Both are hashes of 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array, crypto: Sha256): Uint8Array {
  nodeBlock.set(left, 1)
  nodeBlock.set(right, 1 + hashBytes)
  return crypto.sha256(nodeBlock)
}

export function emptyRoot(crypto: Sha256): Uint8Array {
  return crypto.sha256(new Uint8Array(0))
}

export interface InclusionClaim {
  readonly index: number | bigint
  readonly size: number | bigint
  readonly leafHash: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
}

export function inclusionHolds(claim: InclusionClaim, crypto: Sha256): boolean {
  const root = rootOfProof(claim, crypto)
  return root !== null && equalBytes(root, claim.root)
}

/**
 * The root that a proof leads to, by the algorithm of RFC 9162 section 2.1.3.2; `null` for a proof with a hash too
 * many or too few.
 */
export function rootOfProof(claim: Omit<InclusionClaim, 'root'>, crypto: Sha256): Uint8Array | null {
  let position = BigInt(claim.index)
  let last = BigInt(claim.size) - 1n
  if (position < 0n || position > last) return null
  if (claim.leafHash.length !== 32) return null
  let root = claim.leafHash
  for (const sibling of claim.proof) {
    if (last === 0n || sibling.length !== 32) return null
    if (odd(position) || position === last) {
      root = nodeHash(sibling, root, crypto)
      // On the right edge a node without a sibling rises as it is.
      while (!odd(position) && position !== 0n) {
        position >>= 1n
        last >>= 1n
      }
    } else {
      root = nodeHash(root, sibling, crypto)
    }
    position >>= 1n
    last >>= 1n
  }
  return last === 0n ? root : null
}

export interface ConsistencyClaim {
  readonly oldSize: number | bigint
  readonly newSize: number | bigint
  readonly oldRoot: Uint8Array
  readonly newRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/**
 * The algorithm of RFC 9162 section 2.1.4.2: does the new tree start with all of the old one, unchanged?
 * Every tree starts with the empty one, so a proof of that says nothing and is refused.
 */
export function consistencyHolds(claim: ConsistencyClaim, crypto: Sha256): boolean {
  const oldSize = BigInt(claim.oldSize)
  const newSize = BigInt(claim.newSize)
  if (oldSize < 1n || oldSize > newSize) return false
  if (oldSize === newSize) return claim.proof.length === 0 && equalBytes(claim.oldRoot, claim.newRoot)

  // A full old tree is itself the first hash of the proof, and left out of it.
  const path = isPowerOfTwo(oldSize) ? [claim.oldRoot, ...claim.proof] : claim.proof
  const [first, ...others] = path
  if (first === undefined || path.some(hash => hash.length !== 32)) return false

  let position = oldSize - 1n
  let last = newSize - 1n
  while (odd(position)) {
    position >>= 1n
    last >>= 1n
  }
  let oldRoot = first
  let newRoot = first
  for (const sibling of others) {
    if (last === 0n) return false
    if (odd(position) || position === last) {
      oldRoot = nodeHash(sibling, oldRoot, crypto)
      newRoot = nodeHash(sibling, newRoot, crypto)
      while (!odd(position) && position !== 0n) {
        position >>= 1n
        last >>= 1n
      }
    } else {
      newRoot = nodeHash(newRoot, sibling, crypto)
    }
    position >>= 1n
    last >>= 1n
  }
  return last === 0n && equalBytes(oldRoot, claim.oldRoot) && equalBytes(newRoot, claim.newRoot)
}

function odd(value: bigint): boolean {
  return (value & 1n) === 1n
}

function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n
}
