import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { concat, toHex, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'

/** The names that stand in signed documents. A new algorithm is a new row below and nothing else. */
export type SignatureAlgorithm = 'ed25519'

interface AlgorithmRow {
  /** `null` when the bytes are not a public key of this algorithm in its one encoding. */
  readonly importPublic: (publicKey: Uint8Array) => KeyObject | null
  readonly exportPublic: (key: KeyObject) => Uint8Array
  readonly owns: (key: KeyObject) => boolean
  readonly generate: () => KeyObject
  readonly sign: (key: KeyObject, message: Uint8Array) => Uint8Array
  readonly verify: (key: KeyObject, message: Uint8Array, signature: Uint8Array) => boolean
}

/** RFC 8410 section 4: what stands before the 32 key bytes in a SubjectPublicKeyInfo. */
const ed25519Spki = new Uint8Array([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00])

const algorithms: Readonly<Record<SignatureAlgorithm, AlgorithmRow>> = {
  ed25519: {
    importPublic: publicKey => {
      if (publicKey.length !== 32) return null
      const key = Buffer.from(concat(ed25519Spki, publicKey))
      return createPublicKey({ key, format: 'der', type: 'spki' })
    },
    exportPublic: key =>
      new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(ed25519Spki.length)),
    owns: key => key.asymmetricKeyType === 'ed25519',
    generate: () => generateKeyPairSync('ed25519').privateKey,
    sign: (key, message) => new Uint8Array(sign(null, message, key)),
    verify: (key, message, signature) => signature.length === 64 && verify(null, message, key, signature),
  },
}

export interface PrivateKey {
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
  /** PKCS#8, unencrypted: as secret as the key. */
  toPem(): string
}

export function generatePrivateKey(algorithm: SignatureAlgorithm): PrivateKey {
  return privateKeyFrom(algorithm, algorithms[algorithm].generate())
}

/** Reads PKCS#8 PEM; `bad-input` when it is not a key of an algorithm in the table. */
export function parsePrivateKey(pem: string): PrivateKey {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (error) {
    throw new HoldfastError('bad-input', 'not a PKCS#8 private key in PEM', {}, error)
  }
  for (const algorithm of Object.keys(algorithms) as SignatureAlgorithm[]) {
    if (algorithms[algorithm].owns(key)) return privateKeyFrom(algorithm, key)
  }
  throw new HoldfastError('bad-input', `no signature algorithm for a key of type ${key.asymmetricKeyType}`)
}

export function parseSignatureAlgorithm(name: string): SignatureAlgorithm | null {
  return Object.hasOwn(algorithms, name) ? (name as SignatureAlgorithm) : null
}

/** False for a bad signature and for bytes that are no public key: neither is anybody's signature. */
export function verifySignature(
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const key = algorithms[algorithm].importPublic(publicKey)
    return key !== null && algorithms[algorithm].verify(key, message, signature)
  } catch {
    return false
  }
}

/** `docs/formats/instruction.md`: names a key in entries and as the `keyid` hint of envelopes. */
export function approverKeyId(algorithm: SignatureAlgorithm, publicKey: Uint8Array): string {
  const preimage = concat(utf8(`holdfast/approver/v1\0${algorithm}\0`), publicKey)
  return toHex(createHash('sha256').update(preimage).digest())
}

function privateKeyFrom(algorithm: SignatureAlgorithm, key: KeyObject): PrivateKey {
  const row = algorithms[algorithm]
  return {
    algorithm,
    publicKey: row.exportPublic(createPublicKey(key)),
    sign: message => row.sign(key, message),
    toPem: () => key.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}
