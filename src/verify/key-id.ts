import { toHex } from '../core/bytes.ts'
import { type Approver, keyIdPreimage } from '../crypto/approver.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** Names an approver in entries: lower-case hex. A quorum counts keys, which are fewer than their names. */
export function approverId(approver: Approver, crypto: Pick<VerifyCrypto, 'sha256'>): string {
  return toHex(crypto.sha256(keyIdPreimage(approver)))
}
