import { open, readFile, rename, unlink } from 'node:fs/promises'
import { makeFolderDurable, syncFolder } from '../../store/durable-file.ts'
import { readCapture } from './capture-reader.ts'
import { openSegmentPath, segmentPath, segmentsIn, spoolFolder } from './folder.ts'

export type TakenUp = {
  /** Their numbers, in order. */
  readonly segments: readonly number[]
  /** Of frames that a crash left unfinished. */
  readonly cutBytes: number
}

/** What an earlier run left in the spool. A segment that was being written is cut at its last whole frame and finished. */
export async function takeUpSpool(folder: string): Promise<TakenUp> {
  await makeFolderDurable(spoolFolder(folder))
  let cutBytes = 0
  for (const number of (await segmentsIn(folder)).open) cutBytes += await finishOpen(folder, number)
  await syncFolder(spoolFolder(folder))
  return { segments: (await segmentsIn(folder)).finished, cutBytes }
}

async function finishOpen(folder: string, number: number): Promise<number> {
  const path = openSegmentPath(folder, number)
  const bytes = await readFile(path)
  const { datagrams, wholeBytes } = readCapture(bytes, () => {})
  if (datagrams === 0) {
    await unlink(path)
    return bytes.length
  }
  const file = await open(path, 'r+')
  try {
    await file.truncate(wholeBytes)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(path, segmentPath(folder, number))
  return bytes.length - wholeBytes
}
