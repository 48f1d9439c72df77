import type { CountryCode } from '../../core/ids.ts'
import type { Detection } from './detection.ts'
import type { Summary } from './innocence.ts'
import type { PairTraffic, ServerTotals } from './traffic.ts'

export type DetectorOptions = {
  readonly server: string
  readonly home: CountryCode
  readonly periodFromUnixMs: number
  readonly periodUntilUnixMs: number
  /** Of the server's country (`homeOffsetMinutes`); `null`: not one, so hours are UTC and are called so. */
  readonly utcOffsetMinutes: number | null
  /** Addresses that this server was already seen with before the period; `null`: none was given. */
  readonly known: ReadonlySet<string> | null
}

export type ServerDetections = {
  /** Highest score first; of each kind at most `maxOfAKind`. */
  readonly detections: readonly Detection[]
  /** Found and left out of `detections`, by kind. */
  readonly leftOut: Readonly<Record<string, number>>
  /** What `isInnocent` judges. */
  readonly summary: Summary
  /** What could not be judged, and why: a sentence each. */
  readonly remarks: readonly string[]
}

export type ServerDetector = {
  /** Once for each address, in any order. Nothing of `traffic` is kept: its arrays may be used again. */
  readonly pair: (traffic: PairTraffic) => void
  readonly finish: (totals: ServerTotals) => ServerDetections
}

/** Memory does not grow with connections: what is kept is by day, by hour, by network, and the best detections. */
export function createServerDetector(_options: DetectorOptions): ServerDetector {
  throw new Error('not yet')
}
