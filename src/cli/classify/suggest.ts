/** From what was found to a class: a suggestion, by a rule that can be said in two sentences. */
import type { DataClass } from '../../policy/data-classes.ts'
import type { KindTally } from './tally.ts'

/** Printed with every answer. */
export const suggestionRule =
  'A kind speaks for its class when 3 distinct ones were found (1 IBAN or GSTIN), and more than chance explains: ' +
  'more than e + 4√e, where e is how many would be found by chance. Of the classes spoken for, the first of ' +
  'payment, financial, sensitive-personal, personal, accounts is suggested.'

/** By how much the law asks of them; a bucket has one class, so the strictest that is spoken for. */
const byStrictness = [
  'payment',
  'financial',
  'sensitive-personal',
  'personal',
  'accounts',
] as const satisfies readonly DataClass[]

export interface Suggestion {
  readonly dataClass: DataClass
  /** The kinds that speak for it. */
  readonly because: readonly KindTally[]
}

/** `null`: nothing speaks, which is no proof that nothing is there. */
export function suggestClass(kinds: readonly KindTally[], scannedBytes: number): Suggestion | null {
  const speaking = kinds.filter(kind => speaks(kind, scannedBytes))
  for (const dataClass of byStrictness) {
    const because = speaking.filter(({ detector }) => detector.speaksFor === dataClass)
    if (because.length > 0) return { dataClass, because }
  }
  return null
}

/**
 * One number in ten has the right check digit without being an identifier, so ten thousand order numbers hold a
 * thousand "cards". Counts of accidents scatter about e by √e (Poisson); four times that is one time in thousands.
 */
function speaks({ detector, distinct, distinctShaped }: KindTally, scannedBytes: number): boolean {
  const { chance, enough } = detector
  const expected = 'perShape' in chance ? distinctShaped * chance.perShape : scannedBytes * chance.perByte
  return distinct >= enough && distinct > expected + 4 * Math.sqrt(expected)
}
