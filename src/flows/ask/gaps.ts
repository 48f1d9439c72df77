/** What an answer lacks, because the layer that was asked does not have it, or not yet. */
import { hourMs, hourName } from '../collect/folder.ts'
import { type Layer, type Question, type StoredHour, words } from './question.ts'

export function gapsIn(hours: readonly StoredHour[], question: Question, layer: Layer): string[] {
  const asked = hours.filter(hour => isAskedFor(hour, question))
  const key = ({ collector, hour }: StoredHour) => `${collector} ${hour}`
  const there = new Map(
    asked.filter(hour => hour.layer === layer && !hour.isPartial).map(hour => [key(hour), hour]),
  )
  const others = asked.filter(hour => hour.layer !== layer && !hour.isPartial)
  const missing = others.filter(hour => !there.has(key(hour)))
  const behind = others.filter(
    hour => layer === 'rollup' && (there.get(key(hour))?.through ?? hour.through) < hour.through,
  )
  const partial = asked.filter(hour => hour.layer === layer && hour.isPartial)
  const notes: string[] = []
  if (missing.length > 0)
    notes.push(
      layer === 'raw'
        ? `of ${spanOf(missing)} only ${words.rollup} are kept, and not in this answer: --of rollup`
        : `${spanOf(missing)} not rolled up yet, and not in this answer`,
    )
  if (behind.length > 0)
    notes.push(`records of ${spanOf(behind)} that came late are not rolled up yet, and not in this answer`)
  if (partial.length > 0)
    notes.push(`${spanOf(partial)} not there whole (loading, or cut off), and not in this answer`)
  return notes
}

function isAskedFor({ hour }: StoredHour, { fromUnixMs, untilUnixMs }: Question): boolean {
  if (hour === null) return true
  return (
    (fromUnixMs === null || (hour + 1) * hourMs > fromUnixMs) &&
    (untilUnixMs === null || hour * hourMs < untilUnixMs)
  )
}

function spanOf(hours: readonly StoredHour[]): string {
  const known = hours.flatMap(({ hour }) => (hour === null ? [] : [hour])).sort((a, b) => a - b)
  const count = hours.length === 1 ? '1 hour' : `${hours.length} hours`
  return known.length === 0
    ? count
    : `${count} (${hourName(known[0]!)}${known.length > 1 ? ` to ${hourName(known.at(-1)!)}` : ''})`
}
