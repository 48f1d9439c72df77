/** The contract of `src/verify/verify-crypto.ts`, of both its adapters: they must say the same of everything. */
import { constants, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { printInteger, readInteger } from '../../src/crypto/big-integer.ts'
import { printEcdsaSignature, readEcdsaSignature } from '../../src/crypto/der.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { isP256Point, rsaKeyFault } from '../../src/crypto/public-keys.ts'
import { pureVerifyCrypto } from '../../src/crypto/pure-verify-crypto.ts'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import type { VerifyCrypto } from '../../src/verify/verify-crypto.ts'
import { encodePss, makeRsaKey, type PssChange, type RawRsaKey } from '../support/raw-rsa.ts'

const message = utf8('what is signed')
const adapters: readonly (readonly [string, VerifyCrypto])[] = [
  ['node', nodeVerifyCrypto],
  ['pure', pureVerifyCrypto],
]

const p = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const p256 = generatePrivateKey('ecdsa-p256-sha256')
const other = generatePrivateKey('ecdsa-p256-sha256')
const signed = p256.sign(message)
const { r, s } = readEcdsaSignature(signed)!
const der = (change: Partial<{ r: bigint; s: bigint }>): Uint8Array =>
  printEcdsaSignature({ r, s, ...change })
const hex = (text: string): Uint8Array => fromHex(text)!
/** One with short numbers, so that there is room to write them longer. */
const element = (
  tag: string,
  body: string,
  length = (body.length / 2).toString(16).padStart(2, '0'),
): string => `${tag}${length}${body}`
const integer = (value: bigint): string => toHex(printEcdsaSignature({ r: value, s: 0n })).slice(4, -6)

describe.each(adapters)('P-256 of %s', (_, { verifyP256 }) => {
  it('holds for key and message, whichever half of the group s is in', () => {
    expect(verifyP256(p256.publicKey, message, der({ s: s > order / 2n ? order - s : s }))).toBe(true)
    expect(verifyP256(p256.publicKey, message, der({ s: s > order / 2n ? s : order - s }))).toBe(true)
    expect(verifyP256(p256.publicKey, utf8('another'), signed)).toBe(false)
    expect(verifyP256(other.publicKey, message, signed)).toBe(false)
  })

  const whole = toHex(signed)
  const [rHex, sHex] = [integer(r), integer(s)]
  const negative = (value: bigint): string => toHex(printInteger(value, 32))
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['a cut one', signed.subarray(0, -1)],
    ['a byte that trails', hex(`${whole}00`)],
    ['a byte that trails inside', hex(element('30', `${rHex}${sHex}00`))],
    ['a third number', hex(element('30', `${rHex}${sHex}020101`))],
    ['one number', hex(element('30', rHex))],
    ['a length in two bytes', hex(element('30', `${rHex}${sHex}`, `81${whole.slice(2, 4)}`))],
    ['no length', hex(`3080${rHex}${sHex}0000`)],
    ['r padded with a zero', hex(element('30', `${element('02', `00${rHex.slice(4)}`)}${sHex}`))],
    ['s padded with a zero', hex(element('30', `${rHex}${element('02', `00${sHex.slice(4)}`)}`))],
    [
      'numbers without the zero of their sign',
      hex(element('30', element('02', negative(r | (1n << 255n))) + sHex)),
    ],
    ['another tag of the whole', hex(`31${whole.slice(2)}`)],
    ['another tag of a number', hex(element('30', `03${rHex.slice(2)}${sHex}`))],
    ['r and s as two times 32 bytes', concat(printInteger(r, 32), printInteger(s, 32))],
    ['r = 0', der({ r: 0n })],
    ['s = 0', der({ s: 0n })],
    ['r at the order', der({ r: order })],
    ['s at the order', der({ s: order })],
    ['r one order higher', der({ r: r + order })],
    ['s one order higher', der({ s: s + order })],
    ['a long one', new Uint8Array(100_000).fill(0x30)],
  ])('refuses as a signature %s', (_, signature) => {
    expect(verifyP256(p256.publicKey, message, signature)).toBe(false)
  })

  const [x, y] = [readInteger(p256.publicKey.subarray(1, 33)), readInteger(p256.publicKey.subarray(33))]
  const point = (head: number, ...numbers: readonly bigint[]): Uint8Array =>
    concat(new Uint8Array([head]), ...numbers.map(each => printInteger(each, 32)))
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['the point at infinity', new Uint8Array(1)],
    ['a compressed point', point(y % 2n === 0n ? 2 : 3, x)],
    ['a hybrid point', point(y % 2n === 0n ? 6 : 7, x, y)],
    ['a point off the curve', point(4, x, y ^ 1n)],
    ['zeros', point(4, 0n, 0n)],
    ['the other point of its x', point(4, x, p - y)],
    ['a byte that trails', concat(p256.publicKey, new Uint8Array(1))],
    ['32 bytes', p256.publicKey.subarray(1, 33)],
    ['x without its first bytes', point(4, x).subarray(0, 60)],
  ])('refuses as a key %s', (_, publicKey) => {
    expect(verifyP256(publicKey, message, signed)).toBe(false)
  })

  it('refuses a point whose coordinates are written past the field', () => {
    // x = 5 is on the curve, so that x + p fits into 32 bytes.
    const five = 0x459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbccn
    expect(
      (five * five - (125n - 15n + 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn)) % p,
    ).toBe(0n)
    expect(isP256Point(point(4, 5n, five))).toBe(true)
    expect(isP256Point(point(4, 5n + p, five))).toBe(false)
    expect(verifyP256(point(4, 5n + p, five), message, signed)).toBe(false)
  })

  it('refuses a point without the zero that its y begins with', () => {
    for (;;) {
      const key = generatePrivateKey('ecdsa-p256-sha256')
      if (key.publicKey[33] !== 0) continue
      const short = concat(key.publicKey.subarray(0, 33), key.publicKey.subarray(34))
      expect(isP256Point(key.publicKey)).toBe(true)
      expect(isP256Point(short)).toBe(false)
      expect(verifyP256(short, message, key.sign(message))).toBe(false)
      return
    }
  })
})

