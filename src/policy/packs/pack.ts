/** A jurisdiction pack: dated, cited rules on where data may go (`docs/packs.md`). Parsed whole or not at all. */
import { parse } from 'yaml'
import { z } from 'zod'
import { type DataClass, dataClasses } from '../data-classes.ts'

/**
 * What a rule does when it applies and is not met. The first four refuse; the next two ask for a mechanism; the rest
 * say something and stop nothing.
 */
export const effects = [
  'localise',
  'require-local-copy',
  'keep-logs-in-country',
  'forbid-to-countries',
  'permit-with-mechanism',
  'foreign-disclosure-block',
  'permit',
  'notify',
  'retain',
  'switching',
  'exposure-flag',
] as const
export type Effect = (typeof effects)[number]

/** `abeyance` and `proposed` are shown and not applied; a rule that is `enacted-not-commenced` applies from its day. */
const statuses = ['in-force', 'enacted-not-commenced', 'abeyance', 'proposed', 'litigation-pending'] as const

export const packActions = ['transfer', 'disclose'] as const
export type PackAction = (typeof packActions)[number]

export interface Rule {
  readonly id: string
  readonly pack: string
  readonly act: string
  readonly section: string
  /** What it says, in our words. */
  readonly says: string
  /** Whom, in words. */
  readonly binds: string
  /** Binds only tenants with one of these capacities; empty: everybody who holds such data. */
  readonly capacities: readonly string[]
  readonly classes: readonly (DataClass | 'any')[]
  readonly action: PackAction
  /** `source`: what leaves the pack's jurisdiction; `any`: whatever `when` says. */
  readonly side: 'source' | 'any'
  readonly effect: Effect
  readonly mechanisms: readonly string[]
  /** Cedar: a further condition under which it applies. */
  readonly when: string | null
  /** Cedar: what meets it. */
  readonly unless: string | null
  readonly fromUnixMs: number
  readonly untilUnixMs: number | null
  readonly status: (typeof statuses)[number]
  readonly note: string | null
  /** T: the legal text or an official page was seen; S: a secondary source; R: recalled, and so unverified. */
  readonly evidence: 'T' | 'S' | 'R'
  /** Month, `2026-11`. */
  readonly verifiedOn: string
  readonly reviewBy: string
  readonly source: string
}

export interface Pack {
  readonly id: string
  readonly title: string
  readonly version: string
  /** A country, or a group of `groups.yaml`. */
  readonly jurisdiction: string
  readonly rules: readonly Rule[]
}

/** What rules of several packs name: countries, and classes of data, by the name of their group. */
export interface Groups {
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly classGroups: Readonly<Record<string, readonly DataClass[]>>
}

const text = z.string().trim().min(1).max(2000)
const id = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be of a-z, 0-9 and -')
const day = z.iso.date().transform(value => Date.parse(`${value}T00:00:00.000Z`))
const month = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/, 'must be a month like 2026-11')
const country = z.string().regex(/^[A-Z]{2}$/, 'must be a country of ISO 3166-1, two letters')

const ruleSchema = z.strictObject({
  id,
  act: text,
  section: text,
  says: text,
  binds: text,
  capacities: z.array(id).default([]),
  classes: z.array(z.enum([...dataClasses, 'any'])).min(1),
  action: z.enum(packActions).default('transfer'),
  side: z.enum(['source', 'any']).default('source'),
  effect: z.enum(effects),
  mechanisms: z.array(id).default([]),
  when: text.nullable().default(null),
  unless: text.nullable().default(null),
  from: day,
  until: day.nullable().default(null),
  status: z.enum(statuses),
  note: text.nullable().default(null),
  evidence: z.enum(['T', 'S', 'R']),
  verifiedOn: month,
  reviewBy: month,
  source: text,
})
const packSchema = z.strictObject({
  pack: id,
  title: text,
  version: z.iso.date(),
  jurisdiction: z.string().regex(/^[A-Za-z][A-Za-z-]{0,63}$/),
  rules: z.array(ruleSchema).min(1),
})
const groupsSchema = z.strictObject({
  groups: z.record(z.string(), z.array(country)),
  classGroups: z.record(z.string(), z.array(z.enum(dataClasses))),
})

/** The pack, or everything that is wrong with it. */
export function parsePack(yaml: string): Pack | string {
  const parsed = parseYaml(yaml, packSchema)
  if (typeof parsed === 'string') return parsed
  const { pack, title, version, jurisdiction, rules } = parsed
  const faults = rules.flatMap(faultsOf)
  const ids = rules.map(rule => rule.id)
  for (const each of new Set(ids.filter((each, at) => ids.indexOf(each) !== at)))
    faults.push(`${each}: two rules have this id`)
  if (faults.length > 0) return faults.join('\n')
  return {
    id: pack,
    title,
    version,
    jurisdiction,
    rules: rules.map(({ from, until, ...rule }) => ({
      ...rule,
      pack,
      fromUnixMs: from,
      untilUnixMs: until,
    })),
  }
}

export function parseGroups(yaml: string): Groups | string {
  return parseYaml(yaml, groupsSchema)
}

function faultsOf(rule: z.infer<typeof ruleSchema>): string[] {
  const faults: string[] = []
  const asks = rule.effect === 'permit-with-mechanism' || rule.effect === 'foreign-disclosure-block'
  if (asks && rule.mechanisms.length === 0) faults.push(`${rule.id}: ${rule.effect} takes mechanisms`)
  if (rule.side === 'any' && rule.when === null) faults.push(`${rule.id}: side any takes a condition (when)`)
  if (rule.until !== null && rule.until <= rule.from) faults.push(`${rule.id}: it ends before it begins`)
  if (rule.reviewBy < rule.verifiedOn) faults.push(`${rule.id}: reviewBy is before verifiedOn`)
  return faults
}

function parseYaml<Schema extends z.ZodType>(yaml: string, schema: Schema): z.infer<Schema> | string {
  let value: unknown
  try {
    value = parse(yaml, { maxAliasCount: 0 })
  } catch (error) {
    return `it is no YAML: ${(error as Error).message}`
  }
  const result = schema.safeParse(value)
  return result.success ? result.data : z.prettifyError(result.error)
}
