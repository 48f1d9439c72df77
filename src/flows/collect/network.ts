import type { AddressWords } from '../address-words.ts'

/** What a roll-up keeps of a destination: the smallest networks that are routed on their own. */
export const networkBits = { 4: 24, 6: 48 } as const

export function networkOf([a, b, c, d]: AddressWords, family: 4 | 6): AddressWords {
  return family === 4 ? [(a & 0xffff_ff00) >>> 0, b, c, d] : [0, 0, (c & 0xffff_0000) >>> 0, d]
}
