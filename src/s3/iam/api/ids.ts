import type { RandomBytes } from '../../../core/ids.ts'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** `AIDA…` and its like: four letters that say what it is, and 17 that nobody can guess. */
export function newId(prefix: string, randomBytes: RandomBytes, length = 17): string {
  let id = prefix
  for (const byte of randomBytes(length)) id += letters[byte & 31]!
  return id
}
