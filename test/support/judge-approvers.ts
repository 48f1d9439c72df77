/**
 * Judges signatures by copies of the verifier, each in a folder of its own. Reads cases from its standard input and
 * prints, for each, whether the copy took the signature for the approver's.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SignatureCase {
  /** With `core/`, `crypto/` and `verify/` in it. */
  readonly folder: string
  /** As it stands in documents. */
  readonly approver: unknown
  /** Base64. */
  readonly message: string
  readonly signature: string
}

if (import.meta.main) {
  const judged: boolean[] = []
  for (const { folder, approver, message, signature } of JSON.parse(
    readFileSync(0, 'utf8'),
  ) as SignatureCase[]) {
    const { approverSigned, parseApproverSet } = await import(join(folder, 'verify', 'approvers.ts'))
    const { nodeVerifyCrypto } = await import(join(folder, 'crypto', 'node-verify-crypto.ts'))
    const [listed] = parseApproverSet([approver], 1).approvers
    const bytes = [message, signature].map(text => new Uint8Array(Buffer.from(text, 'base64')))
    judged.push(approverSigned(listed, ...bytes, nodeVerifyCrypto))
  }
  process.stdout.write(JSON.stringify(judged))
}
