/** Rows of transfers in progress, in either end's catalog. */
import { concat, fromBase64, fromUtf8, u32be, utf8 } from '../core/bytes.ts'
import type { EntryId, InstructionId } from '../core/ids.ts'
import { readManifest } from '../crypto/manifest.ts'
import { type Catalog, prefixEnd } from '../store/catalog.ts'
import type { HeldPart } from '../store/fsck-store.ts'
import { decodeRow, type ObjectRow } from '../store/rows.ts'
import { rowsOf } from '../store/rows-of.ts'
import type { TransferItem } from './protocol.ts'

/** Source: how far the walk over the bucket has come. */
export interface TransferRow {
  readonly v: 1
  readonly id: InstructionId
  /** Keys up to here have departed. */
  readonly cursor: string
  readonly batches: number
  /** The walk has come to the end of the scope. */
  readonly walked: boolean
}

export interface BatchRow {
  readonly v: 1
  readonly batch: number
  readonly items: readonly TransferItem[]
  /**
   * Source: `departed` until the destination has answered; destination: until it has published, or has given up what
   * it had staged (`voided`).
   */
  readonly state: 'departed' | 'arrived' | 'done' | 'voided'
  readonly departure: EntryId | null
  readonly arrival: EntryId | null
  readonly arrived: readonly string[]
  /** Source, of a move: not deleted before this. */
  readonly deleteAfterUnixMs: number | null
}

/** Destination: one object of an open batch whose bytes are here, not yet published. */
export interface StagedRow {
  readonly v: 1
  readonly key: string
  readonly row: ObjectRow
}

const idBytes = 64
const slash = 0x2f
const stagedKeyBytes = idBytes + 1 + 4 + 32
export const transferKey = (id: InstructionId): Uint8Array => utf8(id)
export const batchKey = (id: InstructionId, batch: number): Uint8Array => concat(utf8(id), u32be(batch))
const stagedPrefix = (id: InstructionId, batch: number): Uint8Array =>
  concat(utf8(id), utf8('/'), u32be(batch))
export const stagedKey = (id: InstructionId, batch: number, originId: string): Uint8Array =>
  concat(stagedPrefix(id, batch), utf8(originId))

/** Destination: what open batches hold and have not published. fsck asks whose every stored byte is. */
export async function* stagedParts(catalog: Catalog): AsyncGenerator<HeldPart> {
  for await (const { key, value } of rowsOf(catalog, 'batches')) {
    if (key[idBytes] !== slash || key.length !== stagedKeyBytes) continue
    const id = fromUtf8(key.subarray(0, idBytes)) as InstructionId
    const batch = Buffer.from(key).readUInt32BE(idBytes + 1)
    // Of a batch that was given up, and the process killed before its bytes were: nobody's, until it is closed again.
    if ((await findBatch(catalog, id, batch))?.row.state !== 'departed') continue
    const { row } = decodeRow<StagedRow>(value)
    const owner = `staged object ${row.originId} of batch ${batch} of instruction ${id}`
    const { parts } = readManifest(fromBase64(row.content!.manifest)!)
    for (const [index, part] of parts.entries())
      yield { owner, place: row.content!.places[index]!, bytes: part.cipherBytes }
  }
}

export async function findBatch(
  catalog: Catalog,
  id: InstructionId,
  batch: number,
): Promise<{ row: BatchRow; bytes: Uint8Array } | null> {
  const bytes = await catalog.get('batches', batchKey(id, batch))
  return bytes === null ? null : { row: decodeRow<BatchRow>(bytes), bytes }
}

/** Source: the batch that has departed and is not answered for. There is at most one, the last. */
export async function openBatchOf(catalog: Catalog, { id, batches }: TransferRow): Promise<BatchRow | null> {
  const last = batches === 0 ? null : await findBatch(catalog, id, batches - 1)
  return last?.row.state === 'departed' ? last.row : null
}

/** Source: every batch that has departed and is not answered for, also of an instruction that has ended. */
export async function* openBatches(catalog: Catalog): AsyncGenerator<{ id: InstructionId; batch: number }> {
  for await (const { value } of rowsOf(catalog, 'transfers')) {
    const row = decodeRow<TransferRow>(value)
    const open = await openBatchOf(catalog, row)
    if (open !== null) yield { id: row.id, batch: open.batch }
  }
}

export async function hasOpenBatch(catalog: Catalog, id: InstructionId): Promise<boolean> {
  const bytes = await catalog.get('transfers', transferKey(id))
  return bytes !== null && (await openBatchOf(catalog, decodeRow<TransferRow>(bytes))) !== null
}

export async function listStaged(
  catalog: Catalog,
  id: InstructionId,
  batch: number,
): Promise<{ key: Uint8Array; staged: StagedRow }[]> {
  const prefix = stagedPrefix(id, batch)
  const rows = await catalog.scan('batches', { from: prefix, to: prefixEnd(prefix)!, limit: 1000 })
  return rows.map(({ key, value }) => ({ key, staged: decodeRow<StagedRow>(value) }))
}
