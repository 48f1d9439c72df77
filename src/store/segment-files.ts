/**
 * Segments: files of many short blobs, appended one after the other, so that hundreds share one sync. The format
 * (docs/formats/catalog.md): a header of 42 bytes (`holdfast/segm/v1`, the segment's id), then records of
 * `HFr1`, blob id (26), length (4, big endian), ciphertext.
 */
import { mkdirSync } from 'node:fs'
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import { type BlobId, parseBlobId } from './blob-store.ts'
import { isMissing, syncFolder, syncUpwards } from './durable-file.ts'

declare const brand: unique symbol
/** Writer and number, `<26>-<8>` digits: who writes it, and its how manieth. */
export type SegmentId = string & { readonly [brand]: 'SegmentId' }

export function parseSegmentId(text: string): SegmentId | null {
  return /^[0-9a-hjkmnp-tv-z]{26}-\d{8}$/.test(text) ? (text as SegmentId) : null
}

export function segmentId(writer: string, number: number): SegmentId {
  return `${writer}-${String(number).padStart(8, '0')}` as SegmentId
}

export function writerOf(segment: SegmentId): string {
  return segment.slice(0, 26)
}

const magic = Buffer.from('holdfast/segm/v1', 'latin1')
const recordMagic = Buffer.from('HFr1', 'latin1')
export const segmentHeaderBytes = magic.length + 35
export const recordHeaderBytes = recordMagic.length + 26 + 4

/** Where a blob's ciphertext begins in its segment, behind the record's header. */
export interface SegmentPlace {
  readonly segment: SegmentId
  readonly at: number
}

export function recordHeader(id: BlobId, bytes: number): Buffer {
  const header = Buffer.allocUnsafe(recordHeaderBytes)
  recordMagic.copy(header)
  header.write(id, 4, 'latin1')
  header.writeUInt32BE(bytes, 30)
  return header
}

export interface SegmentFiles {
  /** A new file with its header, its name durable. */
  create(segment: SegmentId): Promise<FileHandle>
  open(segment: SegmentId): Promise<FileHandle>
  list(): Promise<SegmentId[]>
  remove(segment: SegmentId): Promise<void>
}

export function createSegmentFiles(folder: string): SegmentFiles {
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) syncUpwards(resolve(folder))
  const pathOf = (segment: SegmentId): string => join(folder, `${segment}.seg`)
  return {
    async create(segment) {
      const handle = await open(pathOf(segment), 'wx+', 0o600)
      try {
        await handle.write(Buffer.concat([magic, Buffer.from(segment, 'latin1')]), 0, segmentHeaderBytes, 0)
        await handle.datasync()
        await syncFolder(folder)
      } catch (error) {
        await handle.close().catch(() => {})
        throw error
      }
      return handle
    },

    async open(segment) {
      try {
        return await open(pathOf(segment), 'r')
      } catch (error) {
        if (isMissing(error))
          throw new HoldfastError('not-found', `segment ${segment} is not there`, { segment })
        throw error
      }
    },

    async list() {
      const names = await readdir(folder)
      return names.flatMap(name => (name.endsWith('.seg') ? (parseSegmentId(name.slice(0, -4)) ?? []) : []))
    },

    async remove(segment) {
      await unlink(pathOf(segment)).catch(error => {
        if (!isMissing(error)) throw error
      })
    },
  }
}

export interface SegmentRecord {
  readonly id: BlobId
  readonly at: number
  readonly bytes: number
}

/** The records of a segment in order, up to the first thing that is none (what a crash cut off). */
export async function* readRecords(handle: FileHandle): AsyncGenerator<SegmentRecord, void> {
  const { size } = await handle.stat()
  const header = Buffer.alloc(recordHeaderBytes)
  for (let at = segmentHeaderBytes; at + recordHeaderBytes <= size; ) {
    const { bytesRead } = await handle.read(header, 0, recordHeaderBytes, at)
    if (bytesRead < recordHeaderBytes || recordMagic.compare(header, 0, 4) !== 0) return
    const id = parseBlobId(header.toString('latin1', 4, 30))
    const bytes = header.readUInt32BE(30)
    at += recordHeaderBytes
    if (id === null || at + bytes > size) return
    yield { id, at, bytes }
    at += bytes
  }
}
