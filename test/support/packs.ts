import type { CountryCode } from '../../src/core/ids.ts'
import type { PackFacts } from '../../src/policy/packs/pack-book.ts'

/** A copy of personal data from India to Germany, unless said otherwise. */
export function packFacts(
  change: Partial<Omit<PackFacts, 'from' | 'to' | 'toOperator'>> & {
    readonly from?: string
    readonly to?: string
    readonly toOperator?: string | null
  } = {},
): PackFacts {
  return {
    action: 'transfer',
    dataClass: 'personal',
    mode: 'copy',
    mechanisms: [],
    capacities: null,
    persons: null,
    ...change,
    from: (change.from ?? 'IN') as CountryCode,
    to: (change.to ?? 'DE') as CountryCode,
    toOperator: (change.toOperator ?? null) as CountryCode | null,
  }
}
