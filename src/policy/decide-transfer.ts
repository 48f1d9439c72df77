/**
 * May this instruction move this, now? Asked by the source before a batch departs and before each object, and by
 * the destination before it takes a batch and before each object: each with its own facts, neither on the other's word.
 */

import type { BucketName, InstructionId, RegionId, TenantId } from '../core/ids.ts'
import { isoTime } from '../core/time.ts'
import type { Authorized, Refusal, RuleId } from './authorized.ts'
import { mint, noObligations } from './mint.ts'
import { type PackVerdict, toldStop } from './packs/verdict.ts'

export interface TransferTerms {
  readonly id: InstructionId
  readonly tenant: TenantId
  readonly from: { readonly region: RegionId; readonly bucket: BucketName }
  readonly to: { readonly region: RegionId; readonly bucket: BucketName }
  readonly prefix: string
  readonly limits: { readonly objects: number | null; readonly bytes: number | null }
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
}

/** What this end knows of the instruction from its own books. */
export interface Standing {
  /** Distinct approvers of the tenant's set whose approvals verify. */
  readonly approvals: number
  readonly quorum: number
  /** False: all who approved is whoever drafted it, and the tenant's rules want another. */
  readonly separate: boolean
  readonly rejected: boolean
  readonly revoked: boolean
  /** It has ended here already: nothing is run twice. */
  readonly ended: boolean
}

export interface TransferFacts {
  readonly end: {
    readonly role: 'source' | 'destination'
    readonly region: RegionId
    readonly peer: RegionId
  }
  /** Buckets as this end has them; `null` for the other end's. */
  readonly bucket: {
    readonly name: BucketName
    readonly tenant: TenantId
    /** Where its bytes may rest; left out: wherever an approved transfer brings them. */
    readonly residency?: readonly RegionId[]
  } | null
  readonly standing: Standing
  /** Moved so far under this instruction, as this end counts. */
  readonly moved: { readonly objects: number; readonly bytes: number }
  /** `delete`: a move's source is about to remove what has arrived. That was ordered, and the bytes sent, in time. */
  readonly phase: 'send' | 'delete'
  /** What the packs of this end say of it, between the two countries, now. */
  readonly law: PackVerdict
  /** Why the tenant's own policy refuses it; `null`: it does not, or there is none. */
  readonly ownPolicy: string | null
  readonly nowUnixMs: number
}

export interface TransferStep {
  readonly action: 'transfer'
  readonly terms: TransferTerms
  /** What would move next; empty when it is only asked whether the instruction stands. */
  readonly objects: readonly { readonly key: string; readonly ciphertextBytes: number }[]
}

export function decideTransfer(step: TransferStep, facts: TransferFacts): Authorized<TransferStep> | Refusal {
  const refusal =
    refuseStanding(step.terms, facts) ??
    refusePlace(step.terms, facts) ??
    refuseLaw(facts) ??
    refuseOwnPolicy(facts) ??
    refuseObjects(step, facts)
  return refusal ?? mint(step, noObligations)
}

/** Whether an instruction of any kind stands now. */
export function refuseStanding(
  terms: Pick<TransferTerms, 'id' | 'notBeforeUnixMs' | 'expiresUnixMs'>,
  { standing, phase, nowUnixMs }: Pick<TransferFacts, 'standing' | 'phase' | 'nowUnixMs'>,
): Refusal | null {
  if (standing.revoked)
    return refuse('instruction-revoked', 'The instruction was revoked; a revocation cannot be taken back.')
  if (standing.rejected) return refuse('instruction-not-approved', 'The instruction was rejected.')
  if (phase === 'send' && nowUnixMs >= terms.expiresUnixMs)
    return refuse('instruction-expired', `The instruction expired at ${isoTime(terms.expiresUnixMs)}.`)
  if (nowUnixMs < terms.notBeforeUnixMs) {
    return refuse(
      'instruction-not-yet-valid',
      `The instruction is valid from ${isoTime(terms.notBeforeUnixMs)} on.`,
    )
  }
  if (standing.approvals < standing.quorum) {
    return refuse(
      'instruction-not-approved',
      `${standing.approvals} of the ${standing.quorum} approvals that the tenant asks for are there: holdfast approve ${terms.id} --key …`,
    )
  }
  if (!standing.separate) {
    return refuse(
      'duties-not-separate',
      'Nobody has approved it but who drafted it, and the tenant’s rules want another.',
    )
  }
  if (standing.ended)
    return refuse('transfer-needs-an-instruction', 'The instruction has ended; it takes a new one.')
  return null
}

function refusePlace(terms: TransferTerms, { end, bucket }: TransferFacts): Refusal | null {
  const [here, there] = end.role === 'source' ? [terms.from, terms.to] : [terms.to, terms.from]
  if (here.region !== end.region || there.region !== end.peer) {
    return refuse(
      'instruction-out-of-scope',
      `The instruction is from ${terms.from.region} to ${terms.to.region}, not between these two.`,
    )
  }
  if (bucket === null || bucket.name !== here.bucket || bucket.tenant !== terms.tenant) {
    return refuse('instruction-out-of-scope', `The tenant has no bucket ${here.bucket} in ${here.region}.`)
  }
  if (
    end.role === 'source' &&
    bucket.residency !== undefined &&
    !bucket.residency.includes(terms.to.region)
  ) {
    return refuse(
      'residency-refuses',
      `Bytes of ${here.bucket} may rest in ${bucket.residency.join(', ')} only: holdfast instruct residency --bucket ${here.bucket} …`,
    )
  }
  return null
}

/** `null`: the packs allow it. */
export function refuseByLaw(law: PackVerdict): Refusal | null {
  if (law.outcome === 'allowed') return null
  return refuse(law.outcome === 'refused' ? 'law-refuses' : 'law-needs-review', toldStop(law))
}

/** What was sent in time is deleted in time, whatever has come into force since. */
function refuseLaw({ law, phase }: TransferFacts): Refusal | null {
  return phase === 'send' ? refuseByLaw(law) : null
}

function refuseOwnPolicy({ ownPolicy, phase }: TransferFacts): Refusal | null {
  if (phase !== 'send' || ownPolicy === null) return null
  return refuse('tenant-policy-refuses', ownPolicy)
}

function refuseObjects({ terms, objects }: TransferStep, { moved }: TransferFacts): Refusal | null {
  let { objects: count, bytes } = moved
  for (const object of objects) {
    if (!object.key.startsWith(terms.prefix)) {
      return refuse('instruction-out-of-scope', `“${object.key}” does not start with “${terms.prefix}”.`)
    }
    count++
    bytes += object.ciphertextBytes
  }
  const { limits } = terms
  if (limits.objects !== null && count > limits.objects) {
    return refuse(
      'instruction-over-limit',
      `${count} objects are more than the ${limits.objects} that the instruction allows.`,
    )
  }
  if (limits.bytes !== null && bytes > limits.bytes) {
    return refuse(
      'instruction-over-limit',
      `${bytes} bytes are more than the ${limits.bytes} that the instruction allows.`,
    )
  }
  return null
}

function refuse(rule: RuleId, message: string): Refusal {
  return { refused: true, rule, message }
}
