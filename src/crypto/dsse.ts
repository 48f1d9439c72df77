import { concat, fromBase64, toBase64, utf8 } from '../core/bytes.ts'

/**
 * DSSE v1 envelopes (secure-systems-lab/dsse, `protocol.md` and `envelope.md`). Nothing here hashes or signs, so
 * the verifier can use it in a browser; `signed-document.ts` does.
 */
export interface Envelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signatures: readonly EnvelopeSignature[]
}

export interface EnvelopeSignature {
  /** A hint and no more: whoever verifies takes key and algorithm from a list of its own. */
  readonly keyid: string
  readonly signature: Uint8Array
}

/** An envelope as it stands in JSON: in entries, in `trust.json`, on the wire. */
export type EnvelopeJson = {
  readonly payloadType: string
  readonly payload: string
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[]
}

/** What is signed. The lengths are in front so that no type and payload can be read as another pair. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType)
  return concat(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload)
}

/** `null` unless it is an envelope. Fields it does not know are passed over, as DSSE asks. */
export function parseEnvelope(value: unknown): Envelope | null {
  if (!isRecord(value)) return null
  const { payloadType, payload, signatures } = value
  if (typeof payloadType !== 'string' || !payloadType.isWellFormed() || payloadType === '') return null
  const body = typeof payload === 'string' ? fromEitherBase64(payload) : null
  if (body === null || !Array.isArray(signatures)) return null
  const parsed: EnvelopeSignature[] = []
  for (const entry of signatures as unknown[]) {
    if (!isRecord(entry) || typeof entry.sig !== 'string') return null
    const { keyid = '' } = entry
    const signature = fromEitherBase64(entry.sig)
    if (signature === null || typeof keyid !== 'string') return null
    parsed.push({ keyid, signature })
  }
  return { payloadType, payload: body, signatures: parsed }
}

export function printEnvelope(envelope: Envelope): EnvelopeJson {
  return {
    payload: toBase64(envelope.payload),
    payloadType: envelope.payloadType,
    signatures: envelope.signatures.map(({ keyid, signature }) => ({ keyid, sig: toBase64(signature) })),
  }
}

/** One alphabet or the other, never both in one value; padding is required in either. */
function fromEitherBase64(text: string): Uint8Array | null {
  if (!/[-_]/.test(text)) return fromBase64(text)
  return /[+/]/.test(text) ? null : fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
