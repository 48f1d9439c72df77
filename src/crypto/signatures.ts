import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
} from 'node:crypto'
import { HoldfastError } from '../core/errors.ts'
import { type Approver, approverHolds, type KeyApprover, keyIdPreimage, readApprover } from './approver.ts'
import { nodeVerifyCrypto, pssOptions } from './node-verify-crypto.ts'

/** Algorithms whose private keys may be in a file; what is verified is the table of `approver.ts`. */
export type SignatureAlgorithm = KeyApprover['algorithm']

interface PrivateKeyRow {
  readonly owns: (key: KeyObject) => boolean
  /** Of a public key, in the one encoding that approvers have. */
  readonly exportPublic: (key: KeyObject) => Uint8Array
  readonly generate: () => KeyObject
  readonly sign: (key: KeyObject, message: Uint8Array) => Uint8Array
}

const spkiOf = (key: KeyObject): Uint8Array => key.export({ format: 'der', type: 'spki' })

const algorithms: Readonly<Record<SignatureAlgorithm, PrivateKeyRow>> = {
  ed25519: {
    owns: key => key.asymmetricKeyType === 'ed25519',
    exportPublic: key => new Uint8Array(spkiOf(key).subarray(-32)),
    generate: () => generateKeyPairSync('ed25519').privateKey,
    sign: (key, message) => new Uint8Array(sign(null, message, key)),
  },
  'ecdsa-p256-sha256': {
    owns: key => key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1',
    exportPublic: key => {
      // By its coordinates: a file may hold its public key compressed, and is exported as it was.
      const { x, y } = key.export({ format: 'jwk' })
      return new Uint8Array(
        Buffer.from([4, ...Buffer.from(x!, 'base64url'), ...Buffer.from(y!, 'base64url')]),
      )
    },
    generate: () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey,
    sign: (key, message) => new Uint8Array(sign('sha256', message, key)),
  },
  'rsa-pss-sha256': {
    owns: key => key.asymmetricKeyType === 'rsa',
    exportPublic: key => new Uint8Array(spkiOf(key)),
    generate: () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
    sign: (key, message) => new Uint8Array(sign('sha256', message, { key, ...pssOptions })),
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
    if (!algorithms[algorithm].owns(key)) continue
    const owned = privateKeyFrom(algorithm, key)
    const approver = readApprover({ algorithm, publicKey: null }, owned.publicKey)
    if (typeof approver === 'string') throw new HoldfastError('bad-input', approver)
    return owned
  }
  throw new HoldfastError('bad-input', `no signature algorithm for a key of type ${key.asymmetricKeyType}`)
}

/** For signed notes (checkpoints, cosignatures, bundles), which everybody can check by Ed25519 alone. */
export function parseEd25519Key(pem: string, what: string): PrivateKey {
  const key = parsePrivateKey(pem)
  if (key.algorithm !== 'ed25519') throw new HoldfastError('bad-input', `${what} must be Ed25519`)
  return key
}

export function parseSignatureAlgorithm(name: string): SignatureAlgorithm | null {
  return Object.hasOwn(algorithms, name) ? (name as SignatureAlgorithm) : null
}

/** False for a bad signature and for bytes that are no public key: neither is the approver's signature. */
export function verifyApprover(approver: Approver, message: Uint8Array, signature: Uint8Array): boolean {
  return approverHolds(approver, message, signature, nodeVerifyCrypto)
}

/** `docs/formats/instruction.md`: names a key in entries and as the `keyid` hint of envelopes. */
export function keyIdOf(approver: Approver): string {
  return hash('sha256', keyIdPreimage(approver), 'hex')
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
