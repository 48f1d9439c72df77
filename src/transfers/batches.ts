/** Rows of transfers in progress, in either end's catalog. */
import { concat, fromBase64, fromUtf8, u32be, utf8 } from '../core/bytes.ts'
import type { EntryId, InstructionId } from '../core/ids.ts'
import { readManifest } from '../crypto/manifest.ts'
import { type Catalog, type Put, prefixEnd, type Remove } from '../store/catalog.ts'
import type { HeldPart } from '../store/fsck-store.ts'
import { decodeRow, encodeRow, isMarker, type VersionRow } from '../store/rows.ts'
import { rowsOf } from '../store/rows-of.ts'
import type { Following } from './follow.ts'
import { batchLimits, itemsDigest, type TransferItem } from './protocol.ts'

/** Source: how far the walk over the bucket has come. */
export interface TransferRow {
  readonly v: 1
  readonly id: InstructionId
  /** Keys up to here have departed; of the last one, versions up to `cursorVersion`. */
  readonly cursor: string
  readonly cursorVersion?: string
  readonly batches: number
  /** The walk has come to the end of the scope. */
  readonly walked: boolean
  /** Of an instruction that is bound to a list: so many pages of it are planned, a batch each. */
  readonly planned?: number
  /** Of a standing transfer, from its first departure on. Its walk is then in here, and `walked` stays false. */
  readonly following?: Following
  /** Of a standing transfer: batches before this one are verified and forgotten. */
  readonly verifiedBatches?: number
  readonly marksForgotten?: true
}

export interface BatchRow {
  readonly v: 1
  readonly batch: number
  /** Digest of its items, which are a row of their own: that one is large and never changes. */
  readonly itemsSha256: string
  /**
   * Source: `departed` until the destination has answered, `arrived` until what arrived is verified (and deleted, for
   * a move). Destination: `departed` until it has published, or has given up what it had staged (`voided`).
   */
  readonly state: 'departed' | 'arrived' | 'done' | 'voided'
  readonly departure: EntryId | null
  readonly arrival: EntryId | null
  readonly arrived: readonly string[]
  /** Source: what arrived has answered for its bytes. */
  readonly isVerified?: true
  /** Source, of a move: not deleted before this. */
  readonly deleteAfterUnixMs: number | null
}

interface ItemsRow {
  readonly v: 1
  readonly items: readonly TransferItem[]
}

/** Destination: one version of an open batch whose bytes are here, not yet published. */
export interface StagedRow {
  readonly v: 1
  readonly key: string
  readonly row: VersionRow
}

const idBytes = 64
const slash = 0x2f
const stagedKeyBytes = idBytes + 1 + 4 + 32
const one = utf8('1')
export const transferKey = (id: InstructionId): Uint8Array => utf8(id)
export const batchKey = (id: InstructionId, batch: number): Uint8Array => concat(utf8(id), u32be(batch))
const itemsKey = (id: InstructionId, batch: number): Uint8Array => concat(utf8(id), utf8('#'), u32be(batch))
/** Source: one for each batch that is open, so that finding them costs no more than there are. */
const openPrefix = (id: InstructionId): Uint8Array => concat(utf8(id), utf8('!'))
const openKey = (id: InstructionId, batch: number): Uint8Array => concat(openPrefix(id), u32be(batch))
const stagedPrefix = (id: InstructionId, batch: number): Uint8Array =>
  concat(utf8(id), utf8('/'), u32be(batch))
export const stagedKey = (id: InstructionId, batch: number, originId: string): Uint8Array =>
  concat(stagedPrefix(id, batch), utf8(originId))

export const putItems = (id: InstructionId, batch: number, items: readonly TransferItem[]): Put => {
  const row: ItemsRow = { v: 1, items }
  return { table: 'batches', key: itemsKey(id, batch), value: encodeRow(row) }
}
export const putOpen = (id: InstructionId, batch: number): Put => ({
  table: 'batches',
  key: openKey(id, batch),
  value: one,
})
export const removeOpen = (id: InstructionId, batch: number): Remove => ({
  table: 'batches',
  key: openKey(id, batch),
})

/** Empty once the transfer has ended. */
export async function itemsOf(
  catalog: Catalog,
  id: InstructionId,
  batch: number,
): Promise<readonly TransferItem[]> {
  const bytes = await catalog.get('batches', itemsKey(id, batch))
  if (bytes !== null) return decodeRow<ItemsRow>(bytes).items
  // Until 0.4 they were in the batch's own row.
  const row = await catalog.get('batches', batchKey(id, batch))
  return row === null ? [] : (decodeRow<BatchRow & Partial<ItemsRow>>(row).items ?? [])
}

/** Of batches that are under way, without reading them again for each request: what was announced does not change. */
export interface ItemsCache {
  of(id: InstructionId, batch: number): Promise<readonly TransferItem[]>
  forget(id: InstructionId): void
}

const cachedBatches = 16

