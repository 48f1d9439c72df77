/** Questions to the packs as people ask them: on the command line, and as a tenant's own cases in a file. */
import { parse } from 'yaml'
import { z } from 'zod'
import { HoldfastError } from '../../core/errors.ts'
import { type CountryCode, parseCountryCode } from '../../core/ids.ts'
import { packActions } from '../../policy/packs/pack.ts'
import type { PackFacts } from '../../policy/packs/pack-book.ts'
import { type OwnQuestion, ownQuestion } from './own-question.ts'

const country = z.string().transform((text, context): CountryCode => {
  const parsed = parseCountryCode(text)
  if (parsed !== null) return parsed
  context.addIssue(`${text} is no country of ISO 3166-1, two letters`)
  return z.NEVER
})
const names = z.array(z.string().min(1)).default([])
const day = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\d(?:T\d\d:\d\dZ)?$/,
    'must be a day like 2027-05-13, or a time like 2027-05-13T22:30Z',
  )
  .transform(text => Date.parse(text.length === 10 ? `${text}T00:00:00.000Z` : text))
  .refine(value => !Number.isNaN(value), 'there is no such day')

/** Access from another country is asked about as a copy to there. */
const acts = [...packActions, 'access'] as const
export type Act = (typeof acts)[number]

const question = {
  action: z.enum(acts).default('transfer'),
  from: country,
  to: country,
  class: z.string().min(1),
  mode: z.enum(['copy', 'move']).default('copy'),
  mechanisms: names,
  capacities: z.array(z.string()).nullable().default(null),
  operator: country.nullable().default(null),
  persons: z.int().min(0).nullable().default(null),
  at: day.nullable().default(null),
  ...ownQuestion,
}
const questionSchema = z.strictObject(question)
const casesSchema = z.strictObject({
  cases: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        ...question,
        expect: z.enum(['allowed', 'refused', 'needs-review']),
        /** Each must be among the findings, or be a policy of the tenant's own that forbids it. */
        rules: names,
      }),
    )
    .min(1),
})

export interface Question {
  readonly act: Act
  readonly facts: PackFacts
  /** For the tenant's own policy, if there is one. */
  readonly own: OwnQuestion
  /** `null`: now. */
  readonly atUnixMs: number | null
}

export interface Case extends Question {
  readonly name: string
  readonly expect: string
  readonly rules: readonly string[]
}

/** The question, or what is wrong with it. */
export function parseQuestion(value: unknown): Question | string {
  const parsed = questionSchema.safeParse(value)
  return parsed.success ? questionOf(parsed.data) : z.prettifyError(parsed.error)
}

export function parseCases(yaml: string, name: string): Case[] {
  let value: unknown
  try {
    value = parse(yaml, { maxAliasCount: 0 })
  } catch (error) {
    throw new HoldfastError('bad-input', `${name} is no YAML`, {}, error)
  }
  const parsed = casesSchema.safeParse(value)
  if (!parsed.success) throw new HoldfastError('bad-input', `${name}: ${z.prettifyError(parsed.error)}`)
  return parsed.data.cases.map(each => ({
    ...questionOf(each),
    name: each.name,
    expect: each.expect,
    rules: each.rules,
  }))
}

function questionOf(data: z.infer<typeof questionSchema>): Question {
  const { action: act, from, to, mode, mechanisms, capacities, operator, persons, at } = data
  return {
    act,
    facts: {
      action: act === 'access' ? 'transfer' : act,
      from,
      to,
      dataClass: data.class,
      mode: act === 'access' ? 'copy' : mode,
      mechanisms,
      capacities,
      toOperator: operator,
      persons,
    },
    own: data,
    atUnixMs: at,
  }
}
