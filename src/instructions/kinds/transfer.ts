/** `transfer` moves or copies what is there; `standing-transfer` copies what comes as well, until it expires. */
import { z } from 'zod'
import type { BucketName, RegionId } from '../../core/ids.ts'
import type { TransferTerms } from '../../policy/decide-transfer.ts'
import { common, end, limit, prefix, sha256 } from '../fields.ts'
import type { InstructionTerms } from '../terms.ts'

export interface TransferInstruction extends TransferTerms, InstructionTerms {
  readonly kind: 'transfer' | 'standing-transfer'
  readonly mode: 'copy' | 'move'
  readonly mechanism: string | null
  /** Of each key the newest version, or all with their delete markers. */
  readonly versions: 'current' | 'all'
  /** Hex SHA-256 of the list that a dry run showed: exactly that goes. `null`: what is there when it runs. */
  readonly list: string | null
}

const shared = {
  ...common,
  from: end,
  limits: z.strictObject({ bytes: limit, objects: limit }),
  mechanism: z.string().min(1).max(300).nullable(),
  to: end,
}

export const transferSchema = z.strictObject({
  ...shared,
  kind: z.literal('transfer'),
  mode: z.enum(['copy', 'move']),
  scope: z.strictObject({
    list: sha256.optional(),
    prefix,
    versions: z.enum(['current', 'all']).optional(),
  }),
})

export const standingTransferSchema = z.strictObject({
  ...shared,
  kind: z.literal('standing-transfer'),
  scope: z.strictObject({ prefix }),
})

type Data = z.infer<typeof transferSchema> | z.infer<typeof standingTransferSchema>

export function readTransfer(data: Data, terms: InstructionTerms): TransferInstruction | string {
  if (data.from.region === data.to.region) return 'a transfer goes from one region to another'
  const { list = null, versions = 'current' } = data.kind === 'transfer' ? data.scope : {}
  return {
    ...terms,
    kind: data.kind,
    from: data.from as { region: RegionId; bucket: BucketName },
    to: data.to as { region: RegionId; bucket: BucketName },
    prefix: data.scope.prefix,
    limits: data.limits,
    mode: data.kind === 'transfer' ? data.mode : 'copy',
    mechanism: data.mechanism,
    versions,
    list,
  }
}
