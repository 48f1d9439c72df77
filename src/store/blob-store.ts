import type { CatalogBatch, Put } from './catalog.ts'

/**
 * The port to a region's ciphertext at rest, for parts too long to sit in the catalog.
 *
 * Contract, which `test/contract/blob-store.test.ts` holds every adapter to:
 * - A blob MUST be complete and on stable storage, its name included, before `finish` resolves. Before that it
 *   MUST NOT be readable, and after a crash an unfinished one MUST be gone or listed as garbage by `list`.
 * - Blobs are immutable. Ids are never used twice.
 * - Where a blob is, rows of the catalog say. `finish` gives them out; the caller MUST commit them along with whatever
 *   refers to the blob, and `read` may rely on them.
 * - `remove` is idempotent; a reader that has opened a blob before keeps reading it to its end. What it gives out MUST
 *   be committed by the caller; until then `remove` may be called again.
 * - `read` of a blob that is not there rejects with `not-found`; of one shorter than asked with `store-damaged`.
 */
export interface BlobStore {
  /** `expectedBytes`: an upper bound, where there is one; a store may put short blobs together. */
  create(expectedBytes?: number): Promise<BlobWriter>
  read(id: BlobId, range: ByteRange): Promise<BlobReader>
  /** All of a blob of `bytes` in one piece, where the store can do that at little cost; `null`: read it in pieces. */
  readWhole(id: BlobId, bytes: number): Promise<Buffer | null>
  remove(id: BlobId): Promise<CatalogBatch>
  /** Every finished blob, in no order; for fsck. MUST NOT fail for a blob that is removed meanwhile. */
  list(): AsyncIterable<{ readonly id: BlobId; readonly bytes: number }>
}

declare const brand: unique symbol
export type BlobId = string & { readonly [brand]: 'BlobId' }

export function parseBlobId(text: string): BlobId | null {
  return /^[0-9a-hjkmnp-tv-z]{26}$/.test(text) ? (text as BlobId) : null
}

/** Half-open, in bytes of the blob. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface BlobWriter {
  readonly id: BlobId
  /** Takes the chunks over: the caller MUST NOT change them afterwards. Resolves when more may be given. */
  write(chunks: readonly Uint8Array[]): Promise<void>
  finish(): Promise<Put[]>
  /** Gives the blob up; nothing of it stays. Safe to call at any time, also after `finish` (then it does nothing). */
  abandon(): Promise<void>
}

/** Chunks in order, of any size; each is the caller's until it asks for the next. */
export interface BlobReader extends AsyncDisposable {
  next(): Promise<Uint8Array | null>
}
