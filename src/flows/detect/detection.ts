import { createHash } from 'node:crypto'
import type { CountryCode } from '../../core/ids.ts'
import type { Place } from '../locate/locate.ts'
import { type Technique, techniques } from './attack.ts'

/** What volume alone does not show, each by a detector of its own; `detectors.ts` has the table. */
export type DetectionKind =
  | 'beacon'
  | 'long-connection'
  | 'first-seen'
  | 'upload-ratio'
  | 'schedule'
  | 'volume-change'
  | 'slow-drip'
  | 'dns-tunnel'
  | 'icmp-tunnel'
  | 'cover-protocol'
  | 'fan-out'

export type Severity = 'high' | 'medium' | 'low' | 'info'

/** The service at the far end, or for answers the server's own. `port` is `null` for ICMP and where ports scatter. */
export type Service = {
  readonly protocol: number
  readonly port: number | null
  /** `sent`: to a service there; `answered`: from the server's own service port to whoever asked. */
  readonly role: 'sent' | 'answered'
}

/** Whereto. `address` is `null` when it is a network or a country as a whole (`fan-out`). */
export type Destination = {
  readonly address: string | null
  readonly place: Place
  readonly service: Service | null
}

/** One pattern at one server, with the numbers by which a person finds it in the records again. */
export type Detection = {
  readonly kind: DetectionKind
  readonly server: string
  readonly home: CountryCode
  /** `null`: of the server as a whole. */
  readonly destination: Destination | null
  /** 0 to 100: how clear the pattern is, lowered by how little it carried. `severityOf` has the steps. */
  readonly score: number
  readonly severity: Severity
  readonly attack: readonly Technique[]
  /** One sentence; its numbers are those of `evidence`. */
  readonly reason: string
  /** Units in the names: `periodMs`, `medianBytes`; `…Share` and `…Part` are from 0 to 1. */
  readonly evidence: Readonly<Record<string, number>>
  readonly fromUnixMs: number
  readonly untilUnixMs: number
  readonly connections: number
  /** IP bytes that no entry accounts for. */
  readonly bytes: number
  /** By which it can be marked expected: the same in every audit that finds it, whatever its numbers then are. */
  readonly key: string
}

/** 50 and more is what innocence is measured by (`innocence.ts`). */
function severityOf(score: number): Severity {
  return score >= 75 ? 'high' : score >= 50 ? 'medium' : score >= 25 ? 'low' : 'info'
}

/** What a detector says; the rest of a `Detection` follows from it. */
export type Found = Omit<Detection, 'server' | 'home' | 'severity' | 'attack' | 'key'>

export function detection(server: string, home: CountryCode, found: Found): Detection {
  const score = Math.round(Math.min(100, Math.max(0, found.score)))
  const { kind, destination } = found
  return {
    ...found,
    server,
    home,
    score,
    severity: severityOf(score),
    attack: techniques[kind],
    key: detectionKey(kind, server, destination),
  }
}

/**
 * The first 80 bits of SHA-256 over kind, server, address (or network, or country), protocol, role and port, a line
 * each, so no name can run into its neighbour.
 */
function detectionKey(kind: DetectionKind, server: string, destination: Destination | null): string {
  const service = destination?.service ?? null
  const place = destination === null ? null : destination.place
  const where =
    destination === null ? 'server' : (destination.address ?? `AS${place?.asn ?? 0} ${place?.country ?? '?'}`)
  const parts = [kind, server, where, service?.protocol ?? '-', service?.role ?? '-', service?.port ?? '-']
  const text = parts.map(part => JSON.stringify(part)).join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 20)
}
