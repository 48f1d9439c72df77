/** What a tenant's policy can ask of an act, and the act as Cedar sees it. */
import type { BucketName, CountryCode, RegionId } from '../../core/ids.ts'
import type { CedarRequest } from '../packs/cedar.ts'
import { countryEntities, countryRef, dataClassEntities, dataClassRef } from '../packs/entities.ts'
import type { Groups } from '../packs/pack.ts'

/** A standing transfer copies what is there, and what comes. */
const modes = { copy: ['copy'], move: ['move'], standing: ['copy', 'standing'] } as const
/** Each act of a transfer with the groups that it is in: the schema knows them, and so must each request. */
const transferActions: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(modes).flatMap(([mode, groups]) =>
    ['out', 'in'].map(end => [`${mode}-${end}`, ['transfer', ...groups, end]] as const),
  ),
)
const declared = [...transferActions].map(
  ([name, groups]) =>
    `action "${name}" in [${groups.map(group => `"${group}"`).join(', ')}] appliesTo ` +
    '{ principal: [Tenant, Approver, Drafter], resource: Bucket, context: Transfer };',
)

/** Strict: an attribute that an act may lack is asked for with `has`, or the policy is not taken. */
export const tenantSchema = `
entity Group;
entity Country in [Group];
entity Region in [Country];
entity DataClass in [DataClass];
entity Tenant;
entity Approver in [Tenant];
entity Drafter in [Tenant];
entity Bucket in [Region] { region: Region, country: Country, dataClass: DataClass, prefix: String };
type Transfer = {
  from: Country, to: Country, fromRegion: Region, toRegion: Region, fromBucket: String, toBucket: String,
  mechanisms: Set<String>, versions: String,
  purpose: String, expires: Long, objects?: Long, bytes?: Long, capacities?: Set<String>,
  at: Long, weekday: Long, hour: Long
};
type Sight = {
  from: Country, to: Country, name: String, form: String, actions: Set<String>,
  purpose: String, expires: Long, objects?: Long, bytes?: Long, capacities?: Set<String>,
  at: Long, weekday: Long, hour: Long
};
action transfer, copy, move, standing, "out", "in";
${declared.join('\n')}
action access, disclose appliesTo { principal: [Tenant, Approver, Drafter], resource: Bucket, context: Sight };
`

export interface PolicyFacts {
  /** Whoever ordered it: the key id of an approver or a drafter, or the tenant, when nobody is named. */
  readonly principal: { readonly type: 'Tenant' | 'Approver' | 'Drafter'; readonly id: string }
  readonly tenant: string
  /** The bucket of the end that asks. */
  readonly bucket: {
    readonly name: BucketName | string
    readonly region: RegionId | string
    readonly country: CountryCode
    readonly dataClass: string
    /** Where all the keys begin that are meant. */
    readonly prefix: string
  }
  readonly from: CountryCode
  readonly to: CountryCode
  readonly purpose: string
  readonly expiresUnixMs: number
  readonly limits: { readonly objects: number | null; readonly bytes: number | null }
  readonly capacities: readonly string[] | null
  readonly act:
    | {
        readonly kind: 'transfer'
        readonly mode: 'copy' | 'move' | 'standing'
        readonly end: 'out' | 'in'
        readonly fromRegion: string
        readonly toRegion: string
        readonly fromBucket: string
        readonly toBucket: string
        readonly mechanisms: readonly string[]
        readonly versions: string
      }
    | {
        readonly kind: 'access' | 'disclose'
        /** Who may see it. */
        readonly name: string
        /** `ciphertext` or `plaintext` of a disclosure; empty otherwise. */
        readonly form: string
        readonly actions: readonly string[]
      }
}

export function policyRequest(facts: PolicyFacts, groups: Groups, atUnixMs: number): CedarRequest {
  const { bucket, from, to, act, limits, capacities } = facts
  const ref = (type: string, id: string) => ({ __entity: { type, id } })
  const tenant = { type: 'Tenant', id: facts.tenant }
  const resource = { type: 'Bucket', id: bucket.name }
  const action = { type: 'Action', id: act.kind === 'transfer' ? `${act.mode}-${act.end}` : act.kind }
  const groupsOfAct = transferActions.get(action.id) ?? []
  const regions = new Map([[bucket.region as string, bucket.country as string]])
  if (act.kind === 'transfer') regions.set(act.fromRegion, from).set(act.toRegion, to)
  const isTenant = facts.principal.type === 'Tenant'
  return {
    principal: { ...facts.principal },
    action,
    resource,
    context: {
      from: countryRef(from),
      to: countryRef(to),
      purpose: facts.purpose,
      expires: Math.floor(facts.expiresUnixMs / 1000),
      ...(limits.objects !== null && { objects: limits.objects }),
      ...(limits.bytes !== null && { bytes: limits.bytes }),
      ...(capacities !== null && { capacities: [...capacities] }),
      ...timeOf(atUnixMs),
      ...(act.kind === 'transfer'
        ? {
            fromRegion: ref('Region', act.fromRegion),
            toRegion: ref('Region', act.toRegion),
            fromBucket: act.fromBucket,
            toBucket: act.toBucket,
            mechanisms: [...act.mechanisms],
            versions: act.versions,
          }
        : { name: act.name, form: act.form, actions: [...act.actions] }),
    },
    entities: [
      ...countryEntities(groups, new Set([from, to, bucket.country])),
      ...dataClassEntities(groups, bucket.dataClass),
      ...[...regions].map(([id, country]) => ({
        uid: { type: 'Region', id },
        attrs: {},
        parents: [{ type: 'Country', id: country }],
      })),
      { uid: action, attrs: {}, parents: groupsOfAct.map(id => ({ type: 'Action', id })) },
      { uid: tenant, attrs: {}, parents: [] },
      ...(isTenant ? [] : [{ uid: { ...facts.principal }, attrs: {}, parents: [tenant] }]),
      {
        uid: resource,
        attrs: {
          region: ref('Region', bucket.region),
          country: countryRef(bucket.country),
          dataClass: dataClassRef(bucket.dataClass),
          prefix: bucket.prefix,
        },
        parents: [{ type: 'Region', id: bucket.region }],
      },
    ],
  }
}

/** UTC; Monday is 1. */
function timeOf(atUnixMs: number): { at: number; weekday: number; hour: number } {
  const time = new Date(atUnixMs)
  return {
    at: Math.floor(atUnixMs / 1000),
    weekday: ((time.getUTCDay() + 6) % 7) + 1,
    hour: time.getUTCHours(),
  }
}
