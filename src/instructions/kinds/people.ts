/**
 * What lets a person see: `access`, for the provider's operator, and `disclose`, for somebody else. Both are short-lived
 * and say who, what and why; what is let through under them says so in its entries.
 */
import { z } from 'zod'
import type { BucketName, CountryCode, RegionId } from '../../core/ids.ts'
import { bucket, common, country, line, prefix, region } from '../fields.ts'
import type { InstructionTerms } from '../terms.ts'

/** What an operator may be let do, one by one. */
export const accessActions = ['catalog.read', 'configuration.read', 'object.list', 'object.read'] as const
export type AccessAction = (typeof accessActions)[number]

const maxAccessMs = 24 * 3600e3
const maxDisclosureMs = 30 * 86_400e3

export interface AccessInstruction extends InstructionTerms {
  readonly kind: 'access'
  readonly region: RegionId
  readonly bucket: BucketName
  readonly prefix: string
  readonly actions: readonly AccessAction[]
  /** Who of the operator's, by name or number, and from which country. */
  readonly operator: { readonly name: string; readonly country: CountryCode }
  /** The provider's own number for it. */
  readonly ticket: string
  readonly mechanism: string | null
}

export interface DiscloseInstruction extends InstructionTerms {
  readonly kind: 'disclose'
  readonly region: RegionId
  readonly bucket: BucketName
  readonly prefix: string
  readonly form: 'ciphertext' | 'plaintext'
  readonly recipient: { readonly name: string; readonly country: CountryCode }
  /** The order, statute or consent on which it rests. */
  readonly basis: string
  /** `null`: it belongs to none. */
  readonly case: string | null
  readonly limits: { readonly bytes: number; readonly objects: number }
  readonly mechanism: string | null
}

export const accessSchema = z.strictObject({
  ...common,
  actions: z.array(z.enum(accessActions)).min(1).max(accessActions.length),
  bucket,
  kind: z.literal('access'),
  mechanism: line(300).optional(),
  operator: z.strictObject({ country, name: line(200) }),
  region,
  scope: z.strictObject({ prefix }),
  ticket: line(200),
})

export const discloseSchema = z.strictObject({
  ...common,
  basis: line(1000),
  bucket,
  case: line(200).nullable(),
  form: z.enum(['ciphertext', 'plaintext']),
  kind: z.literal('disclose'),
  /** Never without: what is handed over cannot be taken back. */
  limits: z.strictObject({ bytes: z.int().min(0), objects: z.int().min(1) }),
  mechanism: line(300).optional(),
  recipient: z.strictObject({ country, name: line(200) }),
  region,
  scope: z.strictObject({ prefix }),
})

export function readAccess(
  data: z.infer<typeof accessSchema>,
  terms: InstructionTerms,
): AccessInstruction | string {
  if (terms.expiresUnixMs - terms.notBeforeUnixMs > maxAccessMs) return 'access is for 24 hours at most'
  const { actions } = data
  if (actions.some((action, at) => at > 0 && action <= actions[at - 1]!)) return 'its actions do not ascend'
  return {
    ...terms,
    kind: data.kind,
    region: data.region as RegionId,
    bucket: data.bucket as BucketName,
    prefix: data.scope.prefix,
    actions,
    operator: data.operator as { name: string; country: CountryCode },
    ticket: data.ticket,
    mechanism: data.mechanism ?? null,
  }
}

export function readDisclose(
  data: z.infer<typeof discloseSchema>,
  terms: InstructionTerms,
): DiscloseInstruction | string {
  if (terms.expiresUnixMs - terms.notBeforeUnixMs > maxDisclosureMs)
    return 'a disclosure is made within 30 days'
  return {
    ...terms,
    kind: data.kind,
    region: data.region as RegionId,
    bucket: data.bucket as BucketName,
    prefix: data.scope.prefix,
    form: data.form,
    recipient: data.recipient as { name: string; country: CountryCode },
    basis: data.basis,
    case: data.case,
    limits: data.limits,
    mechanism: data.mechanism ?? null,
  }
}
