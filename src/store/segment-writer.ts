/**
 * Appends blobs to the segment at hand: while one group is being written and synced, what arrives becomes the next
 * one. Each process has writers of its own, so no two write one file.
 *
 * Crash points: in or after the write and before the sync, the tail may be there or not; no row refers to it, and
 * nobody appends to the segment again (the next process has a new writer). After the sync and before the catalog's
 * commit the record is garbage, which compaction leaves behind.
 */
import type { FileHandle } from 'node:fs/promises'
import type { BlobId } from './blob-store.ts'
import { storeFault } from './durable-file.ts'
import {
  recordHeader,
  recordHeaderBytes,
  type SegmentFiles,
  type SegmentId,
  type SegmentPlace,
  segmentHeaderBytes,
  segmentId,
} from './segment-files.ts'

export interface SegmentWriter extends AsyncDisposable {
  /** Resolves when the bytes are on stable storage. Takes the chunks over. */
  append(id: BlobId, chunks: readonly Uint8Array[]): Promise<SegmentPlace>
}

export interface SegmentWriterOptions {
  /** 26 characters, never used before: part of the names of the segments. */
  readonly writer: string
  /** A segment that has reached it takes no more. */
  readonly rollBytes: number
}

interface Pending {
  readonly id: BlobId
  readonly chunks: readonly Uint8Array[]
  readonly bytes: number
  readonly settle: (place: SegmentPlace) => void
  readonly fail: (error: unknown) => void
}

/** What one system call takes (IOV_MAX is 1,024), with a header for each record. */
const maxChunks = 1000

export function createSegmentWriter(files: SegmentFiles, options: SegmentWriterOptions): SegmentWriter {
  let queue: Pending[] = []
  let running: Promise<void> | null = null
  let current: { readonly segment: SegmentId; readonly handle: FileHandle; end: number } | null = null
  let number = 0

  const close = async (): Promise<void> => {
    const closing = current
    current = null
    await closing?.handle.close().catch(() => {})
  }

  const open = async (): Promise<NonNullable<typeof current>> => {
    if (current !== null && current.end >= options.rollBytes) await close()
    if (current === null) {
      const segment = segmentId(options.writer, number++)
      current = { segment, handle: await files.create(segment), end: segmentHeaderBytes }
    }
    return current
  }

  const writeGroup = async (group: readonly Pending[]): Promise<void> => {
    try {
      const { segment, handle, end } = await open().catch(storeFault)
      const places: SegmentPlace[] = []
      let buffers: Uint8Array[] = []
      let from = end
      let at = end
      const flush = async (): Promise<void> => {
        await writeAll(handle, buffers, from)
        buffers = []
        from = at
      }
      for (const { id, chunks, bytes } of group) {
        if (buffers.length + chunks.length + 1 > maxChunks) await flush()
        buffers.push(recordHeader(id, bytes), ...chunks)
        places.push({ segment, at: at + recordHeaderBytes })
        at += recordHeaderBytes + bytes
      }
      await flush()
      await handle.datasync().catch(storeFault)
      current!.end = at
      for (const [i, pending] of group.entries()) pending.settle(places[i]!)
    } catch (error) {
      // What is on the disk behind `end` is not known any more: nothing is appended to this segment again.
      await close()
      for (const pending of group) pending.fail(error)
    }
  }

  const pump = async (): Promise<void> => {
    await new Promise(resolve => setImmediate(resolve))
    while (queue.length > 0) {
      let bytes = 0
      let count = 0
      // At least one, and no more than a segment is meant to hold.
      while (count < queue.length && (count === 0 || bytes < options.rollBytes))
        bytes += queue[count++]!.bytes
      const group = queue.slice(0, count)
      queue = queue.slice(count)
      await writeGroup(group)
    }
    running = null
  }

  return {
    append(id, chunks) {
      let bytes = 0
      for (const chunk of chunks) bytes += chunk.length
      return new Promise((settle, fail) => {
        queue.push({ id, chunks, bytes, settle, fail })
        running ??= pump()
      })
    },

    async [Symbol.asyncDispose]() {
      await running
      await close()
    },
  }
}

/** `writev` may write less than it was given (a nearly full disk); what is left is written again. */
async function writeAll(handle: FileHandle, buffers: readonly Uint8Array[], at: number): Promise<void> {
  let rest = buffers
  for (;;) {
    let bytes = 0
    for (const buffer of rest) bytes += buffer.length
    if (bytes === 0) return
    const { bytesWritten } = await handle.writev(rest as Uint8Array[], at).catch(storeFault)
    if (bytesWritten === bytes) return
    rest = dropBytes(rest, bytesWritten)
    at += bytesWritten
  }
}

export function dropBytes(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let left = count
  for (const chunk of chunks) {
    if (left >= chunk.length) left -= chunk.length
    else {
      rest.push(chunk.subarray(left))
      left = 0
    }
  }
  return rest
}
