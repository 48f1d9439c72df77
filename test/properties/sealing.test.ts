import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OriginId, TenantId } from '../../src/core/ids.ts'
import { unwrapDataKey, unwrapManifestKey, wrapDataKey, wrapManifestKey } from '../../src/crypto/data-keys.ts'
import { headerBytes } from '../../src/crypto/floe.ts'
import { encodeManifest, manifestKeyOf, openManifest } from '../../src/crypto/manifest.ts'
import {
  createPartOpener,
  createPartSealer,
  partAssociatedData,
  sealedLength,
  segmentPlainBytes,
} from '../../src/crypto/part-sealing.ts'

const tenant = 'ab'.repeat(32) as TenantId
const origin = 'cd'.repeat(16) as OriginId
const dataKey = randomBytes(32)
const aad = partAssociatedData(tenant, origin, 1)

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map(x => x % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i]!, end))
}

function seal(plaintext: Buffer, cuts: readonly number[] = []) {
  const sealer = createPartSealer(dataKey, aad, randomBytes)
  const chunks = cut(plaintext, cuts).flatMap(chunk => sealer.update(chunk))
  const { chunks: last, part } = sealer.finish()
  return { ciphertext: Buffer.concat([...chunks, ...last]), part }
}

const nearSegments = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: -2, max: 2 }).map(d => segmentPlainBytes + d),
  fc.integer({ min: -2, max: 2 }).map(d => 2 * segmentPlainBytes + d),
)

