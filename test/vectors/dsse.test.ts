import { describe, expect, it } from 'vitest'
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts'
import { pae, parseEnvelope, printEnvelope } from '../../src/crypto/dsse.ts'
import {
  generatePrivateKey,
  keyIdOf,
  parsePrivateKey,
  parseSignatureAlgorithm,
  verifyApprover,
} from '../../src/crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'

describe('DSSE', () => {
  it('prints the PAE of the specification', () => {
    const bytes = pae('http://example.com/HelloWorld', utf8('hello world'))
    expect(fromUtf8(bytes)).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world')
  })

  it('counts bytes, not characters', () => {
    expect(fromUtf8(pae('é', utf8('ü')))).toBe('DSSEv1 2 é 2 ü')
  })

  const envelope = (payload: string, sig = 'AA==') => ({ payloadType: 't', payload, signatures: [{ sig }] })

  it('reads both base64 alphabets', () => {
    expect(parseEnvelope(envelope('+/+/'))?.payload).toEqual(parseEnvelope(envelope('-_-_'))?.payload)
    expect(toHex(parseEnvelope(envelope('', '-_8='))!.signatures[0]!.signature)).toBe('fbff')
  })

  it.each([
    ['a payload in two alphabets', envelope('+_+_')],
    ['a payload without padding', envelope('AA')],
    ['stray bits after the payload', envelope('AB==')],
    ['a signature that is no base64', envelope('', '!')],
    ['no payload type', { payload: '', signatures: [] }],
    ['signatures that are no list', { payloadType: 't', payload: '', signatures: {} }],
    ['a keyid that is no text', { payloadType: 't', payload: '', signatures: [{ keyid: 1, sig: '' }] }],
    ['null', null],
    ['a list', []],
  ])('refuses %s', (_, value) => {
    expect(parseEnvelope(value)).toBeNull()
  })

  it('is read as it was printed', () => {
    const signed = signDocument(createDocument('t', { b: 1, a: 'x' }), generatePrivateKey('ed25519'))
    const read = parseEnvelope(JSON.parse(JSON.stringify(printEnvelope(signed))))!
    expect(printEnvelope(read)).toEqual(printEnvelope(signed))
    expect(documentId(read)).toBe(documentId(signed))
  })

  it('names the content by its id, whoever signs', () => {
    const document = createDocument('http://example.com/HelloWorld', { a: 1 })
    expect(documentId(signDocument(document, generatePrivateKey('ed25519')))).toBe(documentId(document))
    expect(documentId({ ...document, payloadType: 'x' })).not.toBe(documentId(document))
  })
})

describe('signatures', () => {
  const key = generatePrivateKey('ed25519')
  const message = utf8('message')
  const holds = (publicKey: Uint8Array, signed: Uint8Array, signature: Uint8Array): boolean =>
    verifyApprover({ algorithm: 'ed25519', publicKey }, signed, signature)

  it('hold for key and message, and for no other', () => {
    const signature = key.sign(message)
    expect(holds(key.publicKey, message, signature)).toBe(true)
    expect(holds(key.publicKey, utf8('massage'), signature)).toBe(false)
    expect(holds(generatePrivateKey('ed25519').publicKey, message, signature)).toBe(false)
    expect(holds(key.publicKey.slice(1), message, signature)).toBe(false)
    expect(holds(key.publicKey, message, signature.slice(1))).toBe(false)
  })

  it('do not hold when S is not below the order of the group', () => {
    const signature = key.sign(message)
    const order = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn
    let s = order
    for (let i = 0; i < 32; i++) s += BigInt(signature[32 + i]!) << BigInt(8 * i)
    for (let i = 0; i < 32; i++) signature[32 + i] = Number((s >> BigInt(8 * i)) & 0xffn)
    expect(holds(key.publicKey, message, signature)).toBe(false)
  })

  it('come from the same key after its PEM was read back', () => {
    const again = parsePrivateKey(key.toPem())
    expect(again.publicKey).toEqual(key.publicKey)
    expect(again.sign(message)).toEqual(key.sign(message))
  })

  it('have no key in other text and no algorithm of another name', () => {
    expect(() => parsePrivateKey('-----BEGIN NOTHING-----')).toThrow('PKCS#8')
    expect(parseSignatureAlgorithm('toString')).toBeNull()
    expect(parseSignatureAlgorithm('ed25519')).toBe('ed25519')
  })

  it('name a key as docs/formats/instruction.md says', () => {
    // SHA-256 of "holdfast/approver/v1" 00 "ed25519" 00 and 32 zero bytes, by another tool.
    const expected = 'b42b798b9a2733594cd99becc7cd6994db75637b5d74cadcc259fc3bffd4452e'
    expect(keyIdOf({ algorithm: 'ed25519', publicKey: new Uint8Array(32) })).toBe(expected)
  })
})
