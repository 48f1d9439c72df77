/** Verdicts of the packs for people and for programs: each with what it rests on. */
import type { PackBook } from '../../policy/packs/pack-book.ts'
import { dayOf, type Finding, type PackVerdict } from '../../policy/packs/verdict.ts'
import type { Question } from './questions.ts'

const outcomes = { allowed: 'ALLOWED', refused: 'REFUSED', 'needs-review': 'NEEDS REVIEW' } as const

export function verdictJson(
  { facts }: Question,
  atUnixMs: number,
  { outcome, findings, sinceUnixMs, untilUnixMs }: PackVerdict,
  { hash }: PackBook,
): object {
  return {
    outcome,
    facts,
    at: new Date(atUnixMs).toISOString(),
    packs: hash,
    since: timeOf(sinceUnixMs),
    until: timeOf(untilUnixMs),
    findings: findings.map(({ kind, rule, why, remedy }) => ({
      kind,
      rule: rule?.id ?? null,
      act: rule?.act ?? null,
      section: rule?.section ?? null,
      effect: rule?.effect ?? null,
      status: rule?.status ?? null,
      from: rule === null ? null : dayOf(rule.fromUnixMs),
      evidence: rule?.evidence ?? null,
      verifiedOn: rule?.verifiedOn ?? null,
      reviewBy: rule?.reviewBy ?? null,
      source: rule?.source ?? null,
      why,
      remedy,
    })),
  }
}

export function verdictText(
  { facts }: Question,
  atUnixMs: number,
  { outcome, findings, untilUnixMs }: PackVerdict,
  { hash, packs }: PackBook,
): string {
  const { action, mode, dataClass, from, to, mechanisms } = facts
  const what = action === 'disclose' ? `disclosure of ${dataClass} data` : `${mode} of ${dataClass} data`
  const under = mechanisms.length === 0 ? '' : `, under ${mechanisms.join(' and ')}`
  const until = Number.isFinite(untilUnixMs) ? `; a rule begins or ends on ${dayOf(untilUnixMs)}` : ''
  return [
    `${outcomes[outcome]}: ${what} from ${from} to ${to}${under}, on ${dayOf(atUnixMs)}`,
    ...findings.flatMap(finding => findingLines(finding, atUnixMs)),
    ...(findings.length === 0 ? ['  no rule of the packs applies'] : []),
    `${packs.length} packs, ${hash.slice(0, 16)}${until}. No legal advice: docs/packs.md says what this is worth.`,
    '',
  ].join('\n')
}

function findingLines({ kind, rule, why, remedy }: Finding, atUnixMs: number): string[] {
  const lines = [`  ${kind.padEnd(12)} ${rule === null ? why : `${rule.id}  ${rule.act}, ${rule.section}`}`]
  const more = (text: string): void => void lines.push(`  ${''.padEnd(12)} ${text}`)
  if (rule !== null) {
    more(why)
    if (why !== rule.says && (kind === 'asks' || kind === 'not-yet')) more(rule.says)
    if (rule.note !== null && why !== rule.note) more(rule.note)
    const isDue = new Date(atUnixMs).toISOString().slice(0, 7) > rule.reviewBy
    more(
      `${rule.status} since ${dayOf(rule.fromUnixMs)}, evidence ${rule.evidence} of ${rule.verifiedOn}` +
        `${isDue ? `, review was due ${rule.reviewBy}` : ''}; ${rule.source}`,
    )
  }
  if (remedy !== null) more(`→ ${remedy}`)
  return lines
}

function timeOf(unixMs: number): string | null {
  return Number.isFinite(unixMs) ? new Date(unixMs).toISOString() : null
}
