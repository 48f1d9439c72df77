/** A collector's folder as an audit reads it: its raw files, and an account of what did not get into them. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { isMissing } from '../../store/durable-file.ts'
import { createExportDecoder } from '../decode/export-decoder.ts'
import { type InputNotes, Notes } from '../decode/notes.ts'
import type { ReadInput } from '../decode/read-input.ts'
import { type Commit, parseCommit } from './commit.ts'
import { restoreInto } from './decoder-snapshot.ts'
import { commitPath, type Hour, hourName, hoursOf, rangeFiles } from './folder.ts'
import { addNotes, notesSince } from './note-counts.ts'
import { type CollectorStatus, readStatus } from './status.ts'
import { type Stored, storedIn } from './stored.ts'

export type CollectedFile = {
  readonly name: string
  readonly path: string
  readonly sizeBytes: number
  /** It is one of several of its hour, and a collector at work may merge those. */
  readonly isFleeting: boolean
}

export type FolderInputs = {
  readonly files: readonly CollectedFile[]
  readonly account: ReadInput
}

/**
 * `null` for a folder that no collector has decoded anything into. Files of segments that are not committed are left
 * out: they are made anew. A collector that is at work meanwhile may merge files away before they are read; throws
 * `conflict` when it did so while they were listed.
 */
export async function collectorInputs(folder: string): Promise<FolderInputs | null> {
  const path = commitPath(folder)
  const bytes = await readFile(path).catch(error => {
    if (isMissing(error)) return null
    throw error
  })
  if (bytes === null) return null
  const commit = parseCommit(path, bytes.toString('utf8'))
  const files: CollectedFile[] = []
  const hours = await hoursOf(folder, 'raw')
  for (const hour of hours) {
    const ranges = await rangeFiles(folder, 'raw', hour)
    for (const file of ranges) {
      if (file.from > commit.through) continue
      const name = join(basename(folder), relative(folder, file.path))
      // Of a later commit than the one that was read: what was there before is merged into it.
      if (file.through > commit.through) throw merged(name)
      const { size } = await stat(file.path).catch(error => {
        throw isMissing(error) ? merged(name) : error
      })
      files.push({ name, path: file.path, sizeBytes: size, isFleeting: ranges.length > 1 })
    }
  }
  const rolledUpOnly = (await hoursOf(folder, 'rollup')).filter(hour => !hours.includes(hour))
  const notes = account(commit, await readStatus(folder), await storedIn(folder, commit), rolledUpOnly)
  return {
    files,
    account: {
      ...notes,
      name: join(basename(folder), basename(path)),
      formats: ['collector'],
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      records: 0,
      fromUnixMs: null,
      untilUnixMs: null,
    },
  }
}

function merged(name: string): HoldfastError {
  return new HoldfastError(
    'conflict',
    `${name}: its collector merged files while they were listed; run the audit again`,
  )
}

function account(
  commit: Commit,
  status: CollectorStatus,
  { inSpool, setAside }: Stored,
  rolledUpOnly: readonly Hour[],
): InputNotes {
  const notes = new Notes()
  const { unwritten, kernelDrops } = status
  if (unwritten.datagrams > 0)
    notes.lost('collector: datagrams that arrived and could not be stored', unwritten.datagrams)
  if (kernelDrops > 0) notes.lost('collector: datagrams that the kernel threw away', kernelDrops)
  if (status.mayHaveMoreDrops)
    notes.remark('collector: how many datagrams the kernel threw away is not known of every run')
  if (inSpool > 0) notes.unread('collector: datagram that was not decoded yet', 0, inSpool)
  if (setAside > 0) notes.unread('collector: datagram in a segment that could not be decoded', 0, setAside)
  const [first] = rolledUpOnly
  if (first !== undefined)
    notes.remark(
      `collector: of ${rolledUpOnly.length} hours, from ${hourName(first)} to ${hourName(rolledUpOnly.at(-1)!)}, only the roll-up is kept: they are not in this audit`,
    )
  return addNotes(addNotes(commit.carried, stillHeld(commit)), notes.summary())
}

/** What would be said of data whose template has not come yet if the collector ended here. */
function stillHeld({ decoder: snapshot }: Commit): InputNotes {
  const notes = new Notes()
  const decoder = createExportDecoder(notes)
  if (snapshot !== null) restoreInto(decoder, notes, snapshot)
  const before = notes.summary()
  decoder.end()
  return notesSince(before, notes.summary())
}
