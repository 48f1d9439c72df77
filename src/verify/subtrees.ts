/**
 * Which ranges of leaves are subtrees of an RFC 6962 tree, and which of them a proof names. Positions and sizes are
 * numbers up to 2^53 − 1, so bit operators (32 bits) must not be used on them.
 */
export interface LeafRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** The largest power of two smaller than `size` (RFC 6962 section 2.1); `size` is at least 2. */
export function splitPoint(size: number): number {
  let left = 1
  while (left * 2 < size) left *= 2
  return left
}

/**
 * The end of the largest subtree of a tree of `size` leaves that starts at `at` and ends at or before `limit`.
 * With `limit` = `size`, the ragged right edge of the tree can be that subtree, also where it is not full.
 */
export function subtreeEnd(at: number, limit: number, size: number): number {
  if (limit === size) {
    const left = size - at
    let full = 1
    while (full < left) full *= 2
    if (at % full === 0) return size
  }
  let width = 1
  while (at % (width * 2) === 0 && at + width * 2 <= limit) width *= 2
  return at + width
}

/** The subtrees whose hashes are the audit path of RFC 6962 section 2.1.1, leaf to root. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const path: LeafRange[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + splitPoint(end - start)
    if (index < middle) {
      path.push({ start: middle, end })
      end = middle
    } else {
      path.push({ start, end: middle })
      start = middle
    }
  }
  return path.reverse()
}

/** The subtrees whose hashes are the consistency proof of RFC 6962 section 2.1.2, in its order. */
export function consistencyRanges(oldSize: number, newSize: number): LeafRange[] {
  if (oldSize === 0 || oldSize === newSize) return []
  const proof: LeafRange[] = []
  let start = 0
  let end = newSize
  let wholeOld = true
  while (oldSize !== end) {
    const middle = start + splitPoint(end - start)
    if (oldSize <= middle) {
      proof.push({ start: middle, end })
      end = middle
    } else {
      proof.push({ start, end: middle })
      start = middle
      wholeOld = false
    }
  }
  if (!wholeOld) proof.push({ start, end })
  return proof.reverse()
}
