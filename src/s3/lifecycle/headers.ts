/** What answers say of rules that will end something. */
import { createConfigCache } from '../../store/bucket-configs.ts'
import type { ObjectRow } from '../../store/rows.ts'
import { readLifecycle } from '../configs/lifecycle.ts'
import { httpDate } from '../object-headers.ts'
import type { LocatedBucket } from '../operation.ts'
import { abortOf, expirationOf, realDayMs } from './rules.ts'

export interface LifecycleHeaders {
  /** `x-amz-expiration`, when a rule ends this current version. */
  readonly ofObject: (bucket: LocatedBucket, key: string, row: ObjectRow) => Promise<Record<string, string>>
  /** `x-amz-abort-date` and the rule's id. */
  readonly ofUpload: (
    bucket: LocatedBucket,
    key: string,
    startedUnixMs: number,
  ) => Promise<Record<string, string>>
}

const none: Record<string, string> = {}

/** Dates are those of days that are days: a shorter day in the configuration is for trying things out. */
export function createLifecycleHeaders(): LifecycleHeaders {
  const rulesOf = createConfigCache('lifecycle', body => readLifecycle(Buffer.from(body)))
  return {
    async ofObject({ row: bucket, region }, key, row) {
      if (bucket.configs?.lifecycle === undefined) return none
      const due = expirationOf((await rulesOf(region.catalog, bucket)) ?? [], key, row, realDayMs)
      if (due === null) return none
      const id = encodeURIComponent(due.rule.id)
      return { 'x-amz-expiration': `expiry-date="${httpDate(due.atUnixMs)}", rule-id="${id}"` }
    },

    async ofUpload({ row: bucket, region }, key, startedUnixMs) {
      if (bucket.configs?.lifecycle === undefined) return none
      const due = abortOf((await rulesOf(region.catalog, bucket)) ?? [], key, startedUnixMs, realDayMs)
      if (due === null) return none
      return {
        'x-amz-abort-date': httpDate(due.atUnixMs),
        'x-amz-abort-rule-id': encodeURIComponent(due.rule.id),
      }
    },
  }
}
