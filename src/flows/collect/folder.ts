/**
 * What lies where in a collector's folder (`docs/collect.md`). Names say everything that has to be known
 * of a file, so that after a crash the folder itself is the book.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

export const hourMs = 3_600_000

/** A segment of datagrams that waits to be decoded, and the one that is being written. */
export const spoolFolder = (folder: string): string => join(folder, 'spool')
export const segmentPath = (folder: string, segment: number): string =>
  join(spoolFolder(folder), `${digits(segment)}.hfcap`)
export const openSegmentPath = (folder: string, segment: number): string =>
  `${segmentPath(folder, segment)}.open`

export const commitPath = (folder: string): string => join(folder, 'commit.json')
export const lockPath = (folder: string): string => join(folder, 'collector.lock')
export const clockPath = (folder: string): string => join(folder, 'clock.json')
export const statusPath = (folder: string): string => join(folder, 'status.json')

export type Kind = 'raw' | 'rollup'

/** Hours since 1970; `null` for what starts far from when it arrived. */
export type Hour = number | null

/** Under this name lie records whose start is far from when they arrived: no folder of an hour would be looked for there. */
const elsewhere = 'other'

export const hourName = (hour: Hour): string =>
  hour === null ? elsewhere : new Date(hour * hourMs).toISOString().slice(0, 13)

function parseHourName(name: string): Hour | undefined {
  if (name === elsewhere) return null
  if (!/^\d{4}-\d\d-\d\dT\d\d$/.test(name)) return undefined
  const unixMs = Date.parse(`${name}:00:00Z`)
  return Number.isNaN(unixMs) ? undefined : unixMs / hourMs
}

export const hourFolder = (folder: string, kind: Kind, hour: Hour): string =>
  join(folder, kind, hourName(hour))

/** Rows of the segments from the first to the second, both included. */
export type SegmentRange = { readonly from: number; readonly through: number }

export const rangePath = (folder: string, kind: Kind, hour: Hour, { from, through }: SegmentRange): string =>
  join(hourFolder(folder, kind, hour), `${digits(from)}-${digits(through)}.parquet`)

export type RangeFile = SegmentRange & { readonly path: string }

/** Everything that stands, in order. A file within the range of another one was merged into it and counts no more. */
export async function rangeFiles(folder: string, kind: Kind, hour: Hour): Promise<RangeFile[]> {
  const all = await allRangeFiles(folder, kind, hour)
  return all.filter(file => !all.some(other => isWithin(file, other)))
}

/** Those that were merged into another one: a crash left them. */
export async function supersededFiles(folder: string, kind: Kind, hour: Hour): Promise<RangeFile[]> {
  const all = await allRangeFiles(folder, kind, hour)
  return all.filter(file => all.some(other => isWithin(file, other)))
}

async function allRangeFiles(folder: string, kind: Kind, hour: Hour): Promise<RangeFile[]> {
  const inside = hourFolder(folder, kind, hour)
  const files: RangeFile[] = []
  for (const name of await namesIn(inside)) {
    const match = /^(\d{12})-(\d{12})\.parquet$/.exec(name)
    if (match !== null)
      files.push({ from: Number(match[1]), through: Number(match[2]), path: join(inside, name) })
  }
  return files.sort((a, b) => a.from - b.from || a.through - b.through)
}

function isWithin(file: SegmentRange, other: SegmentRange): boolean {
  const isLarger = other.through - other.from > file.through - file.from
  return isLarger && file.from >= other.from && file.through <= other.through
}

export async function hoursOf(folder: string, kind: Kind): Promise<Hour[]> {
  const hours: Hour[] = []
  for (const name of await namesIn(join(folder, kind))) {
    const hour = parseHourName(name)
    if (hour !== undefined) hours.push(hour)
  }
  return hours.sort((a, b) => (a ?? Number.NEGATIVE_INFINITY) - (b ?? Number.NEGATIVE_INFINITY))
}

export async function segmentsIn(folder: string): Promise<{ finished: number[]; open: number[] }> {
  const finished: number[] = []
  const open: number[] = []
  for (const name of await namesIn(spoolFolder(folder))) {
    const match = /^(\d{12})\.hfcap(\.open)?$/.exec(name)
    if (match !== null) (match[2] === undefined ? finished : open).push(Number(match[1]))
  }
  return { finished: finished.sort((a, b) => a - b), open: open.sort((a, b) => a - b) }
}

export async function namesIn(path: string): Promise<string[]> {
  return (
    await readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
  ).sort()
}

const digits = (segment: number): string => String(segment).padStart(12, '0')
