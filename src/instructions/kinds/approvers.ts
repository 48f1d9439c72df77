import { z } from 'zod'
import { type ApproversChange, readApproversChange } from '../../verify/approver-set.ts'
import { common, sha256 } from '../fields.ts'
import type { InstructionTerms } from '../terms.ts'

/** Other people may sign from then on. It is every region's: each carries it out by itself, 72 hours after its quorum. */
export interface ApproversInstruction extends InstructionTerms {
  readonly kind: 'approvers'
  readonly change: ApproversChange
}

export const approversSchema = z.strictObject({
  ...common,
  after: sha256,
  by: z.enum(['approvers', 'recovery']),
  kind: z.literal('approvers'),
  number: z.int().min(1),
  /** Read by the verifier's own parser: what a region takes for a set and what an auditor does must be one. */
  set: z.unknown(),
})

export function readApprovers(
  data: z.infer<typeof approversSchema>,
  terms: InstructionTerms,
): ApproversInstruction | string {
  const change = readApproversChange(data)
  return typeof change === 'string' ? change : { ...terms, kind: data.kind, change }
}
