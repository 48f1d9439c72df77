import { readU64be, u64be } from '../core/bytes.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { type EntryId, newEntryId, type RandomBytes } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { Catalog, Put } from '../store/catalog.ts'
import { encodeDraft } from './draft-format.ts'
import type { EntryDraft } from './entry-types.ts'
import { maxPayloadBytes, payloadOverheadBytes } from './payload-print.ts'

export interface DraftBox {
  /** Finds where numbering goes on. To be awaited once, before the first draft. */
  open(): Promise<void>
  /**
   * The row that enters something. The caller puts it into the same batch as the change that it tells of: then
   * either both are durable or neither is. A draft whose batch never commits leaves a gap in the keys and no trace.
   */
  draft(entry: EntryDraft): { readonly entryId: EntryId; readonly put: Put }
}

export function createDraftBox(catalog: Catalog, clock: Clock, randomBytes: RandomBytes): DraftBox {
  let next: number | null = null
  return {
    async open() {
      const [last] = await catalog.scan('drafts', { limit: 1, reverse: true })
      next = last === undefined ? 0 : readU64be(last.key) + 1
    },

    draft({ tenant, type, body }) {
      if (next === null) throw new Error('the draft box was not opened')
      const timeUnixMs = clock()
      const entryId = newEntryId(timeUnixMs, randomBytes)
      const value = encodeDraft({ entryId, tenant, type, timeUnixMs, body: canonicalJson(body) })
      // Refused here, with the request it belongs to: a draft that cannot become an entry would halt the ledger.
      if (value.length > maxPayloadBytes - payloadOverheadBytes) {
        throw new HoldfastError('bad-input', `the body of ${type} is longer than an entry can be`)
      }
      return { entryId, put: { table: 'drafts', key: u64be(next++), value } }
    },
  }
}