const rsa = { of2048: makeRsaKey(2048), of2049: makeRsaKey(2049), of3072: makeRsaKey(3072) }
const pss = (key: RawRsaKey, change: PssChange = {}, above = 0n): Uint8Array => {
  for (;;) {
    const block = encodePss(message, key.modulusBits, change) + above
    if (block < key.modulus) return key.raise(block)
  }
}
const opensslPss = (key: RawRsaKey, saltLength: number, digest = 'sha256'): Uint8Array =>
  sign(digest, message, {
    key: key.key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength,
  })

describe.each(adapters)('RSA-PSS of %s', (_, { verifyRsaPss }) => {
  it.each(Object.entries(rsa))('holds for key and message, %s', (_, key) => {
    expect(verifyRsaPss(key.spki, message, pss(key))).toBe(true)
    expect(verifyRsaPss(key.spki, message, opensslPss(key, 32))).toBe(true)
    expect(verifyRsaPss(key.spki, utf8('another'), pss(key))).toBe(false)
    expect(verifyRsaPss((key === rsa.of2048 ? rsa.of3072 : rsa.of2048).spki, message, pss(key))).toBe(false)
  })

  const key = rsa.of2048
  const small = (): Uint8Array => {
    // Of which the modulus can be added without a byte more.
    for (;;) {
      const signature = opensslPss(key, 32)
      if (readInteger(signature) + key.modulus < 1n << 2048n) return signature
    }
  }
  const led = (): Uint8Array => {
    for (;;) {
      const signature = opensslPss(key, 32)
      if (signature[0] === 0) return signature
    }
  }
  it.each<[string, () => Uint8Array]>([
    ['nothing', () => new Uint8Array()],
    ['zeros', () => new Uint8Array(256)],
    ['a salt of 20 bytes', () => opensslPss(key, 20)],
    ['no salt', () => opensslPss(key, 0)],
    ['the longest salt', () => opensslPss(key, 256 - 32 - 2)],
    ['SHA-384', () => opensslPss(key, 32, 'sha384')],
    ['PKCS #1 v1.5', () => sign('sha256', message, key.key)],
    ['a salt of 31 bytes', () => pss(key, { salt: new Uint8Array(31) })],
    ['a salt of 33 bytes', () => pss(key, { salt: new Uint8Array(33) })],
    ['another trailer', () => pss(key, { trailer: 0xcc })],
    ['padding that is not zero', () => pss(key, { padding: right => right.with(5, 1) })],
    ['no one before the salt', () => pss(key, { padding: right => right.fill(0) })],
    ['another number than one before the salt', () => pss(key, { padding: right => right.with(-1, 3) })],
    ['a bit above the block', () => pss(key, { topBit: true })],
    ['another prefix of the hash', () => pss(key, { prefix: new Uint8Array(8).fill(1) })],
    ['the signature and the modulus', () => printInteger(readInteger(small()) + key.modulus, 256)],
    ['a zero before it', () => concat(new Uint8Array(1), pss(key))],
    ['a zero after it', () => concat(pss(key), new Uint8Array(1))],
    ['its first byte, a zero, left out', () => led().subarray(1)],
  ])('refuses as a signature %s', (_, signature) => {
    expect(verifyRsaPss(key.spki, message, signature())).toBe(false)
  })

  it.each<[string, RawRsaKey]>([
    ['1024 bits', makeRsaKey(1024)],
    ['an exponent of 3', makeRsaKey(2048, 3n)],
  ])('refuses a right signature by a key of %s', (_, weak) => {
    expect(verifyRsaPss(weak.spki, message, opensslPss(weak, 32))).toBe(false)
  })

  it('refuses what stands above the block of a modulus of 8n + 1 bits', () => {
    expect(verifyRsaPss(rsa.of2049.spki, message, pss(rsa.of2049, {}, 1n << 2048n))).toBe(false)
  })

  const whole = toHex(key.spki)
  const pssKey = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['1024 bits', makeRsaKey(1024).spki],
    ['2047 bits', makeRsaKey(2047).spki],
    ['an exponent of 3', makeRsaKey(2048, 3n).spki],
    ['a byte that trails', hex(`${whole}00`)],
    ['a cut key', key.spki.subarray(0, -1)],
    [
      'a padded modulus',
      hex(
        whole
          .replace('308201220', '308201230')
          .replace('82010f00', '82011000')
          .replace('3082010a02820101', '3082010b0282010200'),
      ),
    ],
    [
      'no NULL',
      hex(whole.replace('30820122300d06092a864886f70d0101010500', '30820120300b06092a864886f70d010101')),
    ],
    ['the algorithm RSASSA-PSS', new Uint8Array(pssKey.publicKey.export({ format: 'der', type: 'spki' }))],
    ['another algorithm', hex(whole.replace('2a864886f70d010101', '2a864886f70d010102'))],
    ['unused bits', hex(whole.replace('82010f00', '82010f01'))],
    ['PKCS #1 without its wrapping', key.spki.subarray(24)],
    ['an Ed25519 key', generatePrivateKey('ed25519').publicKey],
    ['a long one', new Uint8Array(100_000).fill(0x30)],
  ])('refuses as a key %s', (_, spki) => {
    expect(toHex(spki)).not.toBe(whole)
    expect(rsaKeyFault(spki)).not.toBeNull()
    expect(verifyRsaPss(spki, message, pss(key))).toBe(false)
  })
})

