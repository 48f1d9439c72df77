import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fromBase64 } from '../../src/core/bytes.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { consistencyHolds, inclusionHolds } from '../../src/verify/merkle.ts'
import { sharedVectors } from '../support/shared-vectors.ts'

const folder = sharedVectors('merkle')

/** Numbers as BigInt: some pass 2^53, where JSON.parse alone would change them. */
function load(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8'), ((
    _: string,
    value: unknown,
    { source }: { source: string },
  ) => (typeof value === 'number' ? BigInt(source) : value)) as (key: string, value: unknown) => unknown)
}

/** A hash that is not even base64 can be in no proof; it reads as no bytes at all. */
const hash = (text: unknown) => fromBase64((text as string | null) ?? '') ?? new Uint8Array(0)
const proof = (list: unknown) => ((list as string[] | null) ?? []).map(hash)

describe.skipIf(folder === null)('vectors: Merkle proofs of transparency-dev/merkle', () => {
  const inclusion = folder === null ? [] : globSync('inclusion/**/*.json', { cwd: folder })
  const consistency = folder === null ? [] : globSync('consistency/**/*.json', { cwd: folder })

  it('has both kinds', () => {
    expect(inclusion.length).toBeGreaterThan(50)
    expect(consistency.length).toBeGreaterThan(50)
  })

  it.each(inclusion)('%s', name => {
    const vector = load(join(folder!, name))
    const claim = {
      index: vector.leafIdx as bigint,
      size: vector.treeSize as bigint,
      leafHash: hash(vector.leafHash),
      proof: proof(vector.proof),
      root: hash(vector.root),
    }
    expect(inclusionHolds(claim, nodeVerifyCrypto)).toBe(!vector.wantErr)
  })

  it.each(consistency)('%s', name => {
    const vector = load(join(folder!, name))
    const claim = {
      oldSize: vector.size1 as bigint,
      newSize: vector.size2 as bigint,
      oldRoot: hash(vector.root1),
      newRoot: hash(vector.root2),
      proof: proof(vector.proof),
    }
    expect(consistencyHolds(claim, nodeVerifyCrypto)).toBe(!vector.wantErr)
  })
})
