import { canonicalJson } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { type EntryId, newEntryId, type RandomBytes } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { next, type Put } from '../store/catalog.ts'
import { encodeDraft } from './draft-format.ts'
import type { EntryDraft } from './entry-types.ts'
import { maxPayloadBytes, payloadOverheadBytes } from './payload-print.ts'

export interface DraftBox {
  /**
   * The row that enters something. The caller puts it into the same batch as the change that it tells of: then
   * either both are durable or neither is. Its key is given at the commit: drafts are in the order of commits, and are
   * entered in it, whichever process made them.
   */
  draft(entry: EntryDraft): { readonly entryId: EntryId; readonly put: Put }
}

export function createDraftBox(clock: Clock, randomBytes: RandomBytes): DraftBox {
  return {
    draft({ tenant, type, body }) {
      const timeUnixMs = clock()
      const entryId = newEntryId(timeUnixMs, randomBytes)
      const value = encodeDraft({ entryId, tenant, type, timeUnixMs, body: canonicalJson(body) })
      // Refused here, with the request it belongs to: a draft that cannot become an entry would halt the ledger.
      if (value.length > maxPayloadBytes - payloadOverheadBytes) {
        throw new HoldfastError('bad-input', `the body of ${type} is longer than an entry can be`)
      }
      return { entryId, put: { table: 'drafts', key: next, value } }
    },
  }
}
