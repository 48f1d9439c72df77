import { readFile } from 'node:fs/promises'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { generatePrivateKey, parsePrivateKey } from '../crypto/signatures.ts'
import { writeFileDurable } from '../store/durable-file.ts'
import type { NoteSigner } from '../verify/note.ts'
import { printVerifierKey } from '../verify/verifier-key.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'

/** The key that a region's log signs with, and what others need to check it. */
export interface LogKey extends NoteSigner {
  /** C2SP `signed-note` verifier key. */
  readonly vkey: string
}

type Sha256 = Pick<VerifyCrypto, 'sha256'>

/** `origin` is `<host>/log/<region>`, and the key's name. `not-found` when there is no such file. */
export async function loadLogKey(path: string, origin: string, crypto: Sha256): Promise<LogKey> {
  if (!/^[^\s+]+$/u.test(origin))
    throw new HoldfastError('bad-input', `an origin must not contain spaces or +`)
  const pem = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new HoldfastError('not-found', `there is no log key at ${path}`, {}, error)
  })
  const key = parsePrivateKey(pem)
  // The Ed25519 signature is what every reader of a checkpoint can check.
  if (key.algorithm !== 'ed25519') throw new HoldfastError('bad-input', 'a log key must be Ed25519')
  return {
    name: origin,
    publicKey: key.publicKey,
    sign: message => key.sign(message),
    vkey: printVerifierKey(origin, key.publicKey, crypto),
  }
}

/**
 * For a region's first start. A key made later by mistake, because the file was lost, does no harm: the ledger stops
 * when the published checkpoint is not by it.
 */
export async function loadOrCreateLogKey(path: string, origin: string, crypto: Sha256): Promise<LogKey> {
  try {
    return await loadLogKey(path, origin, crypto)
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'not-found') throw error
  }
  await writeFileDurable(path, utf8(generatePrivateKey('ed25519').toPem()), 0o600)
  return loadLogKey(path, origin, crypto)
}
