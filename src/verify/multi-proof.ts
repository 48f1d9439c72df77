import { emptyRoot } from './merkle.ts'
import { subtreeEnd } from './subtrees.ts'
import { TreeFold } from './tree-fold.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/**
 * The walk of `docs/formats/statement.md`: rebuilds the root of a tree from some of its leaves, in order, and the
 * hashes of the largest subtrees between them. Each hash has one place, so one too many or too few is a fault.
 */
export class MultiProofWalk {
  readonly #size: number
  readonly #crypto: VerifyCrypto
  readonly #fold: TreeFold

  constructor(size: number, crypto: VerifyCrypto) {
    this.#size = size
    this.#crypto = crypto
    this.#fold = new TreeFold(crypto)
  }

  /** What is wrong, or `null`. */
  leaf(index: number, hash: Uint8Array, between: readonly Uint8Array[]): string | null {
    if (index < this.#fold.size) return `leaf ${index} does not come after the row before`
    if (index >= this.#size) return `leaf ${index} is not in a tree of ${this.#size}`
    if (!this.#skipTo(index, between)) return `the hashes before leaf ${index} are not those of the walk`
    this.#fold.push(hash)
    return null
  }

  /** The root, or `null` when the hashes after the last leaf are not those of the walk. */
  end(rest: readonly Uint8Array[]): Uint8Array | null {
    if (!this.#skipTo(this.#size, rest)) return null
    return this.#fold.root() ?? emptyRoot(this.#crypto)
  }

  #skipTo(limit: number, hashes: readonly Uint8Array[]): boolean {
    let used = 0
    while (this.#fold.size < limit && used < hashes.length) {
      const at = this.#fold.size
      this.#fold.push(hashes[used]!, subtreeEnd(at, limit, this.#size) - at)
      used++
    }
    return this.#fold.size === limit && used === hashes.length
  }
}
