/** The root that a tree had at a smaller size: from the full subtrees of which every tree is made, which a larger one has too. */
import { emptyRoot } from '../verify/merkle.ts'
import { TreeFold } from '../verify/tree-fold.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import type { TreeReader } from './tree-reader.ts'

/** `size` must not be above the reader's. The partial tiles of the smaller tree are not needed. */
export async function earlierRoot(
  reader: Pick<TreeReader, 'subtree'>,
  size: number,
  crypto: Pick<VerifyCrypto, 'sha256'>,
): Promise<Uint8Array> {
  const fold = new TreeFold(crypto)
  while (fold.size < size) {
    let width = 1
    while (width * 2 <= size - fold.size) width *= 2
    fold.push(await reader.subtree({ start: fold.size, end: fold.size + width }), width)
  }
  return fold.root() ?? emptyRoot(crypto)
}
