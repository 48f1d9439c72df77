/** What a destination answers to a dry run, as it comes from a peer: shown to people, so nothing in it moves a cursor. */
import { z } from 'zod'
import { findingKinds } from '../policy/packs/verdict.ts'

const shown = z
  .string()
  .max(4000)
  .regex(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$/)
const country = z.string().regex(/^[A-Z]{2}$/)
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const text = shown.nullable()

const facts = z.object({
  action: z.literal('transfer'),
  from: country,
  to: country,
  dataClass: shown,
  mode: z.enum(['copy', 'move']),
  mechanisms: z.array(shown).max(100),
  capacities: z.array(shown).max(100).nullable(),
  toOperator: country.nullable(),
  persons: z.int().nullable(),
})
const finding = z.object({
  kind: z.enum(findingKinds),
  ...{ rule: text, act: text, section: text, says: text, note: text, effect: text, status: text, from: text },
  ...{ evidence: text, verifiedOn: text, reviewBy: text, source: text, why: shown, remedy: text },
})

/** Of a refusal in a peer's own words. */
export function shownWhy(words: string): string {
  return words.replace(/[^\P{C}\n]/gu, '?').slice(0, 2000)
}

export const theirEndSchema = z.object({
  law: z.object({
    region: shown,
    bucket: shown,
    ownPolicy: text,
    outcome: z.enum(['allowed', 'refused', 'needs-review']),
    facts,
    at: shown,
    packs: hash,
    since: text,
    until: text,
    findings: z.array(finding).max(1000),
  }),
  classLost: text,
  versionsLost: text,
  head: hash,
})