describe('a sealed part', () => {
  it('opens to the same bytes whatever the chunking on either side', () => {
    fc.assert(
      fc.property(
        nearSegments,
        fc.array(fc.nat(), { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        (size, a, b) => {
          const plaintext = randomBytes(size)
          const { ciphertext, part } = seal(plaintext, a)
          expect(part.cipherBytes).toBe(ciphertext.length)
          expect(sealedLength(size)).toBe(ciphertext.length)
          const open = createPartOpener(dataKey, aad, ciphertext.subarray(0, headerBytes), part)
          const opened = cut(ciphertext.subarray(headerBytes), b).flatMap(chunk => open(chunk))
          expect(Buffer.concat(opened).equals(plaintext)).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('opens from any segment on', () => {
    const plaintext = randomBytes(3 * segmentPlainBytes + 17)
    const { ciphertext, part } = seal(plaintext)
    const open = createPartOpener(dataKey, aad, ciphertext.subarray(0, headerBytes), part, 2)
    const opened = Buffer.concat(open(ciphertext.subarray(headerBytes + 2 * 65_536)))
    expect(opened.equals(plaintext.subarray(2 * segmentPlainBytes))).toBe(true)
  })

  it('refuses two swapped segments, a cut tail, and another part of the same version', () => {
    const { ciphertext, part } = seal(randomBytes(3 * segmentPlainBytes))
    const header = ciphertext.subarray(0, headerBytes)
    const body = ciphertext.subarray(headerBytes)
    const swapped = Buffer.concat([
      body.subarray(65_536, 131_072),
      body.subarray(0, 65_536),
      body.subarray(131_072),
    ])
    expect(() => createPartOpener(dataKey, aad, header, part)(swapped)).toThrow(/authenticate/)
    const shorter = { ...part, cipherBytes: part.cipherBytes - 65_536 }
    expect(() => createPartOpener(dataKey, aad, header, shorter)(body.subarray(0, 131_072))).toThrow(/stand/)
    const other = seal(randomBytes(10))
    expect(() => createPartOpener(dataKey, aad, other.ciphertext.subarray(0, headerBytes), part)).toThrow(
      /manifest names/,
    )
    const otherAad = partAssociatedData(tenant, origin, 2)
    expect(() => createPartOpener(dataKey, otherAad, header, part)).toThrow(/header tag/)
  })
})

describe('a manifest', () => {
  const parts = [1, 2, 7].map(partNumber => ({ ...seal(randomBytes(100)).part, partNumber }))
  const bytes = encodeManifest({ tenant, origin, parts }, manifestKeyOf(dataKey))

  it('says what was sealed', () => {
    const opened = openManifest(bytes, dataKey, { tenant, origin })
    expect(opened.parts.map(part => [part.partNumber, part.plainBytes])).toEqual([
      [1, 100],
      [2, 100],
      [7, 100],
    ])
  })

  it('is refused with any byte changed, cut, or for another version or key', () => {
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 0x10
      expect(() => openManifest(changed, dataKey, { tenant, origin })).toThrow()
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => openManifest(bytes.subarray(0, length), dataKey, { tenant, origin })).toThrow()
    }
    expect(() => openManifest(bytes, randomBytes(32), { tenant, origin })).toThrow(/authenticate/)
    expect(() => openManifest(bytes, dataKey, { tenant, origin: 'ef'.repeat(16) as OriginId })).toThrow(
      /another version/,
    )
  })
})

it('a wrapped data key opens only for its tenant, its version and its bucket key', () => {
  const bucketKey = randomBytes(32)
  const wrapped = wrapDataKey(bucketKey, tenant, origin, dataKey, randomBytes)
  expect(unwrapDataKey(bucketKey, tenant, origin, wrapped).equals(dataKey)).toBe(true)
  expect(() => unwrapDataKey(randomBytes(32), tenant, origin, wrapped)).toThrow()
  expect(() => unwrapDataKey(bucketKey, 'ac'.repeat(32) as TenantId, origin, wrapped)).toThrow()
  expect(() => unwrapDataKey(bucketKey, tenant, 'ce'.repeat(16) as OriginId, wrapped)).toThrow()
  for (let at = 0; at < wrapped.length; at++) {
    const changed = Buffer.from(wrapped)
    changed[at]! ^= 1
    expect(() => unwrapDataKey(bucketKey, tenant, origin, changed)).toThrow()
  }
})

it('a data key under a customer’s key opens with both keys and with nothing less', () => {
  const [bucketKey, own] = [randomBytes(32), randomBytes(32)]
  const wrapped = wrapDataKey(bucketKey, tenant, origin, dataKey, randomBytes, own)
  expect(unwrapDataKey(bucketKey, tenant, origin, wrapped, own).equals(dataKey)).toBe(true)
  const notTheCustomers = expect.objectContaining({ code: 'not-verified' })
  expect(() => unwrapDataKey(bucketKey, tenant, origin, wrapped, randomBytes(32))).toThrow(notTheCustomers)
  const damaged = expect.objectContaining({ code: 'sealed-damaged' })
  expect(() => unwrapDataKey(bucketKey, tenant, origin, wrapped)).toThrow(damaged)
  expect(() => unwrapDataKey(randomBytes(32), tenant, origin, wrapped, own)).toThrow(damaged)
  expect(() => unwrapDataKey(bucketKey, tenant, 'ce'.repeat(16) as OriginId, wrapped, own)).toThrow(damaged)
  const plain = wrapDataKey(bucketKey, tenant, origin, dataKey, randomBytes)
  expect(() => unwrapDataKey(bucketKey, tenant, origin, plain, own)).toThrow(damaged)
})

it('the manifest’s key of an upload is no data key, nor the other way round', () => {
  const bucketKey = randomBytes(32)
  const manifestKey = manifestKeyOf(dataKey)
  const kept = wrapManifestKey(bucketKey, tenant, origin, manifestKey, randomBytes)
  expect(unwrapManifestKey(bucketKey, tenant, origin, kept).equals(manifestKey)).toBe(true)
  expect(() => unwrapDataKey(bucketKey, tenant, origin, kept)).toThrow()
  const wrapped = wrapDataKey(bucketKey, tenant, origin, dataKey, randomBytes)
  expect(() => unwrapManifestKey(bucketKey, tenant, origin, wrapped)).toThrow()
})
