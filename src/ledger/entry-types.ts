import type { EntryId, InstructionId, OriginId, TenantId } from '../core/ids.ts'
import type { EnvelopeJson } from '../crypto/dsse.ts'
import type { ConfigKind } from '../store/rows.ts'

/**
 * Every type of entry and its body, as the table in `docs/formats/entry.md`. Closed, so that a caller cannot enter
 * a body that an auditor's reader would not understand. Type literals and not interfaces, because only those are
 * assignable to `Json`.
 */
type EntryBodies = {
  'tenant.joined': {
    readonly genesis: TenantId
    readonly home: string
    readonly chainKeyCommitment: string
    readonly country: string
    /** Every change of the approvers until then; left out when there was none. */
    readonly chain?: readonly Link[]
  }
  'accesskey.created': { readonly accessKeyId: string; readonly by: By; readonly user?: string }
  'accesskey.changed': {
    readonly accessKeyId: string
    readonly status: 'Active' | 'Inactive'
    readonly by: By
  }
  'accesskey.deleted': { readonly accessKeyId: string; readonly by: By }
  'iam.changed': {
    readonly action: string
    readonly resource: string
    readonly sha256: string | null
    readonly by: By
  }
  'quota.set': {
    readonly bucket: string | null
    readonly objects: number | null
    readonly bytes: number | null
    readonly by: By
  }
  'session.issued': {
    readonly accessKeyId: string
    readonly principal: string
    readonly expires: string
    readonly by: By
  }
  'bucket.created': {
    readonly bucket: string
    readonly dataClass: string
    readonly etagMode: 'md5' | 'opaque'
    readonly by: By
  }
  'bucket.deleted': { readonly bucket: string; readonly by: By }
  'bucket.configured': {
    readonly bucket: string
    readonly kind: ConfigKind
    readonly sha256: string | null
    readonly by: By
  }
  'bucketkey.created': {
    readonly bucket: string
    readonly bucketKeyId: string
    readonly holderKeyId: string
    readonly checkValue: string
    /** That ordered it; left out: it came with the bucket. */
    readonly instruction?: InstructionId
  }
  'bucketkey.shredded': {
    readonly instruction: InstructionId
    readonly bucket: string
    readonly bucketKeyIds: readonly string[]
  }
  'bucket.classified': {
    readonly instruction: InstructionId
    readonly bucket: string
    readonly from: string
    readonly to: string
    /** Of the keys that begin so; left out: of the bucket. */
    readonly prefix?: string
  }
  'bucket.residency': {
    readonly instruction: InstructionId
    readonly bucket: string
    /** Regions; `null`: wherever an approved transfer brings its bytes. */
    readonly from: readonly string[] | null
    readonly to: readonly string[] | null
  }
  'object.put': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly originId: OriginId
    readonly sizeBytes: number
    readonly ciphertextBytes: number
    readonly ciphertextSha256: string
    readonly manifestSha256: string
    readonly etag: string
    readonly bucketKeyId: string
    readonly parts: number
    readonly copiedFrom: { readonly bucket: string; readonly key: string; readonly originId: OriginId } | null
    readonly replaced: OriginId | null
    readonly lock: LockBody | null
    readonly by: By
  }
  'object.acl': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly originId: OriginId
    readonly grants: readonly { readonly to: string; readonly permission: string }[]
    readonly by: By
  }
  'object.tagged': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly originId: OriginId
    readonly tags: { readonly [key: string]: string }
    readonly by: By
  }
  'object.locked': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly originId: OriginId
    readonly lock: LockBody
    readonly by: By
  }
  'object.deleted': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly originId: OriginId
    readonly by: By
    readonly instruction: InstructionId | null
  }
  'object.marked': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly replaced: OriginId | null
    readonly by: By
  }
  'object.unmarked': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly by: By
  }
  'webhook.registered': {
    readonly name: string
    readonly url: string
    readonly certificateSha256: string | null
    /** It is told of instructions that wait, too. */
    readonly instructions?: true
  }
  'webhook.removed': { readonly name: string }
  'evidence.entered': {
    readonly files: readonly { readonly name: string; readonly sha256: string; readonly bytes: number }[]
  }
  'notification.dropped': {
    readonly bucket: string
    readonly key: string
    readonly event: string
    readonly webhook: string
    readonly reason: string
    readonly by: By
  }
  /** In a region's own books. */
  'region.engines': {
    readonly stores: readonly { readonly holds: string; readonly engine: string; readonly country: string }[]
    readonly remotes: readonly Elsewhere[]
    readonly witnesses: readonly Elsewhere[]
  }
  'log.rotated': { readonly vkey: string; readonly size: number; readonly rotation: string }
  'books.closed': { readonly number: number; readonly from: string; readonly until: string }
  'region.restored': { readonly from: string; readonly size: number }
  refusal: {
    readonly principal: string
    readonly rule: string
    readonly operation: string
    readonly resource: string
    readonly count: number
    readonly from: string
    readonly until: string
  }
  'reads.summed': {
    readonly bucket: string
    readonly accessKeyId: string
    readonly count: number
    readonly bytes: number
    readonly from: string
    readonly until: string
  }
  'read.opened': {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly originId: OriginId
    readonly maxBytes: number
    readonly client: Endpoint
    readonly connection: string
    readonly by: By
  }
  'read.closed': {
    readonly opening: EntryId
    readonly bytes: number
    readonly outcome: 'complete' | 'cut'
  }
  connection: {
    readonly connection: string
    readonly role: 's3' | 'transfer' | 'knowledge' | 'webhook' | 'key-holder' | 'witness' | 'remote-store'
    readonly local: Endpoint
    readonly remote: Endpoint
    readonly start: string
    readonly end: string
    readonly bytesOut: number
    readonly bytesIn: number
    readonly entries: readonly EntryId[]
    readonly more: boolean
    readonly instruction: InstructionId | null
    readonly initiator: 'local' | 'remote'
  }
  'instruction.drafted': { readonly instruction: InstructionId; readonly envelope: EnvelopeJson }
  'instruction.approved': Verdict
  'instruction.rejected': Verdict
  'instruction.revoked': Verdict
  'instruction.state': {
    readonly instruction: InstructionId
    readonly state: 'approved' | 'running' | 'completed' | 'failed' | 'expired' | 'revoked' | 'rejected'
    readonly reason: string | null
    readonly objects: number
    readonly bytes: number
    /** Of a transfer that has sent everything: how many versions have answered for their bytes. */
    readonly verified?: number
  }
  'approvers.changed': {
    readonly instruction: InstructionId
    /** Of the change, from 1 on. */
    readonly number: number
    /** Every change since the genesis, this one last. */
    readonly chain: readonly Link[]
  }
  'delegation.withdrawn': {
    /** Id of the delegation. */
    readonly delegation: string
    readonly approver: string
    readonly envelope: EnvelopeJson
  }
  'entries.erased': {
    readonly instruction: InstructionId
    readonly envelope: EnvelopeJson
    readonly approvals: readonly EnvelopeJson[]
    /** The changes of the approvers since the genesis; left out: none. */
    readonly chain?: readonly Link[]
    readonly entries: readonly (readonly [seq: number, entryId: EntryId])[]
    /** Versions of which an entry is left that tells of their coming, and none of their end. */
    readonly gone: readonly OriginId[]
  }
  'transfer.departed': TransferBatch
  'transfer.arrived': TransferBatch
  'transfer.voided': {
    readonly instruction: InstructionId
    readonly batch: number
    readonly peer: string
    readonly objects: readonly (readonly [originId: OriginId, reason: string])[]
  }
  'transfer.paused': { readonly instruction: InstructionId }
  'transfer.resumed': { readonly instruction: InstructionId }
  'transfer.limited': { readonly instruction: InstructionId; readonly bytesPerSecond: number | null }
}

