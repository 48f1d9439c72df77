import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { emptyEdge, TileBuilder } from '../../src/ledger/tile-builder.ts'
import { createTreeReader } from '../../src/ledger/tree-reader.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import type { Checkpoint } from '../../src/verify/checkpoint-text.ts'
import { singleKey } from '../../src/verify/log-keys.ts'
import { consistencyHolds, inclusionHolds, leafHash } from '../../src/verify/merkle.ts'
import { consistencyRanges, inclusionRanges } from '../../src/verify/subtrees.ts'
import { isLogResource } from '../../src/verify/tile-path.ts'
import { parseVerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto } from '../support/ledger.ts'
import { sharedVectors } from '../support/shared-vectors.ts'

const folder = sharedVectors('tlog-log')
const vkey = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
const sizes = Array.from({ length: 16 }, (_, size) => size)

describe.skipIf(folder === null)('vectors: a tlog-tiles log of another implementation', () => {
  const key = parseVerifierKey(vkey, crypto)!
  const read = (path: string) => readFileSync(join(folder!, path))
  const store = {
    read: async (path: string) =>
      isLogResource(path) && existsSync(join(folder!, path)) ? read(path) : null,
  }
  const checkpoint = (size: number) =>
    openCheckpoint(read(`checkpoint.${size}`).toString(), singleKey(key), crypto) as Checkpoint

  /** Cuts an entry bundle by its length prefixes. */
  const entries = (size: number): Uint8Array[] => {
    const bundle = size === 0 ? Buffer.alloc(0) : read(`tile/entries/000.p/${size}`)
    const found: Uint8Array[] = []
    for (let at = 0; at < bundle.length; ) {
      const length = bundle.readUInt16BE(at)
      found.push(bundle.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    return found
  }

  it.each(sizes)('checkpoint %i is signed and is the root over its tiles', async size => {
    expect(checkpoint(size)).toMatchObject({ origin: 'example.com/log/testdata', size })
    const root = await createTreeReader(store, size, crypto).root()
    expect(toHex(root)).toBe(toHex(checkpoint(size).root))
  })

  it.each(sizes)('the first %i entries make the same tiles here', size => {
    const builder = new TileBuilder(crypto, emptyEdge)
    for (const entry of entries(size)) builder.append(entry)
    expect(builder.size).toBe(size)
    expect(toHex(builder.root())).toBe(toHex(checkpoint(size).root))
    const made = builder.takePartials()
    expect(made).toHaveLength(size === 0 ? 0 : 2)
    for (const { path, bytes } of made) expect(toHex(bytes)).toBe(toHex(read(path)))
  })

  it('every entry is in every later tree, and every tree continues the ones before', async () => {
    const leaves = entries(15)
    for (const size of sizes) {
      const reader = createTreeReader(store, size, crypto)
      const hashes = (ranges: readonly { start: number; end: number }[]) =>
        Promise.all(ranges.map(reader.subtree))
      const { root } = checkpoint(size)
      for (let index = 0; index < size; index++) {
        const proof = await hashes(inclusionRanges(index, size))
        const claim = { index, size, root, proof, leafHash: leafHash(leaves[index]!, crypto) }
        expect(inclusionHolds(claim, crypto), `leaf ${index} of ${size}`).toBe(true)
        expect(inclusionHolds({ ...claim, index: (index + 1) % 16 }, crypto)).toBe(false)
      }
      for (let oldSize = 1; oldSize <= size; oldSize++) {
        const proof = await hashes(consistencyRanges(oldSize, size))
        const claim = { oldSize, newSize: size, newRoot: root, oldRoot: checkpoint(oldSize).root, proof }
        expect(consistencyHolds(claim, crypto), `${oldSize} to ${size}`).toBe(true)
        if (oldSize > 1) {
          expect(consistencyHolds({ ...claim, oldRoot: checkpoint(oldSize - 1).root }, crypto)).toBe(false)
        }
      }
    }
  })

  it('a changed checkpoint is refused', () => {
    const note = read('checkpoint.9').toString()
    expect(openCheckpoint(note.replace('\n9\n', '\n8\n'), singleKey(key), crypto)).toContain('does not hold')
    expect(
      openCheckpoint(note.replace('— example.com/log', '— example.com/lag'), singleKey(key), crypto),
    ).toContain('no signature')
  })
})
