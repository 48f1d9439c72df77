import { fromUtf8, toHex } from '../core/bytes.ts'
import { type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { type Envelope, pae, parseEnvelope } from '../crypto/dsse.ts'
import type { LogKeys } from './log-keys.ts'
import type { EntryPayload } from './payload.ts'
import type { Trust } from './trust.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

const instructionType = 'application/vnd.holdfast.instruction+json'
const approvalType = 'application/vnd.holdfast.approval+json'

/**
 * Which rows of a statement are blank, and on whose word. A payload and its salt are erased only on an instruction of
 * kind `erase` that names the entries and has the tenant's quorum; instruction and approvals stand in the entry
 * `entries.erased`, so that the verifier needs nobody's word for it.
 */
export class ErasureBook {
  readonly #trust: Trust
  readonly #log: LogKeys
  readonly #crypto: VerifyCrypto
  /** Row numbers by sequence number. */
  readonly #blank = new Map<number, number>()
  readonly #erased = new Set<number>()

  constructor(trust: Trust, log: LogKeys, crypto: VerifyCrypto) {
    this.#trust = trust
    this.#log = log
    this.#crypto = crypto
  }

  get blank(): number {
    return this.#blank.size
  }

  sawBlank(seq: number, row: number): void {
    this.#blank.set(seq, row)
  }

  /** What is wrong with an entry as one that tells of an erasure, or `null`; other entries are passed over. */
  read({ type, body }: EntryPayload): string | null {
    if (type !== 'entries.erased') return null
    const scope = this.#ordered(body)
    if (typeof scope === 'string') return `the erasure: ${scope}`
    for (const seq of scope) this.#erased.add(seq)
    return null
  }

  faults(): string[] {
    return [...this.#blank]
      .filter(([seq]) => !this.#erased.has(seq))
      .map(([, row]) => `row ${row}: it is blank, and no instruction in this statement had it erased`)
  }

  /** The sequence numbers that the tenant's quorum ordered to be erased, or why they cannot be taken for that. */
  #ordered(body: EntryPayload['body']): number[] | string {
    const envelope = parseEnvelope(body.envelope)
    if (envelope === null || envelope.payloadType !== instructionType) return 'it holds no instruction'
    const id = this.#idOf(envelope)
    const order = openJson(envelope)
    if (order?.kind !== 'erase' || order.tenant !== this.#trust.tenant)
      return 'the instruction is no erasure of this tenant'
    if (order.ledger !== this.#log.origin) return 'the instruction names another ledger'
    const seqs = sequenceNumbers(order.scope)
    const expires = typeof order.expires === 'string' ? parseIsoTime(order.expires) : null
    if (seqs === null || expires === null) return 'the instruction does not say what or until when'
    const approvals = Array.isArray(body.approvals) ? (body.approvals as Json[]) : []
    const approvers = new Set<string>()
    for (const value of approvals) {
      const approver = this.#approverOf(parseEnvelope(value), id, expires)
      if (approver !== null) approvers.add(approver)
    }
    const { quorum } = this.#trust.genesis
    return approvers.size >= quorum ? seqs : `${approvers.size} of ${quorum} approvers have signed for it`
  }

  #approverOf(envelope: Envelope | null, instruction: string, expires: number): string | null {
    if (envelope === null || envelope.payloadType !== approvalType) return null
    const approval = openJson(envelope)
    const time = typeof approval?.time === 'string' ? parseIsoTime(approval.time) : null
    if (approval?.instruction !== instruction || approval.tenant !== this.#trust.tenant) return null
    if (time === null || time >= expires) return null
    const message = pae(envelope.payloadType, envelope.payload)
    for (const { publicKey } of this.#trust.genesis.approvers) {
      for (const { signature } of envelope.signatures)
        if (this.#crypto.verifyEd25519(publicKey, message, signature)) return toHex(publicKey)
    }
    return null
  }

  #idOf({ payloadType, payload }: Envelope): string {
    return toHex(this.#crypto.sha256(pae(payloadType, payload)))
  }
}

/** The scope of an erasure: `{"entries":[[sequence number, entry id], …]}`. */
function sequenceNumbers(scope: Json | undefined): number[] | null {
  if (!isRecord(scope) || !Array.isArray(scope.entries)) return null
  const seqs: number[] = []
  for (const entry of scope.entries as Json[]) {
    const seq = Array.isArray(entry) ? (entry as Json[])[0] : null
    if (typeof seq !== 'number') return null
    seqs.push(seq)
  }
  return seqs
}

function openJson({ payload }: Envelope): Readonly<Record<string, Json>> | null {
  try {
    const value = parseCanonicalJson(fromUtf8(payload))
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

function isRecord(value: Json | undefined): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
