/** A verdict as the control API and `--json` have it: each finding with all that it rests on. */
import { isoTime } from '../../core/time.ts'
import type { PackBook, PackFacts } from './pack-book.ts'
import { dayOf, type FindingKind, type Outcome, type PackVerdict } from './verdict.ts'

export interface FindingJson {
  readonly kind: FindingKind
  /** `null`, and all that is a rule's: there is none, which is the finding. */
  readonly rule: string | null
  readonly act: string | null
  readonly section: string | null
  readonly says: string | null
  readonly note: string | null
  readonly effect: string | null
  readonly status: string | null
  /** A day. */
  readonly from: string | null
  readonly evidence: string | null
  /** Months. */
  readonly verifiedOn: string | null
  readonly reviewBy: string | null
  readonly source: string | null
  readonly why: string
  readonly remedy: string | null
}

export interface VerdictJson {
  readonly outcome: Outcome
  readonly facts: PackFacts
  readonly at: string
  readonly packs: string
  /** Between these times the same facts give the same verdict; `null`: for ever. */
  readonly since: string | null
  readonly until: string | null
  readonly findings: readonly FindingJson[]
}

export function verdictJson(
  { hash }: Pick<PackBook, 'hash'>,
  facts: PackFacts,
  atUnixMs: number,
  { outcome, findings, sinceUnixMs, untilUnixMs }: PackVerdict,
): VerdictJson {
  return {
    outcome,
    facts,
    at: isoTime(atUnixMs),
    packs: hash,
    since: Number.isFinite(sinceUnixMs) ? isoTime(sinceUnixMs) : null,
    until: Number.isFinite(untilUnixMs) ? isoTime(untilUnixMs) : null,
    findings: findings.map(({ kind, rule, why, remedy }) => ({
      kind,
      rule: rule?.id ?? null,
      act: rule?.act ?? null,
      section: rule?.section ?? null,
      says: rule?.says ?? null,
      note: rule?.note ?? null,
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
