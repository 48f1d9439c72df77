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

/** The two ends do not know the same of the tenant's will yet; that passes. */
export function waitsForKnowledge({ rule }: TransferRefused): boolean {
  return rule === 'approvers-differ' || rule === 'approvers-stale'
}
