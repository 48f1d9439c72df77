/** The keys of a log as far as they are known, and the way to newer ones. */
import { fromUtf8 } from '../../core/bytes.ts'
import { HoldfastError } from '../../core/errors.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { parseCheckpoint } from '../../verify/checkpoint-text.ts'
import { followRotations, type LogKeys } from '../../verify/log-keys.ts'
import { parseVerifierKey } from '../../verify/verifier-key.ts'
import { newerRotations } from '../key-history.ts'
import type { Tree } from './compare-trees.ts'
import type { LogSource } from './log-source.ts'

export function logOf(vkey: string, rotations: readonly string[]): LogKeys {
  const first = parseVerifierKey(vkey, crypto)
  if (first === null) throw new HoldfastError('bad-input', `“${vkey}” is no Ed25519 verifier key`)
  const log = followRotations(first, rotations, crypto)
  if (typeof log === 'string') throw new HoldfastError('not-verified', log)
  return log
}

/** All rotations, where the log tells of some and each is signed for; else what is wrong. `null`: it tells of none. */
export async function tellKeys(
  source: LogSource,
  known: { readonly vkey: string; readonly rotations: readonly string[] },
): Promise<{ readonly rotations: readonly string[] } | string | null> {
  const bytes = await source.read('keys')
  if (bytes === null) return null
  let answer: unknown
  try {
    answer = JSON.parse(fromUtf8(bytes))
  } catch {
    return 'the keys are no JSON'
  }
  const rotations = newerRotations(known, answer)
  if (typeof rotations === 'string') return `the log ${rotations}`
  try {
    logOf(known.vkey, rotations)
  } catch (error) {
    return (error as Error).message
  }
  return { rotations }
}

/** The tree that a rotation names, which is signed like a checkpoint's. */
export function rotatedAt(note: string): Tree | null {
  // Lines two, four and five of its text are those of a checkpoint.
  const [, origin = '', , size = '', root = ''] = note.split('\n')
  return parseCheckpoint(`${origin}\n${size}\n${root}\n`)
}
