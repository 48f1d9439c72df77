import type { Json } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import type { Envelope } from '../crypto/dsse.ts'
import { canonicalFields } from './approver-set.ts'
import { documentIdOf } from './verdict-document.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

const instructionType = 'application/vnd.holdfast.instruction+json'

/** Of the kinds that a verifier carries out in its head; in order, as canonical JSON has them. */
const fieldsOf = {
  approvers: 'after,by,expires,kind,ledger,nonce,notBefore,number,purpose,set,tenant,v',
  erase: 'expires,kind,ledger,nonce,notBefore,purpose,region,scope,tenant,v',
} as const

/** Longer than this nobody's order stands, of any kind. */
const maxLifeMs = 366 * 86_400e3

/** What every kind has of what approvals are judged by. */
export interface SignedOrder {
  readonly id: string
  readonly expiresUnixMs: number
  readonly fields: Readonly<Record<string, Json>>
}

/**
 * An instruction as it stands in the books, or what is wrong. It is read as strictly as regions read it: with a field
 * that this version does not know it could mean something else to whoever signed it.
 */
export function openOrder(
  envelope: Envelope,
  kind: keyof typeof fieldsOf,
  tenant: string,
  crypto: VerifyCrypto,
): SignedOrder | string {
  if (envelope.payloadType !== instructionType) return 'it is no instruction'
  const fields = canonicalFields(envelope.payload)
  if (fields === null) return 'its payload is not canonical JSON'
  if (fields.kind !== kind) return 'it is of another kind'
  const { drafter: _, ...others } = fields
  if (Object.keys(others).join() !== fieldsOf[kind]) return 'it has other fields than the format'
  if (fields.v !== 1) return 'it has another version than 1'
  if (fields.tenant !== tenant) return 'it is of another tenant'
  const [notBefore, expires] = [fields.notBefore, fields.expires].map(text =>
    typeof text === 'string' ? parseIsoTime(text) : null,
  )
  if (typeof notBefore !== 'number' || typeof expires !== 'number')
    return 'it does not say from when until when'
  if (expires <= notBefore || expires - notBefore > maxLifeMs)
    return 'it is valid for no time, or for too long'
  return { id: documentIdOf(envelope, crypto), expiresUnixMs: expires, fields }
}
