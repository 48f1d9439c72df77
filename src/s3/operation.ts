/** What an S3 operation is: how it is recognised, what policy is asked, and what runs with policy's proof. */
import type { IncomingMessage } from 'node:http'
import type { Holds } from '../core/holds.ts'
import type { CountryCode, OriginId, RandomBytes, RegionId, TenantId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Clock } from '../core/time.ts'
import type { Leases } from '../keys/leases.ts'
import type { DraftBox, Drafted } from '../ledger/drafts.ts'
import type { Promiser } from '../ledger/promises.ts'
import type { Sums } from '../ledger/sums.ts'
import type { Caller } from '../policy/access.ts'
import type { Authorized, Refusal } from '../policy/authorized.ts'
import type { BucketFacts, ClientFacts, ClientOperation } from '../policy/operations.ts'
import type { DiskRoom } from '../store/disk-room.ts'
import type { KnownBucket } from '../store/objects.ts'
import type { RegionPlace, RegionStores } from '../store/region.ts'
import type { BucketKeyRow, ShreddedKeyRow } from '../store/rows.ts'
import type { Account } from '../store/tenants.ts'
import type { PayloadMode, Proof } from './authenticate.ts'
import type { CorsRule } from './configs/cors.ts'
import type { BucketEncryption } from './configs/encryption.ts'
import type { Targets } from './iam/targets.ts'
import type { LifecycleHeaders } from './lifecycle/headers.ts'
import type { Notifier, Notifiers } from './notifications/notifier.ts'
import type { Owners } from './owners.ts'
import type { PostForm } from './post/open-form.ts'
import type { SizeRange } from './post/policy-document.ts'
import type { S3Request } from './request.ts'

export interface S3Region extends RegionStores {
  readonly leases: Leases
  /** Why the region's ledger has stopped; `null` while it runs. What cannot be entered must not be done. */
  readonly stopped: () => string | null
  readonly drafts: DraftBox
  readonly promiser: Promiser
  readonly sums: Sums
  readonly room: DiskRoom
}

export interface S3Services {
  readonly regions: ReadonlyMap<RegionId, S3Region>
  /** Bucket names that are being given out, over all regions of the process. */
  readonly bucketNames: Holds
  readonly targets: Targets
  readonly owners: Owners
  readonly lifecycleHeaders: LifecycleHeaders
  readonly notifiers: Notifiers
  /** What a bucket says of the encryption of what comes without its own; `null`: nothing. */
  readonly encryptionOf: (bucket: LocatedBucket) => Promise<BucketEncryption | null>
  /** Which web pages may call a bucket; `null`: nothing was set, so none. */
  readonly corsOf: (bucket: LocatedBucket) => Promise<readonly CorsRule[] | null>
  /** SSE-C over connections that are not encrypted. */
  readonly customerKeysOverHttp: boolean
  readonly decodeBucketKey: (id: string, bytes: Uint8Array) => BucketKeyRow | ShreddedKeyRow
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly metrics: Metrics
}

export interface Identity {
  /** Of the anonymous, `anonymousTenant`, which owns nothing. */
  readonly tenant: TenantId
  /** `anonymous` when nobody signed. */
  readonly accessKeyId: string
  readonly home: RegionId
  readonly account: Account
  /** `null`: anonymous. */
  readonly caller: Caller | null
  /** The key ends by itself. */
  readonly isSession: boolean
}

/** A bucket that was found, with where it is. */
export interface LocatedBucket extends KnownBucket {
  readonly region: S3Region
  readonly facts: BucketFacts
}

/** `home`: in whatever country the region is that is asked (loopback, in the embedded default). */
export type ClientPlace = CountryCode | 'home' | null

export interface Client {
  readonly address: string
  readonly port: number
  readonly place: ClientPlace
}

export function clientSeenFrom(client: Client, region: RegionPlace): ClientFacts {
  const { address, port, place } = client
  return { address, port, country: place === 'home' ? region.country : place }
}

