/** What a tenant's own policy is asked of an order, by the end that acts on it, and what it says. */
import type { CountryCode, RegionId } from '../core/ids.ts'
import { isoTime } from '../core/time.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { type ClassedBucket, classesWithin } from '../policy/bucket-classes.ts'
import { type TenantPolicies, toldPolicy } from '../policy/tenant/policies.ts'
import type { PolicyFacts } from '../policy/tenant/request.ts'
import type { ApproverSet } from '../verify/approver-set.ts'
import { approverId } from '../verify/key-id.ts'
import { mechanismsOf } from './kinds/mechanisms.ts'
import type { TransferInstruction } from './kinds/transfer.ts'
import { type PermissionOrder, seenFrom } from './law-of-permission.ts'

export type PolicyOrder = TransferInstruction | PermissionOrder

/** The end that asks, with its bucket. */
export interface PolicyEnd {
  readonly region: RegionId
  readonly country: CountryCode
  readonly bucket: ClassedBucket & { readonly name: string }
}

export interface OwnPolicy {
  /** Why it is refused; `null`: it is not. */
  readonly refusal: string | null
  /** For the entry: with the order, all that it takes to decide it again. */
  readonly body: { readonly sha256: string; readonly at: string }
}

/** `null`: the tenant has no policy of its own. */
export function askOwnPolicy(
  policies: TenantPolicies,
  set: ApproverSet,
  order: PolicyOrder,
  end: PolicyEnd,
  places: { readonly from: CountryCode; readonly to: CountryCode },
  nowUnixMs: number,
): OwnPolicy | null {
  const text = set.rules.policy
  if (text === null) return null
  const verdicts = classesWithin(end.bucket, order.prefix).map(within =>
    policies.decide(text, factsOf(set, order, end, places, within), nowUnixMs),
  )
  const told = verdicts.map(toldPolicy).filter(each => each !== null)
  return {
    refusal: told[0] ?? null,
    body: { sha256: verdicts[0]!.sha256, at: isoTime(nowUnixMs) },
  }
}

/** Of who is let see: why it is refused, or `null`. */
export function askOfPermission(
  policies: TenantPolicies,
  set: ApproverSet,
  order: PermissionOrder,
  { id, country, bucket }: Pick<PolicyEnd, 'country' | 'bucket'> & { readonly id: RegionId },
  nowUnixMs: number,
): string | null {
  const end = { region: id, country, bucket }
  const places = { from: country, to: seenFrom(order) }
  return askOwnPolicy(policies, set, order, end, places, nowUnixMs)?.refusal ?? null
}

function factsOf(
  set: ApproverSet,
  order: PolicyOrder,
  { region, country, bucket }: PolicyEnd,
  { from, to }: { readonly from: CountryCode; readonly to: CountryCode },
  within: { readonly prefix: string; readonly dataClass: string },
): PolicyFacts {
  return {
    principal: principalOf(set, order.drafter),
    tenant: set.tenant,
    bucket: { name: bucket.name, region, country, ...within },
    from,
    to,
    purpose: order.purpose,
    expiresUnixMs: order.expiresUnixMs,
    limits: 'limits' in order ? order.limits : { objects: null, bytes: null },
    capacities: null,
    act: actOf(order, region),
  }
}

function actOf(order: PolicyOrder, region: RegionId): PolicyFacts['act'] {
  switch (order.kind) {
    case 'transfer':
    case 'standing-transfer':
      return {
        kind: 'transfer',
        mode: order.kind === 'standing-transfer' ? 'standing' : order.mode,
        end: order.from.region === region ? 'out' : 'in',
        ...{ fromRegion: order.from.region, toRegion: order.to.region },
        ...{ fromBucket: order.from.bucket, toBucket: order.to.bucket },
        mechanisms: mechanismsOf(order.mechanism),
        versions: order.versions,
      }
    case 'access':
      return { kind: 'access', name: order.operator.name, form: '', actions: order.actions }
    case 'disclose':
      return { kind: 'disclose', name: order.recipient.name, form: order.form, actions: [] }
  }
}

/** Whoever is named was checked when it was drafted. One who is an approver no more is trusted with no more than to draft. */
function principalOf(set: ApproverSet, drafter: string | null): PolicyFacts['principal'] {
  if (drafter === null) return { type: 'Tenant', id: set.tenant }
  const isApprover = set.approvers.some(key => approverId(key, nodeVerifyCrypto) === drafter)
  return { type: isApprover ? 'Approver' : 'Drafter', id: drafter }
}
