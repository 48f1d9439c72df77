/** What an arrival's digests bind and do not show: who was given access by it, and what it locks. Both are entered. */
import type { By, EntryDraft } from '../ledger/entry-types.ts'
import { lockEntry } from '../ledger/lock-entry.ts'
import type { BucketRow, ObjectRow } from '../store/rows.ts'

export function broughtAlong(bucket: BucketRow, key: string, row: ObjectRow, by: By): EntryDraft[] {
  const { versionId, originId, acl, owner, retention, legalHold } = row
  const { tenant } = bucket
  const of = { bucket: bucket.name, key, versionId, originId, by }
  const entries: EntryDraft[] = []
  if (acl !== undefined || owner !== undefined) {
    const whole = [{ grantee: { tenant: owner ?? tenant }, permission: 'FULL_CONTROL' }] as const
    const grants = (acl ?? whole).map(({ grantee, permission }) => ({
      to: 'group' in grantee ? grantee.group : grantee.tenant,
      permission,
    }))
    entries.push({ tenant, type: 'object.acl', body: { ...of, grants } })
  }
  if (retention !== undefined || legalHold !== undefined)
    entries.push({ tenant, type: 'object.locked', body: { ...of, lock: lockEntry(row) } })
  return entries
}