export interface S3Context {
  readonly services: S3Services
  readonly request: S3Request
  readonly message: IncomingMessage
  readonly payload: PayloadMode
  /** Of a browser's upload; `request` says what its fields say. `null`: it is none. */
  readonly form: (PostForm & { readonly size: SizeRange | null }) | null
  readonly identity: Identity
  readonly client: Client
  readonly connectionId: string
  readonly requestId: string
  /** Tells a client that waits for `100 Continue` to send its body. Called before the body is read. */
  readonly continueBody: () => void
  /** Within a request a bucket is looked up once. */
  readonly locate: (bucket: string) => Promise<LocatedBucket>
  /** How the request was authenticated; `null`: it was not. */
  readonly proof: Proof | null
  /**
   * Decides on a part of a request that has several, one key of a list for instance. A refusal is entered; it is the
   * operation's to answer with.
   */
  readonly decideOn: <Op extends ClientOperation>(op: Op, need: PartNeed) => Promise<Authorized<Op> | Refusal>
  /** Whether policies allow what the request would like and does not need, such as a bypass of governance. */
  readonly mayAlso: (need: PartNeed) => Promise<boolean>
  /** Notes an entry that this request made, for the answer and for the connection's record. */
  readonly entered: (entry: Drafted) => void
}

export interface PartNeed {
  /** `s3:DeleteObject` */
  readonly action: string
  readonly bucket: LocatedBucket
  /** `null`: of the bucket itself. */
  readonly key: string | null
  readonly versionId: string | null
  /** What is there under the key now is not what is asked about. */
  readonly isNew?: boolean
}

export interface S3Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer | S3Stream | null
}

export interface S3Stream {
  readonly bytes: number
  readonly chunks: AsyncGenerator<Buffer, void>
  /** How many content bytes were handed to the socket, and whether that was all. */
  readonly onEnd: (sentBytes: number, complete: boolean) => void
}

/** Condition keys of policies whose values are in the request's body, by name in lower case: `s3:requestobjecttagkeys`. */
export type AskedKeys = Readonly<Record<string, readonly string[]>>

export interface OperationSpec<Op extends ClientOperation, Target> {
  readonly name: string
  /** Finds what the request is about and says it in policy's terms. */
  readonly facts: (
    context: S3Context,
  ) => Promise<{ readonly op: Op; readonly target: Target; readonly asked?: AskedKeys }>
  readonly run: (context: S3Context, authorized: Authorized<Op>, target: Target) => Promise<S3Answer>
}

/** An operation with its types closed over, so that the table can hold operations of every type. */
export interface Operation {
  readonly name: string
  readonly prepare: (context: S3Context) => Promise<PreparedOperation<ClientOperation>>
}

export interface PreparedOperation<Op> {
  readonly op: Op
  readonly asked: AskedKeys
  readonly run: (authorized: Authorized<Op>) => Promise<S3Answer>
}

export function operation<Op extends ClientOperation, Target>(spec: OperationSpec<Op, Target>): Operation {
  return {
    name: spec.name,
    prepare: async context => {
      const { op, target, asked = {} } = await spec.facts(context)
      // The pipe decides on `op` itself and hands the proof of that very object back.
      return { op, asked, run: authorized => spec.run(context, authorized as Authorized<Op>, target) }
    },
  }
}

export function newOriginId(randomBytes: RandomBytes): OriginId {
  return Buffer.from(randomBytes(16)).toString('hex') as OriginId
}

/** What a new version needs to know of who makes it. */
export interface Publisher extends Pick<S3Context, 'services' | 'requestId' | 'entered'> {
  readonly identity: Pick<Identity, 'accessKeyId'>
  readonly client: Pick<Client, 'address'>
  readonly request: Pick<S3Request, 'method'>
}

/** Who is to be told of what this request does to the bucket; `null`: nobody. */
export async function notifierOf(
  context: Omit<Publisher, 'request' | 'entered'>,
  { region, row }: LocatedBucket,
): Promise<Notifier | null> {
  if (row.configs?.notification === undefined) return null
  const { services, identity, client, requestId } = context
  const cause = { principal: identity.accessKeyId, address: client.address, requestId }
  return services.notifiers(region, row, services.clock(), cause)
}
