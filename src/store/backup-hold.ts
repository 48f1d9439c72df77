/**
 * While a backup copies what its snapshot names, nothing of that may be unlinked. A hold is a row of the catalog with
 * the time at which it ends by itself, so that a backup that was killed stops housekeeping for minutes and no longer.
 */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { type Catalog, prefixEnd } from './catalog.ts'

const prefix = utf8('backup/hold/')
const keyOf = (id: string): Uint8Array => utf8(`backup/hold/${id}`)

/** Durable when it resolves. Again, it puts the end off. */
export async function hold(catalog: Catalog, id: string, untilUnixMs: number): Promise<void> {
  await catalog.commit({ puts: [{ table: 'meta', key: keyOf(id), value: utf8(String(untilUnixMs)) }] })
}

export async function dropHold(catalog: Catalog, id: string): Promise<void> {
  await catalog.commit({ removes: [{ table: 'meta', key: keyOf(id) }] })
}

/** A clock that was set back must not make a hold last for ever: one that ends later than this was made by another. */
const longestMs = 3600e3

/** Ids of the holds that have not ended. */
export async function liveHolds(catalog: Catalog, nowUnixMs: number): Promise<string[]> {
  const rows = await catalog.scan('meta', { from: prefix, to: prefixEnd(prefix)!, limit: 1000 })
  return rows
    .filter(({ value }) => {
      const leftMs = Number(fromUtf8(value)) - nowUnixMs
      return leftMs > 0 && leftMs <= longestMs
    })
    .map(({ key }) => fromUtf8(key.subarray(prefix.length)))
}

export async function isHeld(catalog: Catalog, nowUnixMs: number): Promise<boolean> {
  return (await liveHolds(catalog, nowUnixMs)).length > 0
}

/** Of a restored catalog, which has the hold of its own backup in it. */
export async function dropAllHolds(catalog: Catalog): Promise<void> {
  const rows = await catalog.scan('meta', { from: prefix, to: prefixEnd(prefix)!, limit: 1000 })
  await catalog.commit({ removes: rows.map(({ key }) => ({ table: 'meta' as const, key })) })
}
