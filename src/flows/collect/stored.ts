import { open, readFile } from 'node:fs/promises'
import { isMissing } from '../../store/durable-file.ts'
import { captureMagic } from './capture-format.ts'
import { readCapture } from './capture-reader.ts'
import { endFrame } from './capture-writer.ts'
import type { Commit } from './commit.ts'
import { openSegmentPath, segmentPath, segmentsIn } from './folder.ts'

export type Stored = {
  /** Datagrams in Parquet, or found to hold no flows. */
  readonly decoded: number
  /** In segments that wait to be decoded. */
  readonly inSpool: number
  readonly setAside: number
}

/** What is on disk, counted from the disk. Right as well while a collector is at work, but for what changes meanwhile. */
export async function storedIn(folder: string, commit: Commit): Promise<Stored> {
  const { finished, open: opened } = await segmentsIn(folder)
  let inSpool = 0
  for (const number of finished)
    if (number > commit.through) inSpool += await datagramsIn(segmentPath(folder, number))
  for (const number of opened)
    if (number > commit.through) inSpool += await datagramsIn(openSegmentPath(folder, number))
  return { decoded: commit.datagrams, inSpool, setAside: commit.failedDatagrams }
}

/** By the end frame, or by reading all of it where there is none. A file that is gone by now holds nothing. */
async function datagramsIn(path: string): Promise<number> {
  try {
    return (await endOf(path)) ?? readCapture(await readFile(path), () => {}).datagrams
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

async function endOf(path: string): Promise<number | null> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const length = endFrame(0).length
    if (size < captureMagic.length + length) return null
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const datagrams = Number(buffer.readBigUInt64BE(length - 8))
    return Number.isSafeInteger(datagrams) && buffer.equals(endFrame(datagrams)) ? datagrams : null
  } finally {
    await file.close()
  }
}
