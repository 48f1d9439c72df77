/** What the packs say of one act, rule by rule, and what follows from it. */
import { isoTime } from '../../core/time.ts'
import type { Rule } from './pack.ts'

export type Outcome = 'allowed' | 'refused' | 'needs-review'

/** In the order in which they are told. */
export const findingKinds = [
  /** It forbids this. */
  'refuses',
  /** It asks for a mechanism that is not there. */
  'asks',
  /** It forbids this, or asks, if it binds the tenant, which has not said. */
  'may-bind',
  /** It applies, and nobody has seen its text. */
  'unverified',
  /** No rule is known for it, or what there is could not be asked. */
  'not-covered',
  /** It applies and is met. */
  'met',
  'permits',
  /** Something else is to be done. */
  'duty',
  /** Something else is to be known. */
  'exposure',
  /** It applies from a later day. */
  'not-yet',
  /** It is over, in abeyance, or not passed. */
  'not-applied',
] as const
export type FindingKind = (typeof findingKinds)[number]

export interface Finding {
  readonly kind: FindingKind
  /** `null`: there is none, which is the finding. */
  readonly rule: Rule | null
  readonly why: string
  /** What would change it; `null`: nothing that the tenant can do, or nothing that need be done. */
  readonly remedy: string | null
}

export interface PackVerdict {
  readonly outcome: Outcome
  readonly findings: readonly Finding[]
  /** The half-open time in which the same facts give the same verdict. */
  readonly sinceUnixMs: number
  readonly untilUnixMs: number
}

/** The mechanism by which a quorum signs that it has had looked into what no rule settles. It opens no prohibition. */
export const reviewed = 'reviewed'

export function outcomeOf(findings: readonly Finding[], mechanisms: readonly string[]): Outcome {
  const has = (...kinds: readonly FindingKind[]): boolean => findings.some(({ kind }) => kinds.includes(kind))
  if (has('refuses')) return 'refused'
  if (has('asks')) return 'needs-review'
  if (has('may-bind', 'unverified', 'not-covered') && !mechanisms.includes(reviewed)) return 'needs-review'
  return 'allowed'
}

/** Why it is not allowed, in one line: the rules, where they stand, and what would change it. */
export function toldStop({ outcome, findings }: PackVerdict): string {
  const stops: readonly FindingKind[] =
    outcome === 'refused' ? ['refuses'] : ['asks', 'may-bind', 'unverified', 'not-covered']
  const first = findings.filter(({ kind }) => stops.includes(kind))
  return first
    .map(({ rule, why, remedy }) => {
      const cited = rule === null ? '' : `${rule.id} (${rule.act}, ${rule.section}): `
      return `${cited}${why}${remedy === null ? '' : ` What would change it: ${remedy}.`}`
    })
    .join(' ')
}

/** What an applicable rule says. `isBarred`: it is not met; `binds`: `false` where that depends on who the tenant is. */
export function findingOf(rule: Rule, isBarred: boolean, binds: boolean, nowUnixMs: number): Finding {
  const finding = (kind: FindingKind, why: string, remedy: string | null = null): Finding => ({
    kind,
    rule,
    why,
    remedy,
  })
  const { effect, fromUnixMs, untilUnixMs, status } = rule
  if (status === 'abeyance' || status === 'proposed')
    return finding('not-applied', status === 'abeyance' ? 'It is in abeyance.' : 'It is only proposed.')
  if (nowUnixMs < fromUnixMs)
    return finding(
      'not-yet',
      `It applies from ${dayOf(fromUnixMs)}${isBarred ? ', and would stop this' : ''}.`,
    )
  if (untilUnixMs !== null && nowUnixMs >= untilUnixMs)
    return finding('not-applied', `It applied until ${dayOf(untilUnixMs)}.`)
  if (rule.evidence === 'R')
    return finding(
      'unverified',
      'Its text was not seen when the pack was written.',
      `have it looked into, and sign that: --mechanism ${reviewed}`,
    )
  switch (effect) {
    case 'permit':
      return finding('permits', rule.note ?? 'It allows this.')
    case 'notify':
    case 'retain':
    case 'switching':
      return finding('duty', rule.says)
    case 'exposure-flag':
      return finding('exposure', rule.says)
    default:
  }
  if (!isBarred) return finding('met', 'It applies, and is met.')
  const remedy =
    rule.mechanisms.length === 0 ? null : `--mechanism ${rule.mechanisms.join('|')}, where it is so`
  if (!binds)
    return finding(
      'may-bind',
      `It binds ${rule.binds}; the tenant has not said whether it is one.`,
      `say what binds the tenant (${rule.capacities.join(', ')}), or have it looked into: --mechanism ${reviewed}`,
    )
  return effect === 'permit-with-mechanism' || effect === 'foreign-disclosure-block'
    ? finding('asks', `It asks for one of: ${rule.mechanisms.join(', ')}.`, remedy)
    : finding('refuses', rule.says, remedy)
}

export function dayOf(unixMs: number): string {
  return isoTime(unixMs).slice(0, 10)
}
