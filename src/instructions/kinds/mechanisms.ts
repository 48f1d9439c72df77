/** On what a law's exception rests, as an instruction names it. */

/**
 * The mechanisms that an instruction names, as packs name them: separated by commas, each with what else is to be said
 * of it after a colon (`scc: module 2, consent`). A word within a sentence is none.
 */
export function mechanismsOf(text: string | null): string[] {
  const names = (text ?? '').split(',').map(part => part.split(':')[0]!.trim().toLowerCase())
  return [...new Set(names)].filter(name => name !== '')
}
