import { nodeHash } from './merkle.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/**
 * Grows a Merkle tree from left to right and keeps only its left subtrees not yet joined: at most 53 hashes,
 * whatever the size. What is added may be leaves or whole subtrees.
 */
export class TreeFold {
  readonly #crypto: Pick<VerifyCrypto, 'sha256'>
  readonly #hashes: Uint8Array[] = []
  readonly #widths: number[] = []
  #size = 0

  constructor(crypto: Pick<VerifyCrypto, 'sha256'>) {
    this.#crypto = crypto
  }

  get size(): number {
    return this.#size
  }

  /**
   * Adds the subtree over the next `width` leaves. A width that is no power of two can only be the ragged right
   * edge, so nothing may be added after it. `joined` hears of each full subtree that this completes.
   */
  push(hash: Uint8Array, width = 1, joined?: (hash: Uint8Array, width: number) => void): void {
    this.#size += width
    let node = hash
    let wide = width
    while (this.#widths.at(-1) === wide) {
      node = nodeHash(this.#hashes.pop()!, node, this.#crypto)
      this.#widths.pop()
      wide *= 2
      joined?.(node, wide)
    }
    this.#hashes.push(node)
    this.#widths.push(wide)
  }

  /** `null` while nothing was added: the empty tree's root is no node of any tree. */
  root(): Uint8Array | null {
    let root: Uint8Array | null = null
    for (const left of this.#hashes.toReversed())
      root = root === null ? left : nodeHash(left, root, this.#crypto)
    return root
  }
}
