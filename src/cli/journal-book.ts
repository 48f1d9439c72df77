/**
 * The third book: what the key holder wrote down of every use of the customer's keys, against what the region entered.
 *
 * A region that stores or reads under a bucket key must have asked for it: within `windowMs` before, because it may
 * keep a key for its lease, and a long upload is entered at its end. An entry without that is a contradiction: the
 * region has kept the key, or has it from elsewhere. The other way round, a key that was opened and that no entry tells
 * a use of is said and is no contradiction: an upload that was never completed opens a key and enters nothing.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { isoTime, parseIsoTime } from '../core/time.ts'
import type { EntryPayload } from '../verify/payload.ts'

const journalWindowMs = 24 * 3600e3
/** The clocks of the key holder and of a region may differ by so much. */
const toleranceMs = 2 * 60_000
const maxTold = 20
/** In place of a bucket key's id: one that the entry does not name. */
const anyKey = '*'

interface Opening {
  readonly timeUnixMs: number
  readonly line: number
  used: boolean
}

export interface JournalVerdict {
  readonly failures: readonly string[]
  readonly facts: Readonly<Record<string, string | number>>
}

/** Uses of keys by entries of verified statements: minutes, so that ten million entries need little memory. */
export class KeyUses {
  /** By region and bucket key id: first entry id of each minute. */
  readonly #uses = new Map<string, Map<number, string>>()
  readonly #regions = new Set<string>()

  read({ type, body, region, time, id }: EntryPayload): void {
    this.#regions.add(region)
    const at = parseIsoTime(time)!
    if (type === 'bucketkey.created' || type === 'object.put') {
      if (typeof body.bucketKeyId === 'string') this.#note(region, body.bucketKeyId, at, id)
    } else if (type === 'read.opened' || type === 'reads.summed') {
      // A sum is entered when its minute is over; what it sums began at `from`. Which key it was the entry does not
      // say: an object that was transferred keeps the key of the bucket that it came from.
      const from = typeof body.from === 'string' ? parseIsoTime(body.from) : null
      this.#note(region, anyKey, from ?? at, id)
    }
  }

  /** Takes over what a statement said, once it verified. */
  merge(other: KeyUses): void {
    for (const region of other.#regions) this.#regions.add(region)
    for (const { region, key, timeUnixMs, entry } of other.all()) this.#note(region, key, timeUnixMs, entry)
  }

  has(region: string): boolean {
    return this.#regions.has(region)
  }

  *all(): Generator<{
    readonly region: string
    readonly key: string
    readonly timeUnixMs: number
    readonly entry: string
  }> {
    for (const [name, minutes] of this.#uses) {
      const [region = '', key = ''] = name.split('/')
      for (const [minute, entry] of minutes) yield { region, key, timeUnixMs: minute * 60_000, entry }
    }
  }

  #note(region: string, key: string, timeUnixMs: number, entry: string): void {
    const name = `${region}/${key}`
    const minutes = this.#uses.get(name) ?? new Map<number, string>()
    this.#uses.set(name, minutes)
    const minute = Math.floor(timeUnixMs / 60_000)
    if (!minutes.has(minute)) minutes.set(minute, entry)
  }
}

export function reconcileJournal(path: string, uses: KeyUses): JournalVerdict {
  const openings = new Map<string, Opening[]>()
  let lines = 0
  let refused = 0
  let previous = '0'.repeat(64)
  const text = readFileSync(path, 'utf8')
  if (text !== '' && !text.endsWith('\n')) return failed('the journal ends in the middle of a line')
  for (const line of text.split('\n').slice(0, -1)) {
    lines++
    const row = parseCanonicalJson(line) as { readonly [field: string]: Json } | null
    const timeUnixMs = typeof row?.time === 'string' ? parseIsoTime(row.time) : null
    if (row === null || timeUnixMs === null) return failed(`line ${lines} of the journal is not in its form`)
    if (row.n !== lines - 1 || row.prev !== previous)
      return failed(`line ${lines} of the journal does not follow from the one before: it was changed or cut`)
    previous = createHash('sha256').update(`${line}\n`).digest('hex')
    if (row.outcome !== 'done') {
      refused++
      continue
    }
    const name = `${row.requester}/${row.bucketKeyId}`
    const list = openings.get(name) ?? []
    openings.set(name, list)
    list.push({ timeUnixMs, line: lines, used: false })
  }

  const failures: string[] = []
  let contradictions = 0
  let entries = 0
  for (const { region, key, timeUnixMs, entry } of uses.all()) {
    entries++
    const list = key === anyKey ? ofRegion(openings, region) : (openings.get(`${region}/${key}`) ?? [])
    const before = list.filter(
      opening =>
        opening.timeUnixMs >= timeUnixMs - journalWindowMs &&
        opening.timeUnixMs <= timeUnixMs + 60_000 + toleranceMs,
    )
    for (const opening of before) opening.used = true
    if (before.length > 0) continue
    contradictions++
    if (failures.length < maxTold)
      failures.push(
        `entry ${entry} of ${region} (${isoTime(timeUnixMs)}) used ${key === anyKey ? 'a bucket key' : `bucket key ${key}`}, and the key holder was not asked for it in the ${journalWindowMs / 3600e3} hours before`,
      )
  }
  if (contradictions > failures.length) failures.push(`and ${contradictions - failures.length} more`)
  // Of regions whose statement is not at hand, nothing can be said.
  const known = [...openings].filter(([name]) => uses.has(name.split('/')[0]!)).flatMap(([, list]) => list)
  const open = known.filter(({ used }) => !used)
  const facts = {
    lines,
    refused,
    openings: known.length,
    usesCompared: entries,
    ...(open.length > 0 && {
      withoutEntry: `${open.length}, lines ${open
        .slice(0, maxTold)
        .map(({ line }) => line)
        .join(', ')}`,
    }),
  }
  return { failures, facts }
}

function ofRegion(openings: ReadonlyMap<string, readonly Opening[]>, region: string): Opening[] {
  return [...openings].flatMap(([name, list]) => (name.startsWith(`${region}/`) ? list : []))
}

function failed(failure: string): JournalVerdict {
  return { failures: [failure], facts: {} }
}
