import { canonicalJson, type Json } from '../core/canonical-json.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import type { ApproverBook } from './approver-book.ts'
import { checkedDrafter, followChain, parseLinks } from './approver-chain.ts'
import { isRecord } from './approver-set.ts'
import type { Genesis } from './genesis.ts'
import { isApproved, judge } from './judge.ts'
import type { LogKeys } from './log-keys.ts'
import { openOrder } from './order-document.ts'
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
  readonly #approvers: ApproverBook
  readonly #crypto: VerifyCrypto
  /** Row numbers by sequence number. */
  readonly #blank = new Map<number, number>()
  readonly #erased = new Set<number>()

  constructor(trust: Trust, log: LogKeys, approvers: ApproverBook, crypto: VerifyCrypto) {
    this.#trust = trust
    this.#log = log
    this.#approvers = approvers
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
    const { tenant, genesis } = this.#trust
    const judge = { tenant, genesis, origin: this.#log.origin, approvers: this.#approvers }
    const scope = orderedErasure(body, judge, this.#crypto)
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
  /** What the entries before it tell: who may sign, and whose delegation was taken back. */
  readonly approvers: Pick<ApproverBook, 'isInForce' | 'isWithdrawn'>
}

/**
 * The entries that the tenant's quorum ordered to be erased, by sequence number and id, as the body of an
 * `entries.erased` proves it; or why it does not.
 */
export function orderedErasure(
  body: EntryPayload['body'],
  { tenant, genesis, origin, approvers }: ErasureJudge,
  crypto: VerifyCrypto,
): (readonly [seq: number, id: string])[] | string {
  const envelope = parseEnvelope(body.envelope)
  const order = envelope === null ? 'it is no envelope' : openOrder(envelope, 'erase', tenant, crypto)
  if (typeof order === 'string') return `the instruction: ${order}`
  const { id, expiresUnixMs, fields } = order
  if (fields.ledger !== origin) return 'the instruction names another ledger'
  const scope = isRecord(fields.scope) ? entriesIn(fields.scope.entries) : null
  if (scope === null) return 'the instruction does not say what'
  // Who looks for an entry that was promised believes this list; the approvers have signed the other.
  if (body.entries !== undefined && canonicalJson(body.entries) !== canonicalJson(scope))
    return 'it lists other entries than the instruction'
  const links = body.chain === undefined ? [] : parseLinks(body.chain)
  const set = links === null ? 'it is no chain of changes' : followChain(genesis, links, crypto)
  if (typeof set === 'string') return `the approvers: ${set}`
  // By those who could sign once and cannot any more, or not yet.
  if (!approvers.isInForce(body.chain ?? [])) return 'it is judged by other approvers than were in force'
  const approvals = (Array.isArray(body.approvals) ? (body.approvals as Json[]) : [])
    .map(value => parseEnvelope(value))
    .map(approval => (approval === null ? '' : openVerdict(approval, set, crypto)))
    .filter(verdict => typeof verdict !== 'string')
  const drafter = checkedDrafter(envelope!, fields.drafter, set, crypto)
  const judgement = judge(
    { id, kind: 'erase', expiresUnixMs, drafter, by: 'approvers', isAbroad: false },
    approvals,
    set,
    delegation => approvers.isWithdrawn(delegation),
  )
  if (isApproved(judgement)) return scope
  const { approvals: count, quorum, separate } = judgement
  return `${count} of ${quorum} approvers have signed for it${separate ? '' : ', and nobody but who drafted it'}`
}

/** Pairs of sequence number and entry id. */
function entriesIn(value: unknown): (readonly [number, string])[] | null {
  if (!Array.isArray(value)) return null
  const pairs: (readonly [number, string])[] = []
  for (const pair of value as Json[]) {
    const [seq, id, ...more] = Array.isArray(pair) ? (pair as Json[]) : []
    if (typeof seq !== 'number' || typeof id !== 'string' || more.length > 0) return null
    pairs.push([seq, id])
  }
  return pairs
}
