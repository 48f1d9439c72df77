import { fromUtf8, toHex } from '../core/bytes.ts'
import { canonicalJson, type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { type Envelope, pae, parseEnvelope } from '../crypto/dsse.ts'
import { checkedDrafter, followChain, instructionType, parseLinks } from './approver-chain.ts'
import type { Genesis } from './genesis.ts'
import { isApproved, judge } from './judge.ts'
import type { LogKeys } from './log-keys.ts'
import type { EntryPayload } from './payload.ts'
import type { Trust } from './trust.ts'
import { openVerdict } from './verdict-document.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

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
  readonly #withdrawn = new Set<string>()

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
    if (type === 'delegation.withdrawn' && typeof body.delegation === 'string')
      this.#withdrawn.add(body.delegation)
    if (type !== 'entries.erased') return null
    const { tenant, genesis } = this.#trust
    const scope = orderedErasure(
      body,
      { tenant, genesis, origin: this.#log.origin, isWithdrawn: id => this.#withdrawn.has(id) },
      this.#crypto,
    )
    if (typeof scope === 'string') return `the erasure: ${scope}`
    for (const [seq] of scope) this.#erased.add(seq)
    return null
  }

  /** Of a statement whose rows have the numbers from `first` on. */
  faults(first: number, rows: number): string[] {
    const unexplained = [...this.#blank]
      .filter(([seq]) => !this.#erased.has(seq))
      .map(([, row]) => `row ${row}: it is blank, and no instruction in this statement had it erased`)
    // Whoever ordered an erasure and was told that it is done is told otherwise by the row itself.
    const left = [...this.#erased]
      .filter(seq => seq >= first && seq < first + rows && !this.#blank.has(seq))
      .map(seq => `row ${seq - first + 1}: it is said to be erased, and is still here`)
    return [...unexplained, ...left]
  }
}

/** Whose ledger and whose approvers an erasure is judged by. */
export interface ErasureJudge {
  readonly tenant: string
  readonly genesis: Genesis
  /** Of the log. */
  readonly origin: string
  /** Whether a delegation had been taken back by then; left out: none was. */
  readonly isWithdrawn?: (delegation: string) => boolean
}

/**
 * The entries that the tenant's quorum ordered to be erased, by sequence number and id, as the body of an
 * `entries.erased` proves it; or why it does not.
 */
export function orderedErasure(
  body: EntryPayload['body'],
  { tenant, genesis, origin, isWithdrawn }: ErasureJudge,
  crypto: VerifyCrypto,
): (readonly [seq: number, id: string])[] | string {
  const envelope = parseEnvelope(body.envelope)
  if (envelope === null || envelope.payloadType !== instructionType) return 'it holds no instruction'
  const id = toHex(crypto.sha256(pae(envelope.payloadType, envelope.payload)))
  const order = openJson(envelope)
  if (order?.kind !== 'erase' || order.tenant !== tenant)
    return 'the instruction is no erasure of this tenant'
  if (order.ledger !== origin) return 'the instruction names another ledger'
  const scope = isRecord(order.scope) ? entriesIn(order.scope.entries) : null
  const expires = typeof order.expires === 'string' ? parseIsoTime(order.expires) : null
  if (scope === null || expires === null) return 'the instruction does not say what or until when'
  // Who looks for an entry that was promised believes this list; the approvers have signed the other.
  if (body.entries !== undefined && canonicalJson(body.entries) !== canonicalJson(scope))
    return 'it lists other entries than the instruction'
  const links = body.chain === undefined ? [] : parseLinks(body.chain)
  const set = links === null ? 'it is no chain of changes' : followChain(genesis, links, crypto)
  if (typeof set === 'string') return `the approvers: ${set}`
  const approvals = (Array.isArray(body.approvals) ? (body.approvals as Json[]) : [])
    .map(value => parseEnvelope(value))
    .map(approval => (approval === null ? '' : openVerdict(approval, set, crypto)))
    .filter(verdict => typeof verdict !== 'string')
  const drafter = checkedDrafter(envelope, order.drafter, set, crypto)
  const judgement = judge(
    { id, kind: 'erase', expiresUnixMs: expires, drafter, by: 'approvers', isAbroad: false },
    approvals,
    set,
    isWithdrawn,
  )
  if (isApproved(judgement)) return scope
  const { approvals: count, quorum, separate } = judgement
  return `${count} of ${quorum} approvers have signed for it${separate ? '' : ', and nobody but who drafted it'}`
}

/** Pairs of sequence number and entry id. */
function entriesIn(value: Json | undefined): (readonly [number, string])[] | null {
  if (!Array.isArray(value)) return null
  const pairs: (readonly [number, string])[] = []
  for (const pair of value as Json[]) {
    const [seq, id, ...more] = Array.isArray(pair) ? (pair as Json[]) : []
    if (typeof seq !== 'number' || typeof id !== 'string' || more.length > 0) return null
    pairs.push([seq, id])
  }
  return pairs
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
