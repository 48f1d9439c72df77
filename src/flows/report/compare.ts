import { z } from 'zod'
import { HoldfastError } from '../../core/errors.ts'
import type { AuditReport } from './report-types.ts'

/** What is compared of a report: enough of `audit --json`, of this version or an earlier one. */
const earlierSchema = z.object({
  format: z.literal('holdfast/audit/v1'),
  coverage: z.object({ from: z.string().nullable(), until: z.string().nullable(), complete: z.boolean() }),
  servers: z.array(
    z.object({
      server: z.string(),
      country: z.string(),
      bytesAbroad: z.number(),
      unexplained: z.number(),
      disputed: z.number(),
      destinations: z.array(
        z.object({ country: z.string().nullable(), asn: z.number().nullable(), bytes: z.number() }),
      ),
    }),
  ),
})

export type EarlierReport = z.infer<typeof earlierSchema>

export type Comparison = {
  readonly earlier: { readonly from: string | null; readonly until: string | null }
  /** One period is longer than the other by more than a tenth, so sums do not compare; a day's average does. */
  readonly averaged: boolean
  readonly servers: readonly ServerChange[]
  /** Countries and networks that no server of the earlier period sent to. */
  readonly newDestinations: readonly {
    readonly country: string | null
    readonly asn: number | null
    readonly servers: number
    readonly bytes: number
  }[]
}

export type ServerChange = {
  readonly server: string
  readonly country: string
  /** Bytes, or bytes a day where the periods differ. */
  readonly abroad: Change
  readonly open: Change
  readonly kind: 'new' | 'gone' | 'more' | 'less'
}

export type Change = { readonly before: number; readonly now: number }

/** Throws `bad-input` for what is no report. */
export function parseEarlier(name: string, text: string): EarlierReport {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new HoldfastError('bad-input', `${name} is no JSON: it should be what audit --json printed`)
  }
  const parsed = earlierSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new HoldfastError(
    'bad-input',
    `${name} is no report of an audit: ${issue?.path.join('.')}: ${issue?.message}`,
  )
}

/** Less than this is no change worth a line. */
const leastShare = 0.5
const leastBytes = 1_000_000
const dayMs = 86_400_000

export function compareReports(
  report: Pick<AuditReport, 'coverage' | 'servers'>,
  earlier: EarlierReport,
): Comparison {
  const daysNow = daysOf(report.coverage)
  const daysBefore = daysOf(earlier.coverage)
  const averaged = Math.abs(daysNow - daysBefore) > 0.1 * Math.max(daysNow, daysBefore)
  const now = (bytes: number) => (averaged ? bytes / daysNow : bytes)
  const before = (bytes: number) => (averaged ? bytes / daysBefore : bytes)
  const keyOf = ({ server, country }: { server: string; country: string }) => `${server}\n${country}`
  const known = new Map(earlier.servers.map(row => [keyOf(row), row]))
  const here = new Map(report.servers.map(row => [keyOf(row), row]))
  const changes: ServerChange[] = []
  for (const key of new Set([...known.keys(), ...here.keys()])) {
    const was = known.get(key)
    const is = here.get(key)
    const { server, country } = (is ?? was)!
    const abroad = { before: before(was?.bytesAbroad ?? 0), now: now(is?.bytesAbroad ?? 0) }
    const open = {
      before: before((was?.unexplained ?? 0) + (was?.disputed ?? 0)),
      now: now((is?.unexplained ?? 0) + (is?.disputed ?? 0)),
    }
    const kind = kindOf(abroad)
    if (kind !== null) changes.push({ server, country, abroad, open, kind })
  }
  const destinationKey = ({ country, asn }: { country: string | null; asn: number | null }) =>
    `${country} ${asn}`
  const seen = new Set(earlier.servers.flatMap(({ destinations }) => destinations.map(destinationKey)))
  const fresh = new Map<
    string,
    { country: string | null; asn: number | null; servers: number; bytes: number }
  >()
  for (const { destinations } of report.servers)
    for (const destination of destinations) {
      const key = destinationKey(destination)
      if (seen.has(key)) continue
      const { country, asn, bytes } = destination
      const sum = fresh.get(key) ?? { country, asn, servers: 0, bytes: 0 }
      fresh.set(key, { ...sum, servers: sum.servers + 1, bytes: sum.bytes + bytes })
    }
  const size = ({ abroad }: ServerChange) => Math.abs(abroad.now - abroad.before)
  return {
    earlier: { from: earlier.coverage.from, until: earlier.coverage.until },
    averaged,
    servers: changes.sort((a, b) => size(b) - size(a) || (a.server < b.server ? -1 : 1)),
    newDestinations: [...fresh.values()].sort((a, b) => b.bytes - a.bytes),
  }
}

function kindOf({ before, now }: Change): ServerChange['kind'] | null {
  if (Math.max(before, now) < leastBytes) return null
  if (before < leastBytes / 100) return 'new'
  if (now < leastBytes / 100) return 'gone'
  if (now > before * (1 + leastShare)) return 'more'
  return before > now * (1 + leastShare) ? 'less' : null
}

function daysOf({ from, until }: { from: string | null; until: string | null }): number {
  const ms = from === null || until === null ? 0 : Date.parse(until) - Date.parse(from)
  return Math.max(1 / 24, (Number.isFinite(ms) ? ms : 0) / dayMs)
}
