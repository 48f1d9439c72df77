/** What was seen and what it suggests, for people and for programs. No identifier is in either. */
import { type DataClass, keepsRules } from '../../policy/data-classes.ts'
import type { Looked } from './look.ts'
import { type Suggestion, suggestClass, suggestionRule } from './suggest.ts'
import type { KindTally } from './tally.ts'

export interface Looks {
  whole: number
  partly: number
  /** By why. */
  not: Record<string, number>
  /** Could not be read. */
  failed: number
  bytes: number
  /** The listing went on. */
  more: boolean
}

export function createLooks(): Looks {
  return { whole: 0, partly: 0, not: {}, failed: 0, bytes: 0, more: false }
}

export function countLook(looks: Looks, looked: Looked): void {
  if (looked.how === 'not') looks.not[looked.why] = (looks.not[looked.why] ?? 0) + 1
  else {
    looks[looked.how]++
    looks.bytes += looked.bytes
  }
}

export interface Report {
  readonly suggestion: DataClass | null
  readonly because: readonly string[]
  readonly kinds: readonly KindJson[]
  readonly looked: Looks
  readonly bucket: BucketAdvice | null
  readonly rule: string
  readonly note: string
}

interface KindJson {
  readonly kind: string
  readonly title: string
  readonly speaksFor: DataClass
  readonly finds: number
  readonly distinct: number
  /** Of that shape, right check digit or not. */
  readonly distinctShaped: number
  readonly isCapped: boolean
  readonly sources: number
  /** `offset` in bytes; `null`: in the name. */
  readonly first: { readonly source: string; readonly offset: number | null } | null
}

interface BucketAdvice {
  readonly name: string
  readonly dataClass: string
  /** What binds the suggested class binds the bucket already. */
  readonly isBound: boolean
  readonly command: string | null
  readonly caution: string | null
}

const note =
  'This is a suggestion and no fact: what was found may be test data or chance, and what was not found may be there.'

export function createReport(
  kinds: readonly KindTally[],
  looked: Looks,
  bucket: { readonly name: string; readonly dataClass: string } | null,
): Report {
  const suggestion = suggestClass(kinds, looked.bytes)
  return {
    suggestion: suggestion?.dataClass ?? null,
    because: suggestion?.because.map(({ detector }) => detector.kind) ?? [],
    kinds: kinds
      .filter(({ distinctShaped }) => distinctShaped > 0)
      .map(({ detector: { kind, title, speaksFor }, ...counts }) => ({
        kind,
        title,
        speaksFor,
        ...counts,
        first: counts.first && { source: counts.first.source.shown, offset: counts.first.offset },
      })),
    looked,
    bucket: bucket === null ? null : adviceFor(bucket, suggestion),
    rule: suggestionRule,
    note,
  }
}

function adviceFor(
  { name, dataClass }: { readonly name: string; readonly dataClass: string },
  suggestion: Suggestion | null,
): BucketAdvice {
  const isBound = suggestion === null || keepsRules(suggestion.dataClass, dataClass)
  if (isBound) return { name, dataClass, isBound, command: null, caution: null }
  const to = suggestion.dataClass
  return {
    name,
    dataClass,
    isBound,
    command: `holdfast instruct class --bucket ${name} --class ${to} --purpose …`,
    caution: keepsRules(dataClass, to)
      ? null
      : `${to} is no kind of ${dataClass}: the rules for ${dataClass} would no longer bind it. A bucket of its own for the ${to} data keeps both.`,
  }
}

export function reportText({ suggestion, because, kinds, looked, bucket, rule, note }: Report): string {
  const lines = [suggestion === null ? 'SUGGESTS NOTHING' : `SUGGESTS ${suggestion}: ${because.join(', ')}`]
  for (const kind of kinds) lines.push(...kindLines(kind))
  if (kinds.length === 0) lines.push('  nothing that it knows was seen')
  lines.push(`looked into ${lookedText(looked)}`)
  if (bucket !== null) lines.push(...bucketLines(bucket, suggestion))
  else if (suggestion !== null)
    lines.push(
      `a bucket for it: made with x-holdfast-data-class: ${suggestion}, or afterwards`,
      `  holdfast instruct class --bucket BUCKET --class ${suggestion} --purpose …`,
    )
  lines.push(rule, note, '')
  return lines.join('\n')
}

function kindLines({
  title,
  speaksFor,
  finds,
  distinct,
  distinctShaped,
  isCapped,
  sources,
  first,
}: KindJson): string[] {
  const atLeast = isCapped ? 'at least ' : ''
  const failing = distinctShaped - distinct
  const without = failing > 0 ? `, and ${atLeast}${failing} of that shape with a wrong check digit` : ''
  const line = `  ${title}: ${atLeast}${distinct} distinct${without}`
  if (first === null) return [line]
  const where =
    first.offset === null ? `in the name ${first.source}` : `${first.source}, byte ${first.offset}`
  return [`${line} (${speaksFor})`, `    ${finds} in ${sources} place(s), the first: ${where}`]
}

function lookedText({ whole, partly, not, failed, bytes, more }: Looks): string {
  const reasons = Object.entries(not).map(([why, count]) => `${count} not looked into (${why})`)
  return [
    `${whole} whole`,
    ...(partly > 0 ? [`${partly} partly (--max-bytes)`] : []),
    ...reasons,
    ...(failed > 0 ? [`${failed} could not be read`] : []),
    `${bytes} bytes`,
    ...(more ? ['the bucket has more (--max-objects)'] : []),
  ].join(', ')
}

function bucketLines(
  { name, dataClass, isBound, command, caution }: BucketAdvice,
  suggestion: string | null,
): string[] {
  const line = `bucket ${name} is of the class ${dataClass}`
  if (suggestion === null) return [line]
  if (isBound) return [`${line}, which binds ${suggestion} data already`]
  return [
    `${line}, which is no kind of ${suggestion}. To change it:`,
    `  ${command}`,
    ...(caution ? [`  ${caution}`] : []),
  ]
}
