import { timingSafeEqual } from 'node:crypto'
import { utf8 } from '../core/bytes.ts'

/** Compares secrets (tokens, signatures) in time that depends on their lengths only. */
export function equalSecrets(a: string, b: string): boolean {
  const left = utf8(a)
  const right = utf8(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
