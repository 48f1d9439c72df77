/** What policy is asked about: operations with the facts that a decision needs, and nothing of how they arrive. */
import type { BucketName, CountryCode, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Caller } from './access.ts'

export type Principal =
  /** The root of a tenant's account, a user of it, or a session of either. */
  | { readonly kind: 'tenant'; readonly caller: Caller }
  | { readonly kind: 'operator' }
  | { readonly kind: 'region'; readonly region: RegionId }
  | { readonly kind: 'anonymous' }

export interface BucketFacts {
  readonly name: BucketName
  readonly tenant: TenantId
  readonly region: RegionId
  readonly country: CountryCode
  readonly dataClass: string
}

export interface ClientFacts {
  readonly address: string
  readonly port: number
  /** `null`: not known, which is not the same as at home. */
  readonly country: CountryCode | null
}

export interface BucketList {
  readonly action: 'bucket.list'
}
export interface BucketCreate {
  readonly action: 'bucket.create'
  readonly name: BucketName
  readonly region: RegionId
  readonly dataClass: string
  readonly joined: boolean
}
/** Everything about a bucket that is neither an object's content nor its change: head, location, listing, delete. */
export interface BucketUse {
  readonly action: 'bucket.use'
  readonly bucket: BucketFacts
}
export interface ObjectRead {
  readonly action: 'object.read'
  readonly bucket: BucketFacts
  readonly client: ClientFacts
}
export interface ObjectWrite {
  readonly action: 'object.write'
  readonly bucket: BucketFacts
}
export interface ObjectDelete {
  readonly action: 'object.delete'
  readonly bucket: BucketFacts
}
/** A list of keys in one request; each is decided by itself as an `ObjectDelete`. */
export interface ObjectsDelete {
  readonly action: 'objects.delete'
  readonly bucket: BucketFacts
}
/** Anything about an account's users, groups, roles, policies, keys and sessions. */
export interface AccountUse {
  readonly action: 'account.use'
  readonly tenant: TenantId
}
/** A client's own copy, of an object or a part. */
export interface ObjectCopy {
  readonly action: 'object.copy'
  readonly source: BucketFacts
  readonly bucket: BucketFacts
}

export type ClientOperation =
  | BucketList
  | BucketCreate
  | BucketUse
  | ObjectRead
  | ObjectWrite
  | ObjectDelete
  | ObjectsDelete
  | ObjectCopy
  | AccountUse

/** A connection out: to whom, why, and what was registered for that. */
export interface Outbound {
  readonly action: 'outbound'
  /** `knowledge`: regions tell each other what a tenant said, on connections of their own. */
  readonly purpose: 'key-holder' | 'transfer' | 'knowledge' | 'webhook' | 'remote-store' | 'witness'
  readonly host: string
  readonly port: number
  /**
   * PEM of the one certificate that the other end must show. Empty, of a webhook, a remote store or a witness: what public
   * authorities vouch for.
   */
  readonly certificate: string
  readonly registered: boolean
  readonly instruction: InstructionId | null
  /** Of a key holder: whose it is. */
  readonly tenant?: TenantId
  /** Of a webhook. */
  readonly webhook?: {
    /** The host as it was registered: what its certificate must name. */
    readonly name: string
    /** Without TLS. */
    readonly isPlain: boolean
    /** Where it is: `home` in whatever country; `null` when nobody knows. */
    readonly country: CountryCode | 'home' | null
    /** Of the region that tells it. */
    readonly from: CountryCode
  }
  /** Of a remote store. */
  readonly witness?: {
    /** The host as it was registered: what its certificate must name. */
    readonly name: string
    /** Without TLS. */
    readonly isPlain: boolean
    /** Whether it is on this machine, as far as the configuration takes loopback for home. */
    readonly isHere: boolean
  }
  readonly remote?: {
    /** The host as the configuration has it: what its certificate must name. */
    readonly name: string
    /** Without TLS. */
    readonly isPlain: boolean
    /** Where its address is: `home` in whatever country; `null` when nobody knows. */
    readonly country: CountryCode | 'home' | null
    /** Where the configuration says that it is; `null`: it says nothing. */
    readonly declared: CountryCode | null
    /** Of the region whose files go there. */
    readonly from: CountryCode
    /** What goes there, or comes back. */
    readonly holds: 'backup' | 'public-log'
  }
}
