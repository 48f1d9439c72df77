/** What an answer says of the entries that it made. */
import type { RegionId } from '../core/ids.ts'
import type { Drafted } from '../ledger/drafts.ts'
import { maxPromisedEntries, type Promiser } from '../ledger/promises.ts'

export type EntryHeaders = Readonly<Record<string, string>>

/**
 * `x-holdfast-entry`: the ids of the entries; `x-holdfast-promise`: the region's promise that they will be in its log.
 * Only for entries that are durable: a promise for what was never committed would convict the region.
 */
export async function entryHeaders(
  regions: ReadonlyMap<RegionId, { readonly promiser: Promiser }>,
  entries: readonly Drafted[],
): Promise<EntryHeaders> {
  if (entries.length === 0) return {}
  const told = entries.slice(0, maxPromisedEntries)
  const promises: string[] = []
  for (const [id, ofRegion] of Map.groupBy(told, ({ region }) => region)) {
    const promise = await regions.get(id)?.promiser.promise(ofRegion)
    if (promise) promises.push(promise)
  }
  return {
    'x-holdfast-entry': told.map(({ entryId }) => entryId).join(','),
    ...(promises.length > 0 && { 'x-holdfast-promise': promises.join(',') }),
  }
}
