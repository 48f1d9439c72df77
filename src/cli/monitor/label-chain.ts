/**
 * One tenant's labels among the leaves of a log: number 0, 1, 2, … each once and in order. Only who holds the chain key
 * can tell. Needs 16 bytes for each number that was seen, to know it again.
 */
import { equalBytes } from '../../core/bytes.ts'
import { labelsOf } from '../../verify/leaf.ts'
import type { VerifyCrypto } from '../../verify/verify-crypto.ts'

export interface LabelFault {
  readonly kind: 'label-missing' | 'label-duplicated'
  readonly what: string
}

/** How far behind the next number a label is recognised; what is withheld is more likely one entry than a thousand. */
const window = 1024

export class LabelChain {
  readonly #label: (seq: number) => Uint8Array
  readonly #seen = new Prints()
  readonly #ahead = new Map<number, { readonly seq: number; readonly label: Uint8Array }>()
  readonly #missing: Set<number>
  #next = 0

  constructor(
    chainKey: Uint8Array,
    crypto: Pick<VerifyCrypto, 'sha256'>,
    state: { readonly next: number; readonly missing: readonly number[] } = { next: 0, missing: [] },
  ) {
    this.#label = labelsOf(chainKey, crypto)
    this.#missing = new Set(state.missing)
    for (let seq = 0; seq < state.next; seq++) this.#seen.add(printOf(this.#label(seq)))
    for (let seq = state.next; seq < state.next + window; seq++) this.#expect(seq)
    this.#next = state.next
  }

  /** The number that comes next: so many entries of the tenant there are. */
  get next(): number {
    return this.#next
  }

  state(): { next: number; missing: number[] } {
    return { next: this.#next, missing: [...this.#missing] }
  }

  /** What is wrong with a label at this place of the log, or `null`; another tenant's is passed over. */
  see(label: Uint8Array, index: number): LabelFault | null {
    const print = printOf(label)
    const ahead = this.#ahead.get(print)
    if (ahead !== undefined && equalBytes(ahead.label, label)) return this.#reached(ahead.seq, index)
    if (!this.#seen.has(print)) return null
    const seq = this.#find(label)
    if (seq === null) return null
    const late = this.#missing.delete(seq)
    return late
      ? {
          kind: 'label-missing',
          what: `number ${seq} stands behind number ${this.#next - 1}, at leaf ${index}`,
        }
      : { kind: 'label-duplicated', what: `number ${seq} stands a second time, at leaf ${index}` }
  }

  #reached(seq: number, index: number): LabelFault | null {
    const from = this.#next
    for (; this.#next <= seq; this.#next++) {
      const print = printOf(this.#label(this.#next))
      this.#ahead.delete(print)
      this.#seen.add(print)
      if (this.#next < seq) this.#missing.add(this.#next)
      this.#expect(this.#next + window)
    }
    if (from === seq) return null
    const range = from === seq - 1 ? `number ${from} is` : `numbers ${from} to ${seq - 1} are`
    return { kind: 'label-missing', what: `${range} missing before number ${seq} at leaf ${index}` }
  }

  #expect(seq: number): void {
    const label = new Uint8Array(this.#label(seq))
    this.#ahead.set(printOf(label), { seq, label })
  }

  /** Slow, and only for what is an alarm. */
  #find(label: Uint8Array): number | null {
    for (let seq = 0; seq < this.#next; seq++) if (equalBytes(this.#label(seq), label)) return seq
    return null
  }
}

/** 53 bits of a label, which is what a number holds; never 0. */
function printOf(label: Uint8Array): number {
  const view = new DataView(label.buffer, label.byteOffset)
  return view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11) || 1
}

/** A set of such numbers in one block: a `Set` takes five times as much. */
class Prints {
  #slots = new Float64Array(1024)
  #count = 0

  add(print: number): void {
    if (this.#count * 2 >= this.#slots.length) this.#grow()
    const at = this.#slotOf(print)
    if (this.#slots[at] === print) return
    this.#slots[at] = print
    this.#count++
  }

  has(print: number): boolean {
    return this.#slots[this.#slotOf(print)] === print
  }

  #slotOf(print: number): number {
    const slots = this.#slots
    let at = print % slots.length
    while (slots[at] !== 0 && slots[at] !== print) at = (at + 1) % slots.length
    return at
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Float64Array(before.length * 2)
    for (const print of before) if (print !== 0) this.#slots[this.#slotOf(print)] = print
  }
}
