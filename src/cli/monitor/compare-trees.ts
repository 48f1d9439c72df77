/** Does a smaller signed tree belong to the one that was verified? Asked of the tiles, which must prove their answer. */
import { equalBytes, toBase64 } from '../../core/bytes.ts'
import { HoldfastError } from '../../core/errors.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { earlierRoot } from '../../ledger/earlier-root.ts'
import { createTreeReader } from '../../ledger/tree-reader.ts'
import { consistencyHolds, emptyRoot } from '../../verify/merkle.ts'
import { consistencyRanges } from '../../verify/subtrees.ts'
import type { LogSource } from './log-source.ts'

export interface Tree {
  readonly size: number
  readonly root: Uint8Array
}

export type TreeComparison =
  | { readonly state: 'continues' }
  /** `shown`: what the larger tree has for the smaller size, with the proof (RFC 6962) that it does. */
  | { readonly state: 'contradicts'; readonly shown: Uint8Array; readonly proof: readonly Uint8Array[] }
  /** The tiles do not have the larger tree. */
  | { readonly state: 'tiles-wrong' }

/** `small` must not be the larger one. */
export async function compareTrees(small: Tree, large: Tree, source: LogSource): Promise<TreeComparison> {
  if (small.size === large.size) {
    const { root: shown } = large
    return equalBytes(small.root, shown) ? { state: 'continues' } : { state: 'contradicts', shown, proof: [] }
  }
  if (small.size === 0) {
    const shown = emptyRoot(crypto)
    return equalBytes(small.root, shown) ? { state: 'continues' } : { state: 'contradicts', shown, proof: [] }
  }
  const reader = createTreeReader(source, large.size, crypto)
  try {
    const shown = await earlierRoot(reader, small.size, crypto)
    const proof = await reader.proof(consistencyRanges(small.size, large.size))
    const sizes = { oldSize: small.size, newSize: large.size, newRoot: large.root, proof }
    if (consistencyHolds({ ...sizes, oldRoot: small.root }, crypto)) return { state: 'continues' }
    return consistencyHolds({ ...sizes, oldRoot: shown }, crypto)
      ? { state: 'contradicts', shown, proof }
      : { state: 'tiles-wrong' }
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'store-damaged') return { state: 'tiles-wrong' }
    throw error
  }
}

/** For others to check: RFC 6962's proof that the larger tree has another root for the smaller size. */
export function printContradiction(
  small: Tree,
  { shown, proof }: Extract<TreeComparison, { state: 'contradicts' }>,
): string {
  const hashes = proof.map(toBase64)
  const fields = { format: 'holdfast/fork/v1', oldSize: small.size, oldRoot: toBase64(small.root) }
  return `${JSON.stringify({ ...fields, newHas: toBase64(shown), consistency: hashes }, null, 2)}\n`
}
