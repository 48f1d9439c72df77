import { equalBytes, fromUtf8 } from '../core/bytes.ts'
import { type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { type Approver, parseApproverSet } from './approvers.ts'

/**
 * Who may sign for a tenant now, and how many it takes: the genesis and the changes that came into force since, each
 * ordered by whoever could sign before. `docs/formats/instruction.md`, "Approvers".
 */
export interface ApproverSet {
  readonly tenant: string
  /** How many changes there have been; 0: the genesis. */
  readonly number: number
  /** Id of the document that it is from: the genesis, or an instruction of kind `approvers`. */
  readonly id: string
  readonly approvers: readonly Approver[]
  readonly quorum: number
  /** Kept offline: all that it can do is to change the approvers, and to stop a change. */
  readonly recovery: { readonly approvers: readonly Approver[]; readonly quorum: number }
  readonly rules: ApproverRules
}

export interface ApproverRules {
  /** What it takes by kind of instruction, instead of the quorum. */
  readonly quorums: ReadonlyMap<string, number>
  /** What it takes at least when the effect is in another country. 0: nothing more. */
  readonly abroad: number
  /** Whoever drafted must be named, and is not enough as the only approver. */
  readonly separateDuties: boolean
  /** Who may draft, beside the approvers. They approve nothing. */
  readonly drafters: readonly Approver[]
  /** What the tenant forbids itself, in Cedar; `null`: nothing. What it says is judged by who acts on it. */
  readonly policy: string | null
  /** Of a change: the policy is that of the set before, which `after` names. */
  readonly keepsPolicy?: true
}

/** UTF-16 code units. A chain of changes is an entry, and carries each policy once. */
const maxPolicyLength = 16_384
/**
 * Nothing but what shows as it is read: a control character, or one that turns the direction of the line, could hide
 * from an approver what is about to be signed.
 */
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/

export const noRules: ApproverRules = {
  quorums: new Map(),
  abroad: 0,
  separateDuties: false,
  drafters: [],
  policy: null,
}

/** The kinds of instruction, as quorums and delegations name them. */
export const instructionKinds = [
  'access',
  'approvers',
  'class',
  'disclose',
  'erase',
  'key',
  'residency',
  'standing-transfer',
  'transfer',
] as const

/** Between the last approval that a change of the approvers needed and its coming into force, at least. */
export const approversWaitMs = 72 * 3600e3

/** What a document says of a set, or what is wrong with it. */
export type SetBody = Pick<ApproverSet, 'approvers' | 'quorum' | 'recovery' | 'rules'>

export function parseSetBody(value: unknown): SetBody | string {
  if (!isRecord(value) || Object.keys(value).join() !== 'approvers,quorum,recovery,rules')
    return 'the set has other fields than the format'
  const main = parseApproverSet(value.approvers, value.quorum)
  if (typeof main === 'string') return main
  if (main.quorum === 0) return 'the set has no approvers'
  const { recovery } = value
  if (!isRecord(recovery) || Object.keys(recovery).join() !== 'approvers,quorum')
    return 'the set has no recovery set'
  const spare = parseApproverSet(recovery.approvers, recovery.quorum)
  if (typeof spare === 'string') return `the recovery set: ${spare}`
  const rules = parseRules(value.rules, main)
  return typeof rules === 'string' ? rules : { ...main, recovery: spare, rules }
}

export function parseRules(
  value: unknown,
  { approvers, quorum }: { readonly approvers: readonly Approver[]; readonly quorum: number },
): ApproverRules | string {
  if (!isRecord(value)) return 'the rules have other fields than the format'
  const { policy: given, ...rest } = value
  if (Object.keys(rest).join() !== 'abroad,drafters,quorums,separateDuties')
    return 'the rules have other fields than the format'
  const policy = Object.hasOwn(value, 'policy') ? given : undefined
  if (typeof policy === 'string') {
    const fault = faultOfPolicyText(policy)
    if (fault !== null) return fault
  } else if (policy !== undefined && policy !== null) return 'the policy is no text'
  const { abroad, quorums, separateDuties } = value
  const most = approvers.length
  const isQuorum = (n: unknown, least: number): n is number =>
    typeof n === 'number' && Number.isInteger(n) && n >= least && n <= most
  if (!isQuorum(abroad, 0)) return 'abroad must be from 0 to the number of approvers'
  if (typeof separateDuties !== 'boolean') return 'separateDuties must be true or false'
  // With one approver, what that one drafts could never be approved.
  if (separateDuties && most < 2) return 'separate duties take two approvers'
  if (!isRecord(quorums)) return 'quorums is no object'
  const byKind = new Map<string, number>()
  for (const [kind, n] of Object.entries(quorums)) {
    if (!(instructionKinds as readonly string[]).includes(kind))
      return `there is no instruction of kind ${kind}`
    // Whoever can change the approvers can do all the rest.
    if (!isQuorum(n, kind === 'approvers' ? quorum : 1))
      return `the quorum for ${kind} must be from ${kind === 'approvers' ? 'the quorum' : 1} to the number of approvers`
    byKind.set(kind, n)
  }
  const drafters = parseApproverSet(
    value.drafters,
    Array.isArray(value.drafters) && value.drafters.length > 0 ? 1 : 0,
  )
  if (typeof drafters === 'string') return `the drafters: ${drafters}`
  // An approver drafts as an approver: with a second name for the same key, it would be two people.
  const isApprover = ({ publicKey }: Approver): boolean =>
    approvers.some(approver => equalBytes(approver.publicKey, publicKey))
  if (drafters.approvers.some(isApprover)) return 'a drafter is an approver already'
  return {
    ...{ quorums: byKind, abroad, separateDuties, drafters: drafters.approvers },
    policy: policy ?? null,
    ...(policy === null && { keepsPolicy: true as const }),
  }
}

/** As far as everybody judges it, with Cedar or without: its length, and that it can be read as it stands. */
export function faultOfPolicyText(text: string): string | null {
  if (text.length === 0) return 'the policy is empty'
  if (text.length > maxPolicyLength) return `the policy is longer than ${maxPolicyLength} characters`
  return hidden.test(text) ? 'the policy has characters that do not show' : null
}

/** What it takes for an instruction of this kind. */
export function quorumFor(
  { quorum, rules }: Pick<ApproverSet, 'quorum' | 'rules'>,
  kind: string,
  isAbroad: boolean,
): number {
  return Math.max(rules.quorums.get(kind) ?? quorum, isAbroad ? rules.abroad : 0)
}

/** What an instruction of kind `approvers` orders; the fields that every kind has are checked by who reads those. */
export interface ApproversChange {
  /** Whose signatures it takes. */
  readonly by: 'approvers' | 'recovery'
  /** The document that the set is from which it takes the place of. */
  readonly after: string
  readonly number: number
  readonly set: SetBody
}

export function readApproversChange(value: Readonly<Record<string, unknown>>): ApproversChange | string {
  const { by, after, number } = value
  if (by !== 'approvers' && by !== 'recovery') return 'by is approvers or recovery'
  if (typeof after !== 'string' || !/^[0-9a-f]{64}$/.test(after)) return 'after is no id of a document'
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1) return 'its number is none'
  const set = parseSetBody(value.set)
  return typeof set === 'string' ? set : { by, after, number, set }
}

/** The set after a change, which must follow it; who ordered it is judged elsewhere. */
export function changedSet(before: ApproverSet, id: string, change: ApproversChange): ApproverSet | string {
  if (change.number !== before.number + 1 || change.after !== before.id)
    return `it takes the place of ${change.after} (${change.number - 1}), and ${before.id} (${before.number}) is in force`
  const { keepsPolicy, ...rules } = change.set.rules
  if (keepsPolicy && before.rules.policy === null) return 'it keeps a policy, and there is none'
  const policy = keepsPolicy ? before.rules.policy : rules.policy
  return { tenant: before.tenant, number: change.number, id, ...change.set, rules: { ...rules, policy } }
}

export function canonicalFields(payload: Uint8Array): Readonly<Record<string, Json>> | null {
  try {
    const value = parseCanonicalJson(fromUtf8(payload))
    return isRecord(value) ? (value as Readonly<Record<string, Json>>) : null
  } catch {
    return null
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
