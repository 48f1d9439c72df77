import { hash } from 'node:crypto'
import { utf8 } from '../core/bytes.ts'
import { canonicalJson, type Json } from '../core/canonical-json.ts'
import { type Envelope, pae } from './dsse.ts'
import { keyIdOf, type PrivateKey } from './signatures.ts'

/** A draft: the document in its envelope, with no signature yet. It already has its id. */
export function createDocument(payloadType: string, payload: Json): Envelope {
  return { payloadType, payload: utf8(canonicalJson(payload)), signatures: [] }
}

/** The id names the content and not the signatures, so all approvers of one document approve one id. */
export function documentId(envelope: Envelope): string {
  return hash('sha256', pae(envelope.payloadType, envelope.payload), 'hex')
}

export function signDocument(envelope: Envelope, ...keys: readonly PrivateKey[]): Envelope {
  const message = pae(envelope.payloadType, envelope.payload)
  const added = keys.map(key => ({
    keyid: keyIdOf(key),
    signature: key.sign(message),
  }))
  return { ...envelope, signatures: [...envelope.signatures, ...added] }
}
