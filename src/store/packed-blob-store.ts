/**
 * The embedded default: short blobs packed into segments, long ones files of their own. Where a blob is, its row in
 * `blobs` says (`docs/formats/catalog.md`): `<bytes>`, or `<bytes> <segment> <offset>`. This file is the one place
 * that knows both kinds.
 */
import type { FileHandle } from 'node:fs/promises'
import { fromUtf8, utf8 } from '../core/bytes.ts'
import { HoldfastError, hasCode } from '../core/errors.ts'
import { newSortableId, type RandomBytes } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import type { BlobId, BlobStore, BlobWriter, ByteRange } from './blob-store.ts'
import type { Catalog, Put } from './catalog.ts'
import type { FileBlobStore } from './file-blob-store.ts'
import { createFileReader, type ReadBuffers } from './file-reader.ts'
import {
  parseSegmentId,
  readRecords,
  recordHeaderBytes,
  type SegmentFiles,
  type SegmentId,
  type SegmentPlace,
} from './segment-files.ts'
import type { SegmentWriter } from './segment-writer.ts'

/** A blob that is known to be no longer is packed: a mebibyte of content, sealed. */
export const packedBytes = (1 << 20) + (64 << 10)
const openSegments = 64
const openForMs = 60_000

export interface PackedBlobStoreOptions {
  readonly catalog: Catalog
  readonly files: FileBlobStore
  readonly segments: SegmentFiles
  /** This process's own; the store ends it. */
  readonly writer: SegmentWriter
  readonly buffers: ReadBuffers
  readonly clock: Clock
  readonly randomBytes: RandomBytes
}

export type PackedBlobStore = BlobStore & AsyncDisposable & { sweep(): Promise<number> }

export interface BlobLocation {
  readonly bytes: number
  /** `null`: a file of its own. */
  readonly place: SegmentPlace | null
}

function encodeLocation({ bytes, place }: BlobLocation): Uint8Array {
  return utf8(place === null ? String(bytes) : `${bytes} ${place.segment} ${place.at}`)
}

export function decodeLocation(value: Uint8Array): BlobLocation {
  const [bytes, name, at] = fromUtf8(value).split(' ')
  if (name === undefined) return { bytes: Number(bytes), place: null }
  const segment = parseSegmentId(name)
  if (segment === null) throw new HoldfastError('store-damaged', 'a blob’s row names no segment')
  return { bytes: Number(bytes), place: { segment, at: Number(at) } }
}

/** Key of the row in `packed` that says whose bytes are there. */
export function packedKey({ segment, at }: SegmentPlace): Buffer {
  const key = Buffer.allocUnsafe(segment.length + 6)
  key.write(segment, 'latin1')
  key.writeUIntBE(at, segment.length, 6)
  return key
}

/** A row under it says that the segment is about to be unlinked, or is. */
export function doneKey(segment: SegmentId): Uint8Array {
  return utf8(`${segment}/done`)
}

/** The rows that say where a blob is, to be committed with whatever refers to it. */
export function locationRows(id: BlobId, location: BlobLocation): Put[] {
  const { place } = location
  const row: Put = { table: 'blobs', key: utf8(id), value: encodeLocation(location) }
  if (place === null) return [row]
  // A segment that compaction has done with takes no new reference, however late it comes.
  const unless = { table: 'segments', key: doneKey(place.segment) } as const
  return [row, { table: 'packed', key: packedKey(place), value: utf8(id), unless }]
}

