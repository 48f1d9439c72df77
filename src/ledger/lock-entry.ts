import { isoTime } from '../core/time.ts'
import type { ObjectRow } from '../store/rows.ts'
import type { LockBody } from './entry-types.ts'

/** What is entered of a version's lock. */
export function lockEntry({ retention, legalHold }: Pick<ObjectRow, 'retention' | 'legalHold'>): LockBody {
  return {
    mode: retention?.mode ?? null,
    until: retention === undefined ? null : isoTime(retention.untilUnixMs),
    legalHold: legalHold ?? null,
  }
}
