import type { FileHandle } from 'node:fs/promises'
import { HoldfastError } from '../core/errors.ts'
import type { BlobId, BlobReader } from './blob-store.ts'

/** A range of a file, of which `id` is the blob that errors name. */
export interface FileRange {
  readonly id: BlobId
  readonly handle: FileHandle
  readonly start: number
  readonly end: number
  readonly buffers: ReadBuffers
  /** Lets go of the file; called once, when nothing reads from it any more. */
  readonly close: () => Promise<void>
}

const readBytes = 512 << 10

/** Reads ahead by one buffer, so that the disk works while the caller decrypts; two buffers take turns. */
export function createFileReader({ id, handle, start, end, buffers, close }: FileRange): BlobReader {
  // A short range (a header, one segment) is one read into a buffer of its size.
  const isShort = end - start <= shortBytes
  const own = isShort ? [Buffer.allocUnsafe(end - start)] : [buffers.take(), buffers.take()]
  let at = start
  let turn = 0
  let ahead: Promise<Uint8Array> | null = null
  let broken = false
  const readNext = async (): Promise<Uint8Array> => {
    const length = Math.min(readBytes, end - at)
    const buffer = own[turn]!
    turn = (turn + 1) % own.length
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, at + filled)
      if (bytesRead === 0)
        throw new HoldfastError('store-damaged', `blob ${id} is shorter than its record says`, { id })
      filled += bytesRead
    }
    at += length
    return buffer.subarray(0, length)
  }
  return {
    async next() {
      if (ahead === null && at >= end) return null
      try {
        const chunk = await (ahead ?? readNext())
        ahead = at < end ? readNext() : null
        // A failure is seen by the next call; until then it must not count as unhandled.
        ahead?.catch(() => {})
        return chunk
      } catch (error) {
        broken = true
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      await ahead?.catch(() => {
        broken = true
      })
      await close()
      // What a failed read may still write into is not given to the next reader.
      if (!broken && !isShort) for (const buffer of own) buffers.give(buffer)
    },
  }
}

export interface ReadBuffers {
  take(): Buffer
  give(buffer: Buffer): void
}

const shortBytes = 128 * 1024
const keptBuffers = 16

/** Buffers that readers pass on: a fresh one for each mebibyte keeps the collector as busy as the decryption. */
export function createReadBuffers(): ReadBuffers {
  const free: Buffer[] = []
  return {
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(readBytes),
    give(buffer) {
      if (free.length < keptBuffers) free.push(buffer)
    },
  }
}
