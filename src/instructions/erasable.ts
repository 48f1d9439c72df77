import type { EntryPayload } from '../verify/payload.ts'

/**
 * What no instruction erases: the entries by which everything else is judged. None of them says what a customer
 * stored under which name. The chain's beginning, the books' own order, every instruction with its verdicts and every
 * erasure (a blank row is believed because of them), and both ends' record of what crossed a border.
 */
const kept: Readonly<Record<string, string>> = {
  'tenant.joined': 'the chain begins with it',
  'log.rotated': 'it tells of a key of the log',
  'books.closed': 'it closes a period of the books',
  'region.restored': 'it tells what is not in the books',
  'bucketkey.created': 'what the key holder has opened is judged by it',
  'bucketkey.shredded': 'what the key holder has opened is judged by it',
  'instruction.drafted': 'what was done is judged by it',
  'instruction.approved': 'what was done is judged by it',
  'instruction.rejected': 'what was done is judged by it',
  'instruction.revoked': 'what was done is judged by it',
  'instruction.state': 'what was done is judged by it',
  'approvers.changed': 'every approval after it is judged by it',
  'delegation.withdrawn': 'what was done is judged by it',
  'entries.erased': 'blank rows are believed because of it',
  'transfer.departed': 'the other region has its counterpart',
  'transfer.arrived': 'the other region has its counterpart',
  'transfer.voided': 'the other region has its counterpart',
}

/** Why an entry cannot be erased; `null` when it can. */
export function whyKept({ type, body }: Pick<EntryPayload, 'type' | 'body'>): string | null {
  if (type === 'connection' && (body.role === 'transfer' || body.role === 'knowledge'))
    return 'the other region has its counterpart'
  return kept[type] ?? null
}

/** Origin ids of versions of which an entry says that they are no longer here. */
export function endedBy({ type, body }: Pick<EntryPayload, 'type' | 'body'>): string[] {
  const ended: unknown[] =
    type === 'object.deleted'
      ? [body.originId]
      : type === 'object.put' || type === 'object.marked'
        ? [body.replaced]
        : type === 'entries.erased' && Array.isArray(body.gone)
          ? [...(body.gone as readonly unknown[])]
          : []
  return ended.filter(id => typeof id === 'string')
}
