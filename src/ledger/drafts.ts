import { canonicalJson } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { type EntryId, newEntryId, type RandomBytes, type RegionId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { next, type Put } from '../store/catalog.ts'
import { maxPayloadBytes } from '../verify/payload.ts'
import { encodeDraft, type StoredDraft } from './draft-format.ts'
import type { EntryDraft } from './entry-types.ts'
import { payloadOverheadBytes } from './payload-print.ts'

/** An entry that is made and not yet durable: it is so once a batch with `put` is committed. */
export interface Drafted {
  readonly entryId: EntryId
  readonly region: RegionId
  readonly put: Put
  /** For a promise, when the batch took effect. */
  readonly stored: StoredDraft
}

export interface DraftBox {
  /**
   * The row that enters something. The caller puts it into the same batch as the change that it tells of: then
   * either both are durable or neither is. Its key is given at the commit: drafts are in the order of commits, and are
   * entered in it, whichever process made them.
   */
  draft(entry: EntryDraft): Drafted
}

export function createDraftBox(region: RegionId, clock: Clock, randomBytes: RandomBytes): DraftBox {
  return {
    draft({ tenant, type, body }) {
      const timeUnixMs = clock()
      const entryId = newEntryId(timeUnixMs, randomBytes)
      const stored = { entryId, tenant, type, timeUnixMs, body: canonicalJson(body) }
      const value = encodeDraft(stored)
      // Refused here, with the request it belongs to: a draft that cannot become an entry would halt the ledger.
      if (value.length > maxPayloadBytes - payloadOverheadBytes) {
        throw new HoldfastError('bad-input', `the body of ${type} is longer than an entry can be`)
      }
      return { entryId, region, put: { table: 'drafts', key: next, value }, stored }
    },
  }
}
