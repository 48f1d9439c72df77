import { z } from 'zod'
import type { EntryId, RegionId } from '../../core/ids.ts'
import type { EraseTerms } from '../../policy/decide-erase.ts'
import { common, entryId, region } from '../fields.ts'
import type { InstructionTerms } from '../terms.ts'

/** So many entries one erasure may name: instruction and erasure stand in an entry each, which is a mebibyte at most. */
export const maxErasedEntries = 4000

/** Payload and salt of these entries go, for good. */
export interface EraseInstruction extends EraseTerms, InstructionTerms {
  readonly kind: 'erase'
}

export const eraseSchema = z.strictObject({
  ...common,
  kind: z.literal('erase'),
  region,
  scope: z.strictObject({
    entries: z
      .array(z.tuple([z.int().min(0), entryId]))
      .min(1)
      .max(maxErasedEntries),
  }),
})

export function readErase(
  { kind, region, scope: { entries } }: z.infer<typeof eraseSchema>,
  terms: InstructionTerms,
): EraseInstruction | string {
  if (entries.some(([seq], at) => at > 0 && seq <= entries[at - 1]![0]))
    return 'the sequence numbers of its scope do not ascend'
  return {
    ...terms,
    kind,
    region: region as RegionId,
    entries: entries as unknown as readonly (readonly [number, EntryId])[],
  }
}
