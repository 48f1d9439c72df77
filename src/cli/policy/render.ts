/** Verdicts of the packs for people: each rule with what it rests on, and what would change it. */
import type { FindingJson, VerdictJson } from '../../policy/packs/verdict-json.ts'
import type { Act } from './questions.ts'

const outcomes = { allowed: 'ALLOWED', refused: 'REFUSED', 'needs-review': 'NEEDS REVIEW' } as const

export function verdictText(verdict: VerdictJson, act: Act = verdict.facts.action): string {
  const { outcome, facts, at, packs, until, findings } = verdict
  const { mode, dataClass, from, to, mechanisms } = facts
  const what = {
    transfer: `${mode} of ${dataClass} data from ${from} to ${to}`,
    disclose: `disclosure of ${dataClass} data from ${from} to ${to}`,
    access: `access to ${dataClass} data in ${from} from ${to}`,
  }[act]
  const under = mechanisms.length === 0 ? '' : `, under ${mechanisms.join(' and ')}`
  const next = until === null ? '' : `; a rule begins or ends on ${dayOf(until)}`
  return [
    `${outcomes[outcome]}: ${what}${under}, on ${dayOf(at)}`,
    ...findings.flatMap(finding => findingLines(finding, at)),
    ...(findings.length === 0 ? ['  no rule of the packs applies'] : []),
    `packs ${packs.slice(0, 16)}${next}. No legal advice: docs/packs.md says what this is worth.`,
    '',
  ].join('\n')
}

function findingLines(finding: FindingJson, at: string): string[] {
  const { kind, rule, act, section, says, note, status, from, evidence, verifiedOn, reviewBy } = finding
  const { source, why, remedy } = finding
  const lines = [`  ${kind.padEnd(12)} ${rule === null ? why : `${rule}  ${act}, ${section}`}`]
  const more = (text: string): void => void lines.push(`  ${''.padEnd(12)} ${text}`)
  if (rule !== null) {
    more(why)
    if (says !== null && why !== says && (kind === 'asks' || kind === 'not-yet')) more(says)
    if (note !== null && why !== note) more(note)
    const due = reviewBy !== null && at.slice(0, 7) > reviewBy ? `, review was due ${reviewBy}` : ''
    more(`${status} since ${from}, evidence ${evidence} of ${verifiedOn}${due}; ${source}`)
  }
  if (remedy !== null) more(`→ ${remedy}`)
  return lines
}

function dayOf(time: string): string {
  return time.slice(0, 10)
}