export function createItemsCache(catalog: Catalog): ItemsCache {
  const cached = new Map<string, readonly TransferItem[]>()
  return {
    async of(id, batch) {
      const name = `${id}/${batch}`
      const items = cached.get(name) ?? (await itemsOf(catalog, id, batch))
      // The one that was asked for longest ago is the first.
      cached.delete(name)
      if (items.length > 0) cached.set(name, items)
      if (cached.size > cachedBatches) cached.delete(cached.keys().next().value!)
      return items
    },
    forget(id) {
      for (const name of cached.keys()) if (name.startsWith(`${id}/`)) cached.delete(name)
    },
  }
}

/** Of one batch that is done: a standing transfer goes on for months. What is known of it is in the entries. */
export const removeBatch = (id: InstructionId, batch: number): Remove[] => [
  { table: 'batches', key: itemsKey(id, batch) },
  { table: 'batches', key: batchKey(id, batch) },
]

/** What is known of the items of a transfer that has ended is in the entries. */
export async function forgetItems(catalog: Catalog, id: InstructionId): Promise<void> {
  const prefix = concat(utf8(id), utf8('#'))
  for (;;) {
    const rows = await catalog.scan('batches', { from: prefix, to: prefixEnd(prefix)!, limit: 4 })
    if (rows.length === 0) return
    await catalog.commit({ removes: rows.map(({ key }) => ({ table: 'batches', key })) })
  }
}

/** Destination: what open batches hold and have not published. fsck asks whose every stored byte is. */
export async function* stagedParts(catalog: Catalog): AsyncGenerator<HeldPart> {
  for await (const { key, value } of rowsOf(catalog, 'batches')) {
    if (key[idBytes] !== slash || key.length !== stagedKeyBytes) continue
    const id = fromUtf8(key.subarray(0, idBytes)) as InstructionId
    const batch = Buffer.from(key).readUInt32BE(idBytes + 1)
    // Of a batch that was given up, and the process killed before its bytes were: nobody's, until it is closed again.
    if ((await findBatch(catalog, id, batch))?.row.state !== 'departed') continue
    const { row } = decodeRow<StagedRow>(value)
    if (isMarker(row)) continue
    const owner = `staged object ${row.originId} of batch ${batch} of instruction ${id}`
    const { parts } = readManifest(fromBase64(row.content!.manifest)!)
    for (const [index, part] of parts.entries())
      yield { owner, place: row.content!.places[index]!, bytes: part.cipherBytes }
  }
}

export interface KnownBatch {
  readonly row: BatchRow
  readonly bytes: Uint8Array
}

export async function findBatch(
  catalog: Catalog,
  id: InstructionId,
  batch: number,
): Promise<KnownBatch | null> {
  const bytes = await catalog.get('batches', batchKey(id, batch))
  if (bytes === null) return null
  const row = decodeRow<BatchRow & Partial<ItemsRow>>(bytes)
  return { row: row.items === undefined ? row : { ...row, itemsSha256: itemsDigest(row.items) }, bytes }
}

/** Source: batches that have departed and are not answered for, in their order. */
export async function openBatchesOf(catalog: Catalog, id: InstructionId): Promise<BatchRow[]> {
  const open: BatchRow[] = []
  for await (const { key } of rowsOf(catalog, 'batches', { prefix: openPrefix(id) })) {
    const found = await findBatch(catalog, id, Buffer.from(key).readUInt32BE(idBytes + 1))
    if (found?.row.state === 'departed') open.push(found.row)
  }
  if (open.length > 0) return open
  // Until 0.4 there was one at most, the last, and it had no mark.
  const bytes = await catalog.get('transfers', transferKey(id))
  const batches = bytes === null ? 0 : decodeRow<TransferRow>(bytes).batches
  const last = batches === 0 ? null : await findBatch(catalog, id, batches - 1)
  return last?.row.state === 'departed' ? [last.row] : []
}

/** Source: every batch that has departed and is not answered for, also of an instruction that has ended. */
export async function* openBatches(catalog: Catalog): AsyncGenerator<{ id: InstructionId; batch: number }> {
  for await (const { key } of rowsOf(catalog, 'transfers')) {
    if (key.length !== idBytes) continue
    const id = fromUtf8(key) as InstructionId
    for (const { batch } of await openBatchesOf(catalog, id)) yield { id, batch }
  }
}

export async function hasOpenBatch(catalog: Catalog, id: InstructionId): Promise<boolean> {
  return (await openBatchesOf(catalog, id)).length > 0
}

export async function listStaged(
  catalog: Catalog,
  id: InstructionId,
  batch: number,
): Promise<{ key: Uint8Array; staged: StagedRow }[]> {
  const prefix = stagedPrefix(id, batch)
  const limit = batchLimits.objects
  const rows = await catalog.scan('batches', { from: prefix, to: prefixEnd(prefix)!, limit })
  return rows.map(({ key, value }) => ({ key, staged: decodeRow<StagedRow>(value) }))
}

/** Destination: which of them are staged, without opening their rows. */
export async function stagedOrigins(
  catalog: Catalog,
  id: InstructionId,
  batch: number,
): Promise<Set<string>> {
  const origins = new Set<string>()
  for await (const { key } of rowsOf(catalog, 'batches', { prefix: stagedPrefix(id, batch) }))
    origins.add(Buffer.from(key.subarray(idBytes + 5)).toString('latin1'))
  return origins
}
