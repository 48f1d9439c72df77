import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { hmac } from '../../src/crypto/hmac.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { labelOf } from '../../src/verify/leaf.ts'
import type { VerifyCrypto } from '../../src/verify/verify-crypto.ts'

describe('the cryptography of the verifier, by node:crypto', () => {
  const crypto: VerifyCrypto = nodeVerifyCrypto

  it('has the HMAC of RFC 4231, case 2', () => {
    expect(toHex(hmac('sha256', utf8('Jefe'), utf8('what do ya want for nothing?')))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  it('makes the labels of a chain as HMAC-SHA-256 of RFC 2104', () => {
    const property = fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.maxSafeNat(),
      (key, seq) => {
        const number = Buffer.alloc(8)
        number.writeBigUInt64BE(BigInt(seq))
        const expected = createHmac('sha256', key).update('holdfast/label/v1\0').update(number).digest('hex')
        expect(toHex(labelOf(key, seq, crypto))).toBe(expected)
      },
    )
    fc.assert(property)
  })

  it('has the HMAC of OpenSSL for any key and message', () => {
    const property = fc.property(fc.nat({ max: 200 }), fc.nat({ max: 300 }), (keyLength, length) => {
      const [key, message] = [randomBytes(keyLength), randomBytes(length)]
      const expected = createHmac('sha256', key).update(message).digest('hex')
      expect(toHex(hmac('sha256', key, message))).toBe(expected)
    })
    fc.assert(property)
  })

  it('has the SHA-256 of nothing', () => {
    expect(toHex(crypto.sha256(new Uint8Array(0)))).toMatch(/^e3b0c44298fc1c14/)
  })

  it('has test 2 of RFC 8032 section 7.1, and no throw on what is no key', () => {
    const key = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex')
    const signature = Buffer.from(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
      'hex',
    )
    expect(crypto.verifyEd25519(key, new Uint8Array([0x72]), signature)).toBe(true)
    expect(crypto.verifyEd25519(key, new Uint8Array([0x73]), signature)).toBe(false)
    expect(crypto.verifyEd25519(new Uint8Array(0), new Uint8Array(0), signature)).toBe(false)
  })
})