it('takes RSA keys of 8192 bits, and exponents of up to 64', () => {
  const { modulus } = rsa.of2048
  const element = (tag: number, ...content: readonly Uint8Array[]): Uint8Array => {
    const body = concat(...content)
    const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255]
    return concat(new Uint8Array([tag, ...length]), body)
  }
  const number = (value: bigint): Uint8Array => {
    const digits = printInteger(value)
    return element(2, digits[0]! < 128 ? digits : concat(new Uint8Array(1), digits))
  }
  const spki = (n: bigint, e: bigint): Uint8Array =>
    element(
      0x30,
      hex('300d06092a864886f70d0101010500'),
      element(3, new Uint8Array(1), element(0x30, number(n), number(e))),
    )
  expect(rsaKeyFault(spki(modulus, 65_537n))).toBeNull()
  expect(rsaKeyFault(spki((1n << 8192n) - 1n, 65_537n))).toBeNull()
  expect(rsaKeyFault(spki((1n << 8192n) + 1n, 65_537n))).toBe('is of 8193 bits, and must be of 2048 to 8192')
  expect(rsaKeyFault(spki(modulus - 1n, 65_537n))).toBe('has an even modulus')
  expect(rsaKeyFault(spki(modulus, (1n << 64n) - 1n))).toBeNull()
  for (const exponent of [1n, 3n, 65_535n, 65_538n, (1n << 64n) + 1n])
    expect(rsaKeyFault(spki(modulus, exponent))).toMatch(/exponent/)
})

describe('both adapters', () => {
  const same = (call: (crypto: VerifyCrypto) => boolean): void => {
    const [node, pure] = adapters.map(([, crypto]) => call(crypto))
    expect(pure).toBe(node)
  }
  const rsaSigned = pss(rsa.of2048)
  const changed = (bytes: Uint8Array, at: number, byte: number): Uint8Array =>
    bytes.with(at % bytes.length, byte)

  it('say the same of any byte that is changed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        same(({ verifyP256 }) => verifyP256(p256.publicKey, message, changed(signed, at, byte)))
        same(({ verifyP256 }) => verifyP256(changed(p256.publicKey, at, byte), message, signed))
        same(({ verifyRsaPss }) => verifyRsaPss(rsa.of2048.spki, message, changed(rsaSigned, at, byte)))
        same(({ verifyRsaPss }) => verifyRsaPss(changed(rsa.of2048.spki, at, byte), message, rsaSigned))
      }),
    )
  })

  it('say the same of many keys', () => {
    for (let i = 0; i < 20; i++) {
      const key = generatePrivateKey('ecdsa-p256-sha256')
      const text = crypto.getRandomValues(new Uint8Array(7 * i))
      const signature = key.sign(text)
      for (const [, { verifyP256 }] of adapters) expect(verifyP256(key.publicKey, text, signature)).toBe(true)
    }
  })
})
