/**
 * Source: what a standing transfer sends after it has walked over its scope. It follows the tenant's own books, entry by
 * entry: each says which version was written where, in the order of commits, and none can be missed.
 *
 * Crash points: how far it has read is in the row that a departure changes, so no entry is read twice for two batches and
 * none is passed over. A version that was written while the walk went on may have departed by then; it left a mark.
 */
import { concat, fromHex, utf8 } from '../core/bytes.ts'
import type { InstructionId, TenantId } from '../core/ids.ts'
import { parseIsoTime } from '../core/time.ts'
import { tenantEntries } from '../ledger/statements.ts'
import { chainHeadKey, decodeChainHead, isErased, payloadOf } from '../ledger/tables.ts'
import { type Catalog, type Put, prefixEnd } from '../store/catalog.ts'
import { findOrigin } from '../store/key-versions.ts'
import { isMarker } from '../store/rows.ts'
import { type EntryPayload, parsePayload } from '../verify/payload.ts'
import { openBatchesOf, type TransferRow } from './batches.ts'
import type { DepartingItem } from './departure.ts'
import { batchLimits } from './protocol.ts'
import { itemOf } from './scope.ts'
import type { Allowed } from './sender-state.ts'

/** How far a standing transfer is: `seq` is the number of the tenant's next entry that it reads. */
export interface Following {
  readonly seq: number
  /** When it had walked over what was there when it began; `null`: it has not yet. */
  readonly walkedUnixMs: number | null
  /** When the oldest write of the batch that departed last was entered. */
  readonly sentUnixMs?: number
}

const one = utf8('1')
const markPrefix = (id: InstructionId): Uint8Array => concat(utf8(id), utf8('~'))
const markKey = (id: InstructionId, originId: string): Uint8Array =>
  concat(markPrefix(id), fromHex(originId)!)

export async function entriesSoFar(catalog: Catalog, tenant: TenantId): Promise<number> {
  const head = await catalog.get('chains', chainHeadKey(tenant))
  return head === null ? 0 : decodeChainHead(head).count
}

/** That these departed during the walk: their entries may still come by. */
export function putMarks(id: InstructionId, items: readonly DepartingItem[]): Put[] {
  return items.map(({ originId }) => ({ table: 'transfers', key: markKey(id, originId), value: one }))
}

/** An entry is in the books within seconds of its commit: so long after the walk, all of its time have been read. */
export const marksKeptMs = 600_000

export async function forgetMarks(catalog: Catalog, id: InstructionId): Promise<void> {
  const from = markPrefix(id)
  for (;;) {
    const rows = await catalog.scan('transfers', { from, to: prefixEnd(from)!, limit: 1000 })
    if (rows.length === 0) return
    await catalog.commit({ removes: rows.map(({ key }) => ({ table: 'transfers', key })) })
  }
}

/** What was written since, as far as a batch goes; without items, how far it looked in vain. */
export async function followedPage(
  catalog: Catalog,
  { current, bucket }: Allowed,
  { id }: TransferRow,
  following: Following,
): Promise<{ readonly items: DepartingItem[]; readonly seq: number; readonly sentUnixMs?: number }> {
  const { tenant, prefix, from } = current.instruction
  const head = await entriesSoFar(catalog, tenant)
  const items: DepartingItem[] = []
  const taken = new Set<string>()
  let { seq } = following
  let bytes = 0
  let { sentUnixMs } = following
  for await (const row of tenantEntries(catalog, tenant, seq, head)) {
    const payload = isErased(row) ? null : parsePayload(payloadOf(row))
    const written = payload === null || typeof payload === 'string' ? null : writtenBy(payload)
    if (written !== null && written.bucket === from.bucket && written.key.startsWith(prefix)) {
      const { key, originId } = written
      const isMarked = (await catalog.get('transfers', markKey(id, originId))) !== null
      const found =
        isMarked || taken.has(originId) ? null : await findOrigin(catalog, bucket.row, key, originId)
      // Replaced or deleted since: what took its place has an entry of its own.
      const item =
        found === null || isMarker(found.row)
          ? null
          : await itemOf(catalog, bucket.row.id, { key, row: found.row })
      if (item !== null) {
        if (
          items.length >= batchLimits.objects ||
          (items.length > 0 && bytes + item.ciphertextBytes > batchLimits.bytes)
        )
          break
        if (items.length === 0) sentUnixMs = parseIsoTime((payload as EntryPayload).time)!
        items.push({ ...item, versionId: found!.row.versionId })
        taken.add(originId)
        bytes += item.ciphertextBytes
      }
    }
    seq++
  }
  return { items, seq, ...(sentUnixMs !== undefined && { sentUnixMs }) }
}

function writtenBy({ type, body }: EntryPayload): { bucket: string; key: string; originId: string } | null {
  if (type !== 'object.put') return null
  const { bucket, key, originId } = body
  if (typeof bucket !== 'string' || typeof key !== 'string' || typeof originId !== 'string') return null
  return { bucket, key, originId }
}

/**
 * How long ago the oldest entry was made that it has not read, or whose batch is on its way; 0 when there is none.
 */
export async function lagMs(
  catalog: Catalog,
  id: InstructionId,
  tenant: TenantId,
  { seq, sentUnixMs }: Following,
  nowUnixMs: number,
): Promise<number> {
  // What is on its way was written before the newest of it departed.
  if (sentUnixMs !== undefined && (await openBatchesOf(catalog, id)).length > 0)
    return Math.max(0, nowUnixMs - sentUnixMs)
  const head = await entriesSoFar(catalog, tenant)
  for await (const row of tenantEntries(catalog, tenant, seq, Math.min(head, seq + 1))) {
    const payload = isErased(row) ? null : parsePayload(payloadOf(row))
    if (payload === null || typeof payload === 'string') return 0
    return Math.max(0, nowUnixMs - parseIsoTime(payload.time)!)
  }
  return 0
}
