import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decryptSegment, type FloeParameters, headerBytes, startDecryption } from '../../src/crypto/floe.ts'
import { sharedVectors } from '../support/shared-vectors.ts'

const folder = sharedVectors('floe')
const key = new Uint8Array(32)
const aad = Buffer.from('This is AAD')

function parametersOf(name: string): FloeParameters {
  if (name.includes('_64_')) return { segmentBytes: 64, rotationBits: 20 }
  if (name.includes('_4K_')) return { segmentBytes: 4096, rotationBits: 20 }
  return { segmentBytes: 40, rotationBits: 2 }
}

function open(ciphertext: Buffer, parameters: FloeParameters): Buffer {
  const state = startDecryption(key, aad, ciphertext.subarray(0, headerBytes), parameters)
  const body = ciphertext.subarray(headerBytes)
  const out: Buffer[] = []
  for (let at = 0, position = 0; at < body.length; at += parameters.segmentBytes, position++) {
    const segment = body.subarray(at, at + parameters.segmentBytes)
    out.push(decryptSegment(state, segment, position, at + segment.length === body.length))
  }
  return Buffer.concat(out)
}

describe.skipIf(folder === null)('vectors: FLOE known answers', () => {
  const names = folder === null ? [] : readdirSync(folder).filter(name => name.endsWith('_ct.txt'))
  const hex = (name: string): Buffer => Buffer.from(readFileSync(join(folder!, name), 'utf8').trim(), 'hex')

  it('has vectors', () => expect(names.length).toBeGreaterThan(7))

  it.each(names)('%s opens to its plaintext', name => {
    // The plaintext files hold the hex digits of the plaintext's bytes.
    expect(open(hex(name), parametersOf(name)).toString('hex')).toBe(
      hex(name.replace('_ct', '_pt')).toString('hex'),
    )
  })

  it.each(names)('%s with any bit changed is refused', name => {
    const ciphertext = hex(name)
    const step = Math.max(1, Math.floor(ciphertext.length / 300))
    for (let at = 0; at < ciphertext.length; at += step) {
      const changed = Buffer.from(ciphertext)
      changed[at]! ^= 1 << (at % 8)
      expect(() => open(changed, parametersOf(name)), `byte ${at}`).toThrow()
    }
  })
})
