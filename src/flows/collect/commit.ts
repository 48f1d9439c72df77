/**
 * How far segments were decoded, and everything that must be known to go on from there: one file, replaced as a whole.
 * A segment is done when the commit that names it is on disk, and not before.
 */
import { readFile } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { isMissing, writeFileDurable } from '../../store/durable-file.ts'
import type { InputNotes } from '../decode/notes.ts'
import type { DecoderSnapshot } from './decoder-snapshot.ts'
import { commitPath } from './folder.ts'
import { noNotes } from './note-counts.ts'

export type ExporterCounts = {
  readonly exporter: string
  readonly datagrams: number
  readonly records: number
  readonly lastUnixMs: number
}

export type Commit = {
  readonly version: 1
  /** The last segment that was decoded; 0 for none. */
  readonly through: number
  readonly datagrams: number
  readonly records: number
  /** Segments that could not be decoded and were set aside, with what they hold. */
  readonly failedSegments: number
  readonly failedDatagrams: number
  readonly lastArrivedUnixMs: number | null
  /** The last time in a header of NetFlow or IPFIX that agreed with the clock by which it arrived. */
  readonly agreedUnixMs?: number
  readonly notes: InputNotes
  /** Of segments that gave no records, for the next file. */
  readonly carried: InputNotes
  readonly exporters: readonly ExporterCounts[]
  readonly decoder: DecoderSnapshot | null
}

const firstCommit: Commit = {
  version: 1,
  through: 0,
  datagrams: 0,
  records: 0,
  failedSegments: 0,
  failedDatagrams: 0,
  lastArrivedUnixMs: null,
  notes: noNotes,
  carried: noNotes,
  exporters: [],
  decoder: null,
}

export async function readCommit(folder: string): Promise<Commit> {
  const path = commitPath(folder)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return firstCommit
    throw error
  }
  return parseCommit(path, text)
}

/** Throws `bad-input`. */
export function parseCommit(path: string, text: string): Commit {
  try {
    const commit = JSON.parse(text) as Commit
    if (commit.version === 1 && Number.isSafeInteger(commit.through)) return commit
  } catch {
    // Said below.
  }
  // It is replaced as a whole, so this is no crash: somebody else wrote it, or the disk is damaged.
  throw new HoldfastError('bad-input', `${path} is not a commit of this version`)
}

export async function writeCommit(folder: string, commit: Commit): Promise<void> {
  await writeFileDurable(commitPath(folder), Buffer.from(JSON.stringify(commit)), 0o600)
}