export function createPackedBlobStore(options: PackedBlobStoreOptions): PackedBlobStore {
  const { catalog, files, segments, writer, buffers, clock, randomBytes } = options
  const open = createOpenSegments(segments, clock)

  return {
    async create(expectedBytes) {
      if (expectedBytes === undefined || expectedBytes > packedBytes) return files.create()
      return packedWriter(newSortableId(clock(), randomBytes) as BlobId, writer)
    },

    async read(id, range) {
      const row = await catalog.get('blobs', utf8(id))
      const location = row === null ? null : decodeLocation(row)
      if (location === null || location.place === null) return files.read(id, range)
      if (range.end > location.bytes)
        throw new HoldfastError('store-damaged', `blob ${id} is shorter than its record says`, { id })
      const held = await open.hold(location.place.segment)
      const { at } = location.place
      return createFileReader({
        id,
        handle: held.handle,
        start: at + range.start,
        end: at + range.end,
        buffers,
        close: async () => held[Symbol.asyncDispose](),
      })
    },

    async readWhole(id, bytes) {
      const row = await catalog.get('blobs', utf8(id))
      const place = row === null ? null : decodeLocation(row).place
      return place === null ? null : readPacked(open, id, place, { start: 0, end: bytes })
    },

    async remove(id) {
      const row = await catalog.get('blobs', utf8(id))
      const location = row === null ? null : decodeLocation(row)
      if (location === null || location.place === null) return files.remove(id)
      const { bytes, place } = location
      return {
        removes: [
          { table: 'blobs', key: utf8(id) },
          { table: 'packed', key: packedKey(place) },
        ],
        adds: [{ table: 'segments', key: utf8(place.segment), amounts: [recordHeaderBytes + bytes] }],
      }
    },

    async *list() {
      yield* files.list()
      for (const segment of await segments.list()) {
        const handle = await segments.open(segment).catch(ignoreCompacted)
        if (handle === null) continue
        try {
          for await (const { id, at, bytes } of readRecords(handle)) {
            const row = await catalog.get('blobs', utf8(id))
            const place = row === null ? null : decodeLocation(row).place
            // What no row places here was given up, or moved on.
            if (place !== null && place.segment === segment && place.at === at) yield { id, bytes }
          }
        } finally {
          await handle.close()
        }
      }
    },

    sweep: () => files.sweep(),

    async [Symbol.asyncDispose]() {
      await writer[Symbol.asyncDispose]()
      await open[Symbol.asyncDispose]()
    },
  }
}

function packedWriter(id: BlobId, writer: SegmentWriter): BlobWriter {
  const chunks: Uint8Array[] = []
  let bytes = 0
  return {
    id,
    async write(more) {
      for (const chunk of more) {
        chunks.push(chunk)
        bytes += chunk.length
      }
    },
    async finish() {
      return locationRows(id, { bytes, place: await writer.append(id, chunks) })
    },
    // What was appended and is referred to by nobody is left behind by compaction.
    async abandon() {
      chunks.length = 0
    },
  }
}

async function readPacked(
  open: OpenSegments,
  id: BlobId,
  place: SegmentPlace,
  { start, end }: ByteRange,
): Promise<Buffer> {
  const out = Buffer.allocUnsafeSlow(end - start)
  await using held = await open.hold(place.segment)
  for (let filled = 0; filled < out.length; ) {
    const { bytesRead } = await held.handle.read(out, filled, out.length - filled, place.at + start + filled)
    if (bytesRead === 0)
      throw new HoldfastError('store-damaged', `blob ${id} is shorter than its record says`, { id })
    filled += bytesRead
  }
  return out
}

/** Gone since it was listed: whatever was live in it has been moved. */
function ignoreCompacted(error: unknown): null {
  if (!hasCode(error, 'not-found')) throw error
  return null
}

interface OpenSegments extends AsyncDisposable {
  hold(segment: SegmentId): Promise<AsyncDisposable & { readonly handle: FileHandle }>
}

interface OpenSegment {
  readonly handle: Promise<FileHandle>
  readonly sinceMs: number
  readers: number
  dropped: boolean
}

/**
 * Files that are read from stay open for a while, and no longer: a segment that was compacted and unlinked keeps its
 * space for as long as somebody has it open.
 */
function createOpenSegments(files: SegmentFiles, clock: Clock): OpenSegments {
  const known = new Map<SegmentId, OpenSegment>()
  const closeIdle = (entry: OpenSegment): void => {
    if (entry.dropped && entry.readers === 0) {
      void entry.handle.then(
        handle => handle.close(),
        () => {},
      )
    }
  }
  const drop = (segment: SegmentId, entry: OpenSegment): void => {
    if (known.get(segment) === entry) known.delete(segment)
    entry.dropped = true
    closeIdle(entry)
  }
  const sweep = setInterval(() => {
    const now = clock()
    for (const [segment, entry] of known) if (now - entry.sinceMs > openForMs) drop(segment, entry)
  }, openForMs / 2)
  sweep.unref()

  return {
    async hold(segment) {
      let entry = known.get(segment)
      if (entry === undefined) {
        const oldest = known.size >= openSegments ? known.entries().next().value : undefined
        if (oldest !== undefined) drop(oldest[0], oldest[1])
        entry = { handle: files.open(segment), sinceMs: clock(), readers: 0, dropped: false }
        known.set(segment, entry)
      }
      const held = entry
      held.readers++
      const release = (): void => {
        held.readers--
        closeIdle(held)
      }
      try {
        return {
          handle: await held.handle,
          async [Symbol.asyncDispose]() {
            release()
          },
        }
      } catch (error) {
        drop(segment, held)
        release()
        throw error
      }
    },

    async [Symbol.asyncDispose]() {
      clearInterval(sweep)
      for (const [segment, entry] of known) drop(segment, entry)
    },
  }
}
