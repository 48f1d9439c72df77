/** The signed documents of docs/formats/instruction.md, parsed so that they can be read in one way only. */
import { z } from 'zod'
import { fromUtf8 } from '../core/bytes.ts'
import { parseCanonicalJson } from '../core/canonical-json.ts'
import {
  type BucketName,
  type EntryId,
  type InstructionId,
  parseBucketName,
  parseEntryId,
  parseRegionId,
  parseTenantId,
  type RegionId,
  type TenantId,
} from '../core/ids.ts'
import { parseIsoTime } from '../core/time.ts'
import { type Envelope, pae } from '../crypto/dsse.ts'
import { approverKeyId, verifySignature } from '../crypto/signatures.ts'
import { documentId } from '../crypto/signed-document.ts'
import { dataClasses } from '../policy/data-classes.ts'
import type { ClassTerms } from '../policy/decide-class.ts'
import type { EraseTerms } from '../policy/decide-erase.ts'
import type { TransferTerms } from '../policy/decide-transfer.ts'
import type { Genesis } from '../verify/genesis.ts'

export const instructionPayloadType = 'application/vnd.holdfast.instruction+json'
const maxLifeMs = 366 * 86_400e3

/** So many entries one erasure may name: instruction and erasure stand in an entry each, which is a mebibyte at most. */
export const maxErasedEntries = 4000

export type Instruction = TransferInstruction | EraseInstruction | ClassInstruction

interface InstructionTerms {
  readonly purpose: string
  /** Origin of a log, of a transfer its source's: an instruction for one ledger means nothing to another. */
  readonly ledger: string
}

export interface TransferInstruction extends TransferTerms, InstructionTerms {
  readonly kind: 'transfer'
  readonly mode: 'copy' | 'move'
  readonly mechanism: string | null
}

export interface EraseInstruction extends EraseTerms, InstructionTerms {
  readonly kind: 'erase'
}

export interface ClassInstruction extends ClassTerms, InstructionTerms {
  readonly kind: 'class'
}

/**
 * The mechanisms that an instruction names, as packs name them: separated by commas, each with what else is to be said
 * of it after a colon (`scc: module 2, consent`). A word within a sentence is none.
 */
export function mechanismsOf(text: string | null): string[] {
  const names = (text ?? '').split(',').map(part => part.split(':')[0]!.trim().toLowerCase())
  return [...new Set(names)].filter(name => name !== '')
}

/** The region in which it is carried out: of a transfer, the source. */
export function placeOf(instruction: Instruction): RegionId {
  return instruction.kind === 'transfer' ? instruction.from.region : instruction.region
}

const time = parsed(parseIsoTime, 'a time like 2026-01-31T00:00:00.000Z')
const end = z.strictObject({
  bucket: parsed(parseBucketName, 'a bucket name'),
  region: parsed(parseRegionId, 'a region id'),
})
const limit = z.int().min(0).nullable()
/** What every kind has. */
const common = {
  expires: time,
  ledger: z.string().min(1).max(300),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  notBefore: time,
  purpose: z.string().min(1).max(1000),
  tenant: parsed(parseTenantId, 'a tenant id'),
  v: z.literal(1),
}
const schema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('transfer'),
    from: end,
    limits: z.strictObject({ bytes: limit, objects: limit }),
    mechanism: z.string().min(1).max(300).nullable(),
    mode: z.enum(['copy', 'move']),
    scope: z.strictObject({ prefix: z.string().max(1024) }),
    to: end,
  }),
  z.strictObject({
    ...common,
    kind: z.literal('erase'),
    region: parsed(parseRegionId, 'a region id'),
    scope: z.strictObject({
      entries: z
        .array(z.tuple([z.int().min(0), parsed(parseEntryId, 'an entry id')]))
        .min(1)
        .max(maxErasedEntries),
    }),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('class'),
    bucket: parsed(parseBucketName, 'a bucket name'),
    class: z.enum(dataClasses),
    region: parsed(parseRegionId, 'a region id'),
    was: z.string().min(1).max(64),
  }),
])

