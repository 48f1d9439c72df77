/**
 * The innocence threshold: what any server sends abroad by being on the Internet, and how much of it is thought
 * nothing of. Stated in every report, and a reader can move each number.
 */
import { humanBytes } from '../report/units.ts'
import type { Channel, TrafficClass } from './channels.ts'
import type { Detection } from './detection.ts'
import { dayMs, dayOf, type Period } from './period.ts'

export type IncidentalClass =
  | 'data'
  | 'answers'
  | 'probes'
  | 'names'
  | 'time'
  | 'icmp'
  | 'headers'
  | 'acknowledgements'

export type Limit = { readonly totalBytes: number; readonly dayBytes: number }

export type InnocenceLimits = Readonly<Record<IncidentalClass, Limit>> & {
  /** A detection of this score or more, not marked as expected, and the server is not innocent. */
  readonly score: number
  /** An address that got no more than this in answers, all in all, is one that only knocked. */
  readonly probeBytes: number
}

/** Totals are for 30 days: a longer period may have as much more, a shorter one may have all of it. */
export const defaultLimits: InnocenceLimits = {
  data: { totalBytes: 1e6, dayBytes: 1e6 },
  answers: { totalBytes: 1e6, dayBytes: 1e6 },
  probes: { totalBytes: 30e6, dayBytes: 2e6 },
  names: { totalBytes: 100e6, dayBytes: 5e6 },
  time: { totalBytes: 30e6, dayBytes: 1e6 },
  icmp: { totalBytes: 10e6, dayBytes: 1e6 },
  headers: { totalBytes: 100e6, dayBytes: 10e6 },
  acknowledgements: { totalBytes: 1e9, dayBytes: 100e6 },
  score: 50,
  probeBytes: 16_384,
}
const limitDays = 30
/** A packet of 52 bytes for each of 1500 that comes makes 3.5 %; smaller packets come too. */
const acknowledgedPart = 0.1

const whats: Readonly<Record<IncidentalClass, string>> = {
  data: 'what its connections carry beyond headers: requests, certificate checks, update queries',
  answers: 'what it answers to addresses that asked for more than a knock',
  probes: 'what it answers to addresses that only knocked (scanners)',
  names: 'name look-ups, with headers',
  time: 'setting the clock, with headers',
  icmp: 'ICMP, with headers',
  headers: 'headers and acknowledgements beyond a tenth of what came from there',
  acknowledgements: 'headers and acknowledgements, where the records do not show what came from there',
}

/** Unexplained bytes abroad by class: in all, and on the largest day. */
export type Summary = Readonly<Record<IncidentalClass, Limit>> & { readonly days: number }

export type Verdict = {
  readonly isInnocent: boolean
  /** Why not, a sentence each. */
  readonly reasons: readonly string[]
}

export type SummaryBuilder = {
  readonly pair: (channels: readonly Channel[], receivedBytes: number | null) => void
  readonly summary: () => Summary
}

export function createSummary(period: Period, limits: InnocenceLimits): SummaryBuilder {
  const names = Object.keys(whats) as IncidentalClass[]
  const days = Object.fromEntries(names.map(name => [name, new Float64Array(period.days)])) as Record<
    IncidentalClass,
    Float64Array
  >
  const isCarried: Readonly<Record<TrafficClass, boolean>> = {
    data: true,
    answers: true,
    names: false,
    time: false,
    icmp: false,
  }
  return {
    pair(channels, receivedBytes) {
      let answered = 0
      let headers = 0
      for (const { class: name, sum } of channels) {
        if (name === 'answers') answered += sum.carried
        if (isCarried[name]) headers += sum.bytes - sum.carried
      }
      const acknowledged = (receivedBytes ?? 0) * acknowledgedPart
      const headersPart = headers === 0 ? 0 : Math.max(0, 1 - acknowledged / headers)
      const headersByDay = receivedBytes === null ? days.acknowledgements : days.headers
      for (const channel of channels) {
        const name = channel.class === 'answers' && answered <= limits.probeBytes ? 'probes' : channel.class
        const byDay = days[name]
        const byCarried = isCarried[channel.class]
        for (let i = 0; i < channel.length; i++) {
          const day = dayOf(period, channel.startUnixMs[i]!)
          const carried = channel.carried[i]!
          const bytes = channel.bytes[i]!
          byDay[day]! += byCarried ? carried : bytes
          if (byCarried) headersByDay[day]! += (bytes - carried) * headersPart
        }
      }
    },
    summary() {
      const sums = names.map(name => {
        const totalBytes = days[name].reduce((sum, bytes) => sum + bytes, 0)
        const dayBytes = days[name].reduce((most, bytes) => Math.max(most, bytes), 0)
        return [name, { totalBytes, dayBytes }] as const
      })
      const lasted = Math.ceil((period.untilUnixMs - period.fromUnixMs) / dayMs)
      return { ...(Object.fromEntries(sums) as Record<IncidentalClass, Limit>), days: Math.max(1, lasted) }
    },
  }
}

/** `detections`: those that are not marked as expected. */
export function isInnocent(
  summary: Summary,
  detections: readonly Detection[],
  limits: InnocenceLimits = defaultLimits,
): Verdict {
  const reasons: string[] = []
  const longer = Math.max(1, summary.days / limitDays)
  for (const name of Object.keys(whats) as IncidentalClass[]) {
    const { totalBytes, dayBytes } = summary[name]
    const most = limits[name].totalBytes * longer
    if (totalBytes > most) {
      reasons.push(`${humanBytes(totalBytes)} in all, where ${humanBytes(most)} pass: ${whats[name]}`)
    } else if (dayBytes > limits[name].dayBytes) {
      reasons.push(
        `${humanBytes(dayBytes)} in a day, where ${humanBytes(limits[name].dayBytes)} pass: ${whats[name]}`,
      )
    }
  }
  const suspect = detections.filter(({ score }) => score >= limits.score)
  for (const { kind, score, reason } of suspect.slice(0, 5)) reasons.push(`${kind} (${score}): ${reason}`)
  if (suspect.length > 5) reasons.push(`and ${suspect.length - 5} more`)
  return { isInnocent: reasons.length === 0, reasons }
}

/** For reports: the threshold in words. */
export function innocenceText(limits: InnocenceLimits = defaultLimits): string[] {
  const lines = (Object.keys(whats) as IncidentalClass[]).map(name => {
    const { totalBytes, dayBytes } = limits[name]
    const aDay = dayBytes < totalBytes ? `, and ${humanBytes(dayBytes)} a day` : ''
    return `up to ${humanBytes(totalBytes)} in 30 days${aDay}: ${whats[name]}`
  })
  return [
    `A server is innocent that sent nothing abroad unexplained but this, and has no detection of ${limits.score} points or more that is not marked as expected:`,
    ...lines,
  ]
}
