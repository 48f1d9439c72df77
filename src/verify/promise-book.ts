import { isoTime, parseIsoTime } from '../core/time.ts'
import type { EntryPayload } from './payload.ts'
import { type EntryPromise, type PromisedEntry, promiseFault } from './promise.ts'
import type { CheckedRow, StatementFacts } from './statement.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export type PromiseState =
  /** No statement that was looked at must hold it yet. */
  | { readonly state: 'open' }
  | { readonly state: 'kept'; readonly seq: number }
  /** With the promise and the statement in hand: proof of fraud. */
  | { readonly state: 'broken'; readonly reason: string }

/** Promises that were verified, against the statements that come after them. */
export class PromiseBook {
  readonly #crypto: Pick<VerifyCrypto, 'sha256'>
  readonly #promised = new Map<string, { readonly entry: PromisedEntry; readonly dueUnixMs: number }>()
  readonly #states = new Map<string, PromiseState>()

  constructor(crypto: Pick<VerifyCrypto, 'sha256'>) {
    this.#crypto = crypto
  }

  add({ region, time, withinSeconds, entries }: EntryPromise): void {
    const dueUnixMs = parseIsoTime(time)! + withinSeconds * 1000
    for (const entry of entries) {
      const key = keyOf(region, entry.id)
      const before = this.#promised.get(key)
      if (before !== undefined && before.entry.digest !== entry.digest) {
        this.#states.set(key, {
          state: 'broken',
          reason: `entry ${entry.id} was promised twice, as two things`,
        })
      }
      // Promised twice, it is due when it was promised first.
      this.#promised.set(key, { entry, dueUnixMs: Math.min(dueUnixMs, before?.dueUnixMs ?? dueUnixMs) })
    }
  }

  stateOf(region: string, entryId: string): PromiseState {
    return this.#states.get(keyOf(region, entryId)) ?? { state: 'open' }
  }

  /** Follows one statement's rows; nothing of it counts before `close` says that the statement verified. */
  follow(): { saw(row: CheckedRow): void; close(facts: StatementFacts, coversFromStart: boolean): void } {
    const seen: { readonly payload: EntryPayload; readonly seq: number }[] = []
    const erased: { readonly id: string; readonly seq: number }[] = []
    return {
      saw: ({ payload, seq }) => {
        if (payload === null) return
        if (this.#promised.has(keyOf(payload.region, payload.id))) seen.push({ payload, seq })
        if (payload.type === 'entries.erased') erased.push(...erasedIds(payload))
      },
      close: (facts, coversFromStart) => {
        for (const { payload, seq } of seen) this.#entered(payload, seq)
        // It was entered, and its payload was erased on the tenant's own instruction: it cannot be compared any more.
        for (const { id, seq } of erased) {
          const key = keyOf(facts.region, id)
          if (this.#states.get(key)?.state !== 'broken') this.#states.set(key, { state: 'kept', seq })
        }
        // A part that ends early, or begins late, need not hold it.
        if (!coversFromStart || facts.first + facts.count < facts.entered) return
        for (const [key, { entry, dueUnixMs }] of this.#promised) {
          const late = parseIsoTime(facts.time)! > dueUnixMs
          if (this.#states.has(key) || !late || key !== keyOf(facts.region, entry.id)) continue
          const reason = `entry ${entry.id} was promised by ${isoTime(dueUnixMs)} and is not in the statement of ${facts.time}`
          this.#states.set(key, { state: 'broken', reason })
        }
      },
    }
  }

  #entered(payload: EntryPayload, seq: number): void {
    const key = keyOf(payload.region, payload.id)
    if (this.#states.get(key)?.state === 'broken') return
    const fault = promiseFault(this.#promised.get(key)!.entry, payload, this.#crypto)
    this.#states.set(key, fault === null ? { state: 'kept', seq } : { state: 'broken', reason: fault })
  }
}

/** `docs/formats/entry.md`, `entries.erased`: pairs of sequence number and entry id. */
function erasedIds({ body }: EntryPayload): { readonly id: string; readonly seq: number }[] {
  const pairs = Array.isArray(body.entries) ? (body.entries as readonly unknown[]) : []
  return pairs.flatMap(pair => {
    const [seq, id] = Array.isArray(pair) ? (pair as readonly unknown[]) : []
    return typeof id === 'string' && typeof seq === 'number' ? [{ id, seq }] : []
  })
}

function keyOf(region: string, entryId: string): string {
  return `${region}/${entryId}`
}
