import { existsSync } from 'node:fs'
import { toHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { generatePrivateKey, keyIdOf, parseSignatureAlgorithm } from '../crypto/signatures.ts'
import { saveSecret } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'

export async function keygenCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      output: { type: 'string', short: 'o' },
      algorithm: { type: 'string', default: 'ed25519' },
      json: { type: 'boolean' },
    },
  })
  const path = required(values.output, '-o FILE')
  if (existsSync(path)) throw new HoldfastError('conflict', `${path} exists; a key is never written over`)
  const algorithm = parseSignatureAlgorithm(values.algorithm)
  if (algorithm === null) throw new UsageError('--algorithm is ed25519, ecdsa-p256-sha256 or rsa-pss-sha256')
  const key = generatePrivateKey(algorithm)
  await saveSecret(path, key.toPem())
  const facts = {
    key: path,
    algorithm: key.algorithm,
    publicKey: toHex(key.publicKey),
    keyId: keyIdOf(key),
  }
  if (values.json) io.stdout.write(`${JSON.stringify(facts)}\n`)
  else
    io.stdout.write(
      `${path} written, mode 0600\n  algorithm   ${facts.algorithm}\n  public key  ${facts.publicKey}\n  key id      ${facts.keyId}\n`,
    )
  return 0
}