/** The instruction, or what is wrong with the document. Its signatures say nothing yet. */
export function openInstruction(envelope: Envelope): Instruction | string {
  if (envelope.payloadType !== instructionPayloadType) return 'it is no instruction'
  const value = canonicalPayload(envelope)
  if (value === null) return 'its payload is not canonical JSON'
  const result = schema.safeParse(value)
  if (!result.success) return z.prettifyError(result.error)
  const { data } = result
  if (data.expires <= data.notBefore) return 'it expires before it is valid'
  if (data.expires - data.notBefore > maxLifeMs) return 'it is valid for more than 366 days'
  const terms = {
    id: documentId(envelope) as InstructionId,
    tenant: data.tenant as TenantId,
    notBeforeUnixMs: data.notBefore,
    expiresUnixMs: data.expires,
    purpose: data.purpose,
    ledger: data.ledger,
  }
  if (data.kind === 'erase') {
    const { entries } = data.scope
    if (entries.some(([seq], at) => at > 0 && seq <= entries[at - 1]![0]))
      return 'the sequence numbers of its scope do not ascend'
    return {
      ...terms,
      kind: data.kind,
      region: data.region as RegionId,
      entries: entries as unknown as readonly (readonly [number, EntryId])[],
    }
  }
  if (data.kind === 'class') {
    if (data.class === data.was) return 'it changes nothing'
    return {
      ...terms,
      kind: data.kind,
      region: data.region as RegionId,
      bucket: data.bucket as BucketName,
      was: data.was,
      dataClass: data.class,
    }
  }
  if (data.from.region === data.to.region) return 'a transfer goes from one region to another'
  return {
    ...terms,
    kind: data.kind,
    from: data.from as { region: RegionId; bucket: BucketName },
    to: data.to as { region: RegionId; bucket: BucketName },
    prefix: data.scope.prefix,
    limits: data.limits,
    mode: data.mode,
    mechanism: data.mechanism,
  }
}

export const verdictTypes = {
  approved: 'application/vnd.holdfast.approval+json',
  rejected: 'application/vnd.holdfast.rejection+json',
  revoked: 'application/vnd.holdfast.revocation+json',
} as const
export type VerdictKind = keyof typeof verdictTypes

export interface Verdict {
  readonly kind: VerdictKind
  readonly instruction: InstructionId
  readonly tenant: TenantId
  readonly reason: string
  readonly timeUnixMs: number
  /** Key id of the approver whose signature verifies. */
  readonly approver: string
}

const verdictSchema = z.strictObject({
  instruction: z.string().regex(/^[0-9a-f]{64}$/),
  reason: z.string().max(1000),
  tenant: parsed(parseTenantId, 'a tenant id'),
  time,
  v: z.literal(1),
})

/**
 * The verdict, if one of the tenant's approvers signed it; else what is wrong. Keys and algorithms are the approver
 * set's: whatever the envelope says of its keys is a hint that is not even read.
 */
export function openVerdict(envelope: Envelope, genesis: Genesis): Verdict | string {
  const kind = (Object.keys(verdictTypes) as VerdictKind[]).find(
    name => verdictTypes[name] === envelope.payloadType,
  )
  if (kind === undefined) return 'it is no approval, rejection or revocation'
  const value = canonicalPayload(envelope)
  if (value === null) return 'its payload is not canonical JSON'
  const result = verdictSchema.safeParse(value)
  if (!result.success) return z.prettifyError(result.error)
  const { instruction, tenant, reason, time: timeUnixMs } = result.data
  if (tenant !== genesis.tenant) return 'it is of another tenant'
  if (envelope.signatures.length !== 1) return 'it must carry exactly one signature'
  const message = pae(envelope.payloadType, envelope.payload)
  const { signature } = envelope.signatures[0]!
  for (const { algorithm, publicKey } of genesis.approvers) {
    if (!verifySignature(algorithm, publicKey, message, signature)) continue
    const approver = approverKeyId(algorithm, publicKey)
    return {
      kind,
      instruction: instruction as InstructionId,
      tenant: tenant as TenantId,
      reason,
      timeUnixMs,
      approver,
    }
  }
  return 'no approver of the tenant signed it'
}

function canonicalPayload(envelope: Envelope): unknown {
  try {
    return parseCanonicalJson(fromUtf8(envelope.payload))
  } catch {
    return null
  }
}

function parsed<Value>(parse: (text: string) => Value | null, what: string) {
  return z.string().transform((text, context): Value => {
    const value = parse(text)
    if (value !== null) return value
    context.addIssue(`not ${what}`)
    return z.NEVER
  })
}