type Link = { readonly envelope: EnvelopeJson; readonly approvals: readonly EnvelopeJson[] }

type Elsewhere = { readonly name: string; readonly host: string; readonly country: string | null }

export type LockBody = {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE' | null
  readonly until: string | null
  readonly legalHold: 'ON' | 'OFF' | null
}

export type By =
  | { readonly accessKeyId: string }
  | { readonly approver: string }
  | { readonly region: string }
  | { readonly lifecycle: string }

type Endpoint = { readonly address: string; readonly port: number; readonly country: string | null }

type Verdict = {
  readonly instruction: InstructionId
  readonly approver: string
  readonly envelope: EnvelopeJson
}

export type TransferBatch = {
  readonly instruction: InstructionId
  readonly batch: number
  readonly peer: string
  readonly bucket: string
  readonly toBucket: string
  readonly manifestSha256: string
  readonly objects: readonly (readonly [
    originId: OriginId,
    ciphertextBytes: number,
    ciphertextSha256: string,
  ])[]
  readonly bytes: number
  readonly law: LawBody
}

/** By which packs it was let through, and from what: with the instruction, all that it takes to decide it again. */
export type LawBody = {
  /** Hex SHA-256 of the packs. */
  readonly packs: string
  /** By id, of the packs that said something. */
  readonly versions: { readonly [pack: string]: string }
  readonly from: string
  readonly to: string
  readonly dataClass: string
  /** Where keys in the scope are of several classes: from which prefix on which. `dataClass` is then the scope's own. */
  readonly classes?: readonly (readonly [prefix: string, dataClass: string])[]
  readonly rules: readonly (readonly [finding: string, rule: string])[]
  /** The tenant's own policy that it was let through by too; left out: there was none. */
  readonly ownPolicy?: {
    /** Hex SHA-256 of its text, which stands in the chain of the tenant's approvers. */
    readonly sha256: string
    /** When it was asked. */
    readonly at: string
  }
}

/** What a caller wants entered: whose it is, and a type with the body of that type. */
export type EntryDraft = {
  readonly [Type in keyof EntryBodies]: {
    readonly tenant: TenantId
    readonly type: Type
    readonly body: EntryBodies[Type]
  }
}[keyof EntryBodies]
