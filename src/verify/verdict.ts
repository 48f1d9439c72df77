/** A check that failed says which fact failed, not only that one did. */
export interface Refused {
  readonly verified: false
  readonly failures: readonly string[]
}

export const notAnchored = 'not anchored: no trust file with a log key and chain key'

export function refused(...failures: readonly string[]): Refused {
  return { verified: false, failures }
}
