/**
 * A tenant's own policy: what it forbids itself, in Cedar, beside what law and the product forbid. It can narrow and
 * never widen, so nobody who may not sign gains anything by it, and one that cannot be read or asked lets nothing
 * through. Pure: the same text, groups, facts and time give the same verdict.
 */
import { createHash } from 'node:crypto'
import { faultOfPolicyText } from '../../verify/approver-set.ts'
import { type CedarPolicies, compilePolicies, faultOfPolicies, readPolicy } from '../packs/cedar.ts'
import { isKnownName } from '../packs/entities.ts'
import type { Groups } from '../packs/pack.ts'
import { type Clockwork, readPolicyTree } from './policy-tree.ts'
import { type PolicyFacts, policyRequest, tenantSchema } from './request.ts'
import { splitPolicies } from './text.ts'

export interface PolicyVerdict {
  /** Hex SHA-256 of the text: what an entry names. */
  readonly sha256: string
  /** What forbids it; empty: nothing does. */
  readonly refusals: readonly { readonly policy: string; readonly reason: string }[]
  /** Why it could not be asked, which refuses as well. */
  readonly faults: readonly string[]
  /** The half-open time in which the same facts give the same verdict. */
  readonly sinceUnixMs: number
  readonly untilUnixMs: number
}

export interface TenantPolicies {
  /** What is wrong with a text, or `null`. */
  faultOf(text: string): string | null
  decide(text: string, facts: PolicyFacts, atUnixMs: number): PolicyVerdict
}

interface Compiled {
  readonly ask: CedarPolicies
  readonly reasons: ReadonlyMap<string, string>
  readonly clockwork: Clockwork
  readonly kept: Map<string, PolicyVerdict>
}

interface Known {
  readonly sha256: string
  /** What is wrong with it, where it cannot be asked. */
  readonly compiled: Compiled | string
}

const keptTexts = 1000
const keptDecisions = 1000

export function createTenantPolicies(groups: Groups): TenantPolicies {
  // By the text itself: to look it up costs a tenth of hashing it.
  const texts = new Map<string, Known>()

  const knownOf = (text: string): Known => {
    const known = texts.get(text)
    if (known !== undefined) return known
    const sha256 = createHash('sha256').update(text).digest('hex')
    const read = readText(text, groups)
    const compiled: Compiled | string =
      typeof read === 'string'
        ? read
        : {
            // Named by its hash: Cedar keeps what it has parsed, and parsed again it takes the same place.
            ask: compilePolicies(read.policies, `tenant-${sha256}`),
            reasons: read.reasons,
            clockwork: read.clockwork,
            kept: new Map(),
          }
    if (texts.size >= keptTexts) texts.delete(texts.keys().next().value!)
    const made = { sha256, compiled }
    texts.set(text, made)
    return made
  }

  return {
    faultOf(text) {
      const read = readText(text, groups)
      return typeof read === 'string' ? read : null
    },

    decide(text, facts, atUnixMs) {
      const { sha256, compiled } = knownOf(text)
      if (typeof compiled === 'string')
        return {
          ...{ sha256, refusals: [], faults: [compiled] },
          ...{ sinceUnixMs: Number.NEGATIVE_INFINITY, untilUnixMs: Number.POSITIVE_INFINITY },
        }
      const { ask, reasons, clockwork, kept } = compiled
      const key = JSON.stringify(facts)
      const known = kept.get(key)
      if (known !== undefined && atUnixMs >= known.sinceUnixMs && atUnixMs < known.untilUnixMs) return known
      const { satisfied, errors } = ask(policyRequest(facts, groups, atUnixMs))
      const verdict: PolicyVerdict = {
        sha256,
        refusals: [...satisfied].sort().map(policy => ({ policy, reason: reasons.get(policy) ?? '' })),
        faults: errors,
        ...lifeOf(clockwork, atUnixMs),
      }
      if (kept.size >= keptDecisions) kept.delete(kept.keys().next().value!)
      kept.set(key, verdict)
      return verdict
    },
  }
}

/** Why it is refused, in one line, or `null`. */
export function toldPolicy({ refusals, faults }: PolicyVerdict): string | null {
  if (refusals.length === 0 && faults.length === 0) return null
  const said = refusals.map(
    ({ policy, reason }) => `The tenant’s own policy “${policy}” forbids it: ${reason}`,
  )
  const broken = faults.map(fault => `The tenant’s own policy could not be asked: ${fault}`)
  return `${[...said, ...broken].map(line => (/[.!?]$/.test(line) ? line : `${line}.`)).join(' ')} What would change it: holdfast instruct approvers --policy FILE`
}

interface ReadText {
  readonly policies: Readonly<Record<string, string>>
  readonly reasons: ReadonlyMap<string, string>
  readonly clockwork: Clockwork
}

function readText(text: string, groups: Groups): ReadText | string {
  const fault = faultOfPolicyText(text)
  if (fault !== null) return fault
  const split = splitPolicies(text)
  if (typeof split === 'string') return split
  const policies: Record<string, string> = {}
  const reasons = new Map<string, string>()
  let clockwork: Clockwork = 'none'
  for (const [at, policy] of split.entries()) {
    const parsed = readPolicy(policy)
    if (typeof parsed === 'string') return `policy ${at + 1}: ${parsed}`
    const { id, reason } = parsed.annotations ?? {}
    if (parsed.effect !== 'forbid')
      return `policy ${at + 1} is a permit: a tenant’s own policy can forbid what law and quorum would allow, and allows nothing by itself`
    if (typeof id !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id))
      return `policy ${at + 1} has no @id("…") of letters, digits, ., _ and -`
    if (typeof reason !== 'string' || reason.trim() === '' || reason.length > 300 || /[\n\t]/.test(reason))
      return `${id} has no @reason("…") of one line, which whoever is refused is told`
    if (reasons.has(id)) return `two policies are named ${id}`
    const tree = readPolicyTree(parsed)
    for (const { type, name } of tree.names)
      if (!isKnownName(groups, type, name)) return `${id}: there is no ${type} ${name}`
    clockwork = slower[clockwork] < slower[tree.clockwork] ? tree.clockwork : clockwork
    policies[id] = policy
    reasons.set(id, reason.trim())
  }
  const unfit = faultOfPolicies(policies, tenantSchema)
  // The same is said of every act that it is about.
  return unfit?.split('\n')[0] ?? { policies, reasons, clockwork }
}

const slower: Readonly<Record<Clockwork, number>> = { none: 0, hour: 1, second: 2 }
const turnMs = { hour: 3600e3, second: 1000 } as const

function lifeOf(clockwork: Clockwork, atUnixMs: number): Pick<PolicyVerdict, 'sinceUnixMs' | 'untilUnixMs'> {
  if (clockwork === 'none')
    return { sinceUnixMs: Number.NEGATIVE_INFINITY, untilUnixMs: Number.POSITIVE_INFINITY }
  const turn = turnMs[clockwork]
  const sinceUnixMs = Math.floor(atUnixMs / turn) * turn
  return { sinceUnixMs, untilUnixMs: sinceUnixMs + turn }
}
