/** What a tenant's own policy says to a question, at both ends, as `policy explain` and `policy test` ask it. */
import { z } from 'zod'
import { accessActions } from '../../instructions/kinds/people.ts'
import type { PackFacts } from '../../policy/packs/pack-book.ts'
import type { PolicyVerdict, TenantPolicies } from '../../policy/tenant/policies.ts'
import type { PolicyFacts } from '../../policy/tenant/request.ts'
import type { Act, Question } from './questions.ts'

/** What only a tenant's own policy asks for; what is not said is empty, as it would be in no order. */
export const ownQuestion = {
  by: z
    .string()
    .regex(/^(?:tenant|(?:approver|drafter):[0-9a-f]{1,64})$/, 'is tenant, approver:KEYID or drafter:KEYID')
    .default('tenant'),
  bucket: z.string().default(''),
  toBucket: z.string().default(''),
  prefix: z.string().default(''),
  fromRegion: z.string().default(''),
  toRegion: z.string().default(''),
  purpose: z.string().default(''),
  versions: z.enum(['current', 'all']).default('current'),
  recipient: z.string().default(''),
  form: z.enum(['ciphertext', 'plaintext']).default('ciphertext'),
  /** What an operator would be let do. */
  accessAction: z.array(z.enum(accessActions)).default([...accessActions]),
  maxObjects: z.int().min(0).nullable().default(null),
  maxBytes: z.int().min(0).nullable().default(null),
  standing: z.boolean().default(false),
}
const ownSchema = z.object(ownQuestion)
export type OwnQuestion = z.infer<typeof ownSchema>

/** An order made to be asked about lives for as long as most do. */
const lifeMs = 86_400e3

/** Both ends' together: it goes only where neither forbids it. Who is let see is the matter of one end. */
export function askOwn(
  policies: TenantPolicies,
  text: string,
  { act, facts, own }: Question,
  atUnixMs: number,
): PolicyVerdict {
  const ends = act === 'transfer' ? (['out', 'in'] as const) : (['out'] as const)
  const verdicts = ends.map(end => policies.decide(text, factsOf(act, facts, own, end, atUnixMs), atUnixMs))
  const refusals = new Map(verdicts.flatMap(each => each.refusals.map(one => [one.policy, one] as const)))
  return {
    sha256: verdicts[0]!.sha256,
    refusals: [...refusals.values()],
    faults: [...new Set(verdicts.flatMap(({ faults }) => faults))],
    sinceUnixMs: Math.max(...verdicts.map(({ sinceUnixMs }) => sinceUnixMs)),
    untilUnixMs: Math.min(...verdicts.map(({ untilUnixMs }) => untilUnixMs)),
  }
}

export function ownPolicyText({ sha256, refusals, faults }: PolicyVerdict): string {
  const says = [
    ...refusals.map(({ policy, reason }) => `  forbids      ${policy}  ${reason}`),
    ...faults.map(fault => `  not asked    ${fault}`),
  ]
  const what = says.length === 0 ? 'forbids nothing of this' : 'forbids this'
  return [`The tenant’s own policy ${sha256.slice(0, 16)} ${what}`, ...says, ''].join('\n')
}

function factsOf(
  act: Act,
  facts: PackFacts,
  own: OwnQuestion,
  end: 'out' | 'in',
  atUnixMs: number,
): PolicyFacts {
  const [who, id] = own.by.split(':')
  const here =
    end === 'out'
      ? { name: own.bucket, region: own.fromRegion, country: facts.from, prefix: own.prefix }
      : { name: own.toBucket, region: own.toRegion, country: facts.to, prefix: own.prefix }
  return {
    principal:
      id === undefined
        ? { type: 'Tenant', id: 'tenant' }
        : { type: who === 'approver' ? 'Approver' : 'Drafter', id },
    tenant: 'tenant',
    bucket: { ...here, dataClass: facts.dataClass },
    from: facts.from,
    to: facts.to,
    purpose: own.purpose,
    expiresUnixMs: atUnixMs + lifeMs,
    limits:
      act === 'access' ? { objects: null, bytes: null } : { objects: own.maxObjects, bytes: own.maxBytes },
    capacities: facts.capacities,
    act: actOf(act, facts, own, end),
  }
}

function actOf(act: Act, facts: PackFacts, own: OwnQuestion, end: 'out' | 'in'): PolicyFacts['act'] {
  switch (act) {
    case 'disclose':
      return { kind: act, name: own.recipient, form: own.form, actions: [] }
    case 'access':
      return { kind: act, name: own.recipient, form: '', actions: own.accessAction }
    case 'transfer':
      return {
        kind: act,
        mode: own.standing ? 'standing' : facts.mode,
        end,
        ...{ fromRegion: own.fromRegion, toRegion: own.toRegion },
        ...{ fromBucket: own.bucket, toBucket: own.toBucket },
        mechanisms: facts.mechanisms,
        versions: own.versions,
      }
  }
}
