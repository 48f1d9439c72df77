/** How many of each kind were found, and where first: all that is kept of what was found. */
import { hash } from 'node:crypto'
import { type Detector, detectors } from './detectors.ts'
import type { Candidate } from './scanner.ts'

/** A file or an object. Two may be shown alike, where their names were masked: it is this object that tells them apart. */
export interface Source {
  readonly shown: string
}

export interface Place {
  readonly source: Source
  /** Bytes from the start of the content; `null`: in its name. */
  readonly offset: number | null
}

export interface KindTally {
  readonly detector: Detector
  /** Finds, each time that one stands somewhere. */
  readonly finds: number
  readonly distinct: number
  /** Distinct ones of the shape, whether the check digit holds or not. */
  readonly distinctShaped: number
  /** More may have been distinct than were kept apart. */
  readonly isCapped: boolean
  /** Files or objects with finds. */
  readonly sources: number
  readonly first: Place | null
}

interface Tally {
  add(candidate: Candidate, place: Place): void
  kinds(): readonly KindTally[]
}

/** So many of a kind are kept apart: a few megabytes each. */
const mostDistinct = 50_000

/**
 * Those that were seen are remembered as salted hashes: a dump of this process's memory gives less away, and each
 * takes the same room. Both counts come from one set, so that they stay comparable when it is full.
 */
export function createTally(salt: string, most = mostDistinct): Tally {
  const rows = new Map(
    detectors.map(detector => [
      detector,
      {
        detector,
        seen: new Set<string>(),
        finds: 0,
        distinct: 0,
        isCapped: false,
        sources: 0,
        first: null as Place | null,
        lastSource: null as Source | null,
      },
    ]),
  )

  return {
    add({ detector, identifier, holds }, place) {
      const row = rows.get(detector)!
      if (holds) {
        row.finds++
        row.first ??= place
        if (row.lastSource !== place.source) row.sources++
        row.lastSource = place.source
      }
      const id = hash('sha256', `${salt}${identifier}`, 'base64url').slice(0, 16)
      if (row.seen.has(id)) return
      if (row.seen.size === most) {
        row.isCapped = true
        return
      }
      row.seen.add(id)
      if (holds) row.distinct++
    },

    kinds: () =>
      [...rows.values()].map(({ seen, lastSource: _, ...row }) => ({ ...row, distinctShaped: seen.size })),
  }
}
