/**
 * Judges documents by copies of the verifier, each in a folder of its own. Reads cases from its standard input and
 * prints, for each, whether the copy took the document, and why not. A process of its own, because each copy is loaded
 * by Node as it stands, with its types taken off.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'

export interface JudgeCase {
  /** With `verify/`, `core/` and `crypto/` in it. */
  readonly folder: string
  readonly kind: 'statement' | 'receipt' | 'promise'
  /** Base64. */
  readonly document: string
  readonly trust: string
}

export interface Judgement {
  readonly verified: boolean
  readonly failures: readonly string[]
}

if (import.meta.main) {
  const cases = JSON.parse(readFileSync(0, 'utf8')) as JudgeCase[]
  const judgements: Judgement[] = []
  for (const each of cases) judgements.push(await judge(each))
  process.stdout.write(JSON.stringify(judgements))
}

async function judge({ folder, kind, document, trust: text }: JudgeCase): Promise<Judgement> {
  const load = (name: string) => import(join(folder, 'verify', name))
  try {
    const { parseTrust } = await load('trust.ts')
    const trust = parseTrust(text, nodeVerifyCrypto)
    if (typeof trust === 'string') return { verified: false, failures: [`trust: ${trust}`] }
    const bytes = Buffer.from(document, 'base64')
    if (kind === 'statement') {
      const { verifyStatement } = await load('statement.ts')
      return plain(verifyStatement(bytes, trust, nodeVerifyCrypto))
    }
    const { verifyReceipt } = await load('receipt.ts')
    const { verifyPromise } = await load('promise.ts')
    const verify = kind === 'receipt' ? verifyReceipt : verifyPromise
    return plain(verify(bytes.toString('utf8'), trust, nodeVerifyCrypto))
  } catch (error) {
    return { verified: false, failures: [`threw: ${String(error)}`] }
  }
}

function plain({ verified, failures = [] }: { verified: boolean; failures?: readonly string[] }): Judgement {
  return { verified, failures }
}
