import { HoldfastError } from '../core/errors.ts'
import type { Refusal } from '../policy/authorized.ts'

/** A refusal that ends a step of a transfer; `rule` goes over the wire and into the books. */
export class TransferRefused extends HoldfastError {
  readonly rule: string

  constructor(rule: string, message: string) {
    super('peer-refused', message, { rule })
    this.rule = rule
  }

  static of(refusal: Refusal): TransferRefused {
    return new TransferRefused(refusal.rule, refusal.message)
  }
}

const passing: ReadonlySet<string> = new Set([
  'approvers-differ',
  'approvers-stale',
  // Here its time has come; the other end's clock is behind.
  'instruction-not-yet-valid',
  // Its operator makes room, or the instruction expires first.
  'store-full',
])

/**
 * Nobody has said no: the two ends do not know the same yet, of the tenant's will or of the time, or the other has no
 * room. It is tried again.
 */
export function isPassing({ rule }: TransferRefused): boolean {
  return passing.has(rule)
}
