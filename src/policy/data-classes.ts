/** What a bucket holds, and which classes are kinds of which: what binds personal data binds health data. */

/** Each with the class that it is a kind of; `null`: of none. */
export const dataClassParents = {
  personal: null,
  'sensitive-personal': 'personal',
  health: 'sensitive-personal',
  financial: 'sensitive-personal',
  payment: 'financial',
  'state-personal': 'personal',
  securities: null,
  accounts: null,
  important: null,
  logs: null,
  'non-personal': null,
} as const satisfies Readonly<Record<string, string | null>>

export type DataClass = keyof typeof dataClassParents

/** Anything else is `needs review`, never allowed. */
export const dataClasses = Object.keys(dataClassParents) as readonly DataClass[]

/**
 * Whether what binds data of the one class binds it in a bucket of the other too: the same class or a kind of it. What
 * is nobody's in particular may be anywhere.
 */
export function keepsRules(from: string, to: string): boolean {
  const [source, target] = [parseDataClass(from), parseDataClass(to)]
  if (source === null || target === null) return false
  if (source === 'non-personal') return true
  for (let at: DataClass | null = target; at !== null; at = dataClassParents[at])
    if (at === source) return true
  return false
}

export function parseDataClass(text: string): DataClass | null {
  return Object.hasOwn(dataClassParents, text) ? (text as DataClass) : null
}
