/** What a collector says of itself every second, for what the folder's other files cannot say (`status.json`). */
import { readFile } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { isMissing, writeFileDurable } from '../../store/durable-file.ts'
import { statusPath } from './folder.ts'
import type { Unwritten } from './spool.ts'

const format = 'holdfast/collector-status/v1'

export type CollectorStatus = {
  readonly format: typeof format
  readonly updatedUnixMs: number
  readonly startedUnixMs: number
  /** `null` while it runs, and for ever when it was killed. */
  readonly stoppedUnixMs: number | null
  readonly listen: readonly string[]
  /** Datagrams of this run: what arrived, and what of it is not on disk yet. */
  readonly received: number
  readonly waiting: number
  /** Of all runs: what arrived and could not be stored. */
  readonly unwritten: Unwritten
  /** Of all runs: what the kernel threw away because nobody took it in time. */
  readonly kernelDrops: number
  /** Some run could not read how many the kernel threw away, so there may be more. */
  readonly mayHaveMoreDrops: boolean
  readonly alerts: number
  /** What is wrong at the moment. */
  readonly faults: readonly string[]
}

const firstStatus: CollectorStatus = {
  format,
  updatedUnixMs: 0,
  startedUnixMs: 0,
  stoppedUnixMs: null,
  listen: [],
  received: 0,
  waiting: 0,
  unwritten: { datagrams: 0, records: 0, datagramsOfUnknownRecords: 0 },
  kernelDrops: 0,
  mayHaveMoreDrops: false,
  alerts: 0,
  faults: [],
}

export async function readStatus(folder: string): Promise<CollectorStatus> {
  const path = statusPath(folder)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return firstStatus
    throw error
  }
  try {
    const status = JSON.parse(text) as CollectorStatus
    if (status.format === format && Number.isSafeInteger(status.unwritten.datagrams)) return status
  } catch {
    // Said below.
  }
  throw new HoldfastError('bad-input', `${path} is not a collector's status of this version`)
}

export async function writeStatus(folder: string, status: CollectorStatus): Promise<void> {
  await writeFileDurable(statusPath(folder), Buffer.from(`${JSON.stringify(status)}\n`), 0o600)
}
