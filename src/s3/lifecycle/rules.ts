/** What a lifecycle rule says, whom it concerns, and when something of it is due. */
import { isMarker, type MarkerRow, type ObjectRow, type Tag } from '../../store/rows.ts'

export interface LifecycleRule {
  readonly id: string
  readonly enabled: boolean
  readonly filter: LifecycleFilter
  readonly expiration: Expiration | null
  readonly noncurrent: { readonly days: number; readonly newerVersions: number } | null
  readonly abortDays: number | null
}

/** Everything that it names must hold. */
export interface LifecycleFilter {
  readonly prefix: string
  readonly tags: readonly Tag[]
  readonly greaterThan: number | null
  readonly lessThan: number | null
}

export type Expiration =
  | { readonly days: number }
  | { readonly dateUnixMs: number }
  /** A delete marker that hides nothing any more. */
  | { readonly expiredMarker: boolean }

export const realDayMs = 86_400_000

/** S3 counts whole days and ends what it ends at the midnight (UTC) after them. A shorter day is for trying things. */
function dueAfter(sinceUnixMs: number, days: number, dayMs: number): number {
  const due = sinceUnixMs + days * dayMs
  return dayMs === realDayMs ? (Math.floor(due / realDayMs) + 1) * realDayMs : due
}

function coversKey(rule: LifecycleRule, key: string): boolean {
  return rule.enabled && key.startsWith(rule.filter.prefix)
}

/** Delete markers have no tags and no size: a filter that asks for one leaves them alone. */
function coversVersion(rule: LifecycleRule, key: string, row: ObjectRow | MarkerRow): boolean {
  if (!coversKey(rule, key)) return false
  const { tags, greaterThan, lessThan } = rule.filter
  if (isMarker(row)) return tags.length === 0 && greaterThan === null && lessThan === null
  if (greaterThan !== null && row.sizeBytes <= greaterThan) return false
  if (lessThan !== null && row.sizeBytes >= lessThan) return false
  return tags.every(wanted =>
    row.tags?.some(({ key, value }) => key === wanted.key && value === wanted.value),
  )
}

export interface Due {
  readonly rule: LifecycleRule
  readonly atUnixMs: number
}

/** The first rule that ends this current version, and when; `null` when none does. */
export function expirationOf(
  rules: readonly LifecycleRule[],
  key: string,
  row: ObjectRow,
  dayMs: number,
): Due | null {
  let first: Due | null = null
  for (const rule of rules) {
    const { expiration } = rule
    if (expiration === null || 'expiredMarker' in expiration || !coversVersion(rule, key, row)) continue
    const atUnixMs = expiresAt(expiration, row.modifiedUnixMs, dayMs)
    if (first === null || atUnixMs < first.atUnixMs) first = { rule, atUnixMs }
  }
  return first
}

/** The same for a delete marker under which nothing is left. */
export function markerExpirationOf(
  rules: readonly LifecycleRule[],
  key: string,
  marker: MarkerRow,
  dayMs: number,
): Due | null {
  let first: Due | null = null
  for (const rule of rules) {
    const { expiration } = rule
    if (expiration === null || !coversVersion(rule, key, marker)) continue
    if ('expiredMarker' in expiration && !expiration.expiredMarker) continue
    const atUnixMs =
      'expiredMarker' in expiration
        ? marker.modifiedUnixMs
        : expiresAt(expiration, marker.modifiedUnixMs, dayMs)
    if (first === null || atUnixMs < first.atUnixMs) first = { rule, atUnixMs }
  }
  return first
}

function expiresAt(
  expiration: Exclude<Expiration, { expiredMarker: boolean }>,
  modifiedUnixMs: number,
  dayMs: number,
): number {
  return 'days' in expiration ? dueAfter(modifiedUnixMs, expiration.days, dayMs) : expiration.dateUnixMs
}

export interface NoncurrentVersion {
  readonly row: ObjectRow | MarkerRow
  /** When the next newer version was made. */
  readonly sinceUnixMs: number
  /** How many noncurrent versions of the key are newer. */
  readonly newer: number
}

export function noncurrentExpirationOf(
  rules: readonly LifecycleRule[],
  key: string,
  { row, sinceUnixMs, newer }: NoncurrentVersion,
  dayMs: number,
): Due | null {
  let first: Due | null = null
  for (const rule of rules) {
    if (rule.noncurrent === null || newer < rule.noncurrent.newerVersions) continue
    if (!coversVersion(rule, key, row)) continue
    const atUnixMs = dueAfter(sinceUnixMs, rule.noncurrent.days, dayMs)
    if (first === null || atUnixMs < first.atUnixMs) first = { rule, atUnixMs }
  }
  return first
}

export function abortOf(
  rules: readonly LifecycleRule[],
  key: string,
  startedUnixMs: number,
  dayMs: number,
): Due | null {
  let first: Due | null = null
  for (const rule of rules) {
    if (rule.abortDays === null || !coversKey(rule, key)) continue
    const atUnixMs = dueAfter(startedUnixMs, rule.abortDays, dayMs)
    if (first === null || atUnixMs < first.atUnixMs) first = { rule, atUnixMs }
  }
  return first
}
