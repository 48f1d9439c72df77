import { decodeRow } from './rows.ts'

/**
 * Remembers what rows parse to. The bytes are read from the catalog each time and compared: a row that changed is
 * parsed anew, so the cache can be neither stale nor shared wrongly. Worth it for rows that every request reads.
 */
export function createRowCache<Row extends { readonly v: 1 }>(
  capacity = 10_000,
): (id: string, bytes: Uint8Array) => Row {
  const known = new Map<string, { bytes: Uint8Array; row: Row }>()
  return (id, bytes) => {
    const found = known.get(id)
    if (found !== undefined && Buffer.compare(found.bytes, bytes) === 0) return found.row
    if (known.size >= capacity) known.clear()
    const row = decodeRow<Row>(bytes)
    known.set(id, { bytes, row })
    return row
  }
}
