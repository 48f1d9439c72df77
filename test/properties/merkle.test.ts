import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, u32be, utf8 } from '../../src/core/bytes.ts'
import { consistencyHolds, emptyRoot, inclusionHolds, leafHash, nodeHash } from '../../src/verify/merkle.ts'
import { MultiProofWalk } from '../../src/verify/multi-proof.ts'
import {
  consistencyRanges,
  inclusionRanges,
  type LeafRange,
  splitPoint,
  subtreeEnd,
} from '../../src/verify/subtrees.ts'
import { TreeFold } from '../../src/verify/tree-fold.ts'
import { crypto } from '../support/ledger.ts'

/** The definition of RFC 6962 section 2.1, word for word: what everything clever is held against. */
function naive({ start, end }: LeafRange): Uint8Array {
  if (end === start) return emptyRoot(crypto)
  if (end - start === 1) return leafHash(u32be(start), crypto)
  const middle = start + splitPoint(end - start)
  return nodeHash(naive({ start, end: middle }), naive({ start: middle, end }), crypto)
}

/** The walk of docs/formats/statement.md as it is written there: recursive, from the root. */
function naiveWalk(size: number, rows: readonly number[]): Uint8Array[][] {
  const gaps: Uint8Array[][] = [[]]
  const visit = ({ start, end }: LeafRange): void => {
    if (start === end) return
    if (!rows.some(row => row >= start && row < end)) {
      gaps.at(-1)!.push(naive({ start, end }))
      return
    }
    if (end - start === 1) {
      gaps.push([])
      return
    }
    const middle = start + splitPoint(end - start)
    visit({ start, end: middle })
    visit({ start: middle, end })
  }
  visit({ start: 0, end: size })
  return gaps
}

const tree = fc
  .integer({ min: 0, max: 300 })
  .chain(size =>
    fc.tuple(
      fc.constant(size),
      size === 0 ? fc.constant([]) : fc.uniqueArray(fc.nat({ max: size - 1 }), { maxLength: 20 }),
    ),
  )
  .map(([size, rows]) => ({ size, rows: rows.toSorted((a, b) => a - b) }))

describe('the tree', () => {
  it('folds to the root of the definition', () => {
    const fold = new TreeFold(crypto)
    for (let size = 1; size <= 130; size++) {
      fold.push(leafHash(u32be(size - 1), crypto))
      expect(toHex(fold.root()!)).toBe(toHex(naive({ start: 0, end: size })))
    }
  })

  it('has inclusion proofs for its own leaves only', () => {
    const property = fc.property(fc.integer({ min: 1, max: 600 }), fc.nat(), fc.nat(), (size, a, b) => {
      const index = a % size
      const proof = inclusionRanges(index, size).map(naive)
      const claim = {
        index,
        size,
        proof,
        root: naive({ start: 0, end: size }),
        leafHash: leafHash(u32be(index), crypto),
      }
      expect(inclusionHolds(claim, crypto)).toBe(true)
      const other = b % size
      if (other !== index) expect(inclusionHolds({ ...claim, index: other }, crypto)).toBe(false)
      expect(inclusionHolds({ ...claim, leafHash: leafHash(utf8('x'), crypto) }, crypto)).toBe(false)
      expect(inclusionHolds({ ...claim, proof: [...proof, claim.root] }, crypto)).toBe(false)
    })
    fc.assert(property, { numRuns: 60 })
  })

  it('has consistency proofs with its own past only', () => {
    const property = fc.property(fc.integer({ min: 2, max: 500 }), fc.nat(), (newSize, a) => {
      const oldSize = 1 + (a % (newSize - 1))
      const proof = consistencyRanges(oldSize, newSize).map(naive)
      const oldRoot = naive({ start: 0, end: oldSize })
      const claim = { oldSize, newSize, oldRoot, proof, newRoot: naive({ start: 0, end: newSize }) }
      expect(consistencyHolds(claim, crypto)).toBe(true)
      expect(consistencyHolds({ ...claim, oldRoot: leafHash(utf8('x'), crypto) }, crypto)).toBe(false)
      expect(consistencyHolds({ ...claim, newRoot: leafHash(utf8('x'), crypto) }, crypto)).toBe(false)
      expect(consistencyHolds({ ...claim, proof: [...proof, oldRoot] }, crypto)).toBe(false)
    })
    fc.assert(property, { numRuns: 60 })
  })
})

describe('the multi-proof', () => {
  it('names the subtrees of the walk, and they give the root', () => {
    const property = fc.property(tree, ({ size, rows }) => {
      const gaps = naiveWalk(size, rows)
      const walk = new MultiProofWalk(size, crypto)
      let at = 0
      for (const [k, gap] of gaps.entries()) {
        const limit = rows[k] ?? size
        const hashes: string[] = []
        for (let end: number; at < limit; at = end) {
          end = subtreeEnd(at, limit, size)
          hashes.push(toHex(naive({ start: at, end })))
        }
        expect(hashes).toEqual(gap.map(toHex))
        if (k < rows.length) {
          expect(walk.leaf(limit, leafHash(u32be(limit), crypto), gap)).toBeNull()
          at = limit + 1
        }
      }
      expect(toHex(walk.end(gaps.at(-1)!)!)).toBe(toHex(naive({ start: 0, end: size })))
    })
    fc.assert(property, { numRuns: 200 })
  })

  it('refuses a hash too many, a hash too few, and leaves out of order or outside', () => {
    const hash = leafHash(utf8('x'), crypto)
    const walk = () => new MultiProofWalk(11, crypto)
    const [first = [], second = []] = naiveWalk(11, [5])
    expect(walk().leaf(5, hash, [...first, hash])).toContain('not those of the walk')
    expect(walk().leaf(5, hash, first.slice(1))).toContain('not those of the walk')
    expect(walk().leaf(11, hash, first)).toContain('not in a tree of 11')
    for (const rest of [second.slice(1), [...second, hash]]) {
      const begun = walk()
      expect(begun.leaf(5, hash, first)).toBeNull()
      expect(begun.leaf(5, hash, [])).toContain('does not come after')
      expect(begun.end(rest)).toBeNull()
    }
  })
})
