/** The keys of a log over time, as `/log/<region>/keys` tells them (`docs/formats/ledger.md`, "Keys of the log"). */
import { z } from 'zod'

const historySchema = z.strictObject({
  format: z.literal('holdfast/log-keys/v1'),
  vkey: z.string(),
  rotations: z.array(z.string()),
})

export interface KnownKeys {
  readonly vkey: string
  readonly rotations: readonly string[]
}

export const notTold = 'does not tell the keys of its log'

/**
 * All rotations that it tells since the known vkey, if they begin with those that are known; a log that tells less, or
 * another past, is refused, in words. That each is signed for is for `followRotations` to check.
 */
export function newerRotations(known: KnownKeys, answer: unknown): readonly string[] | string {
  const told = historySchema.safeParse(answer)
  if (!told.success) return notTold
  const { vkey, rotations } = told.data
  // Trusted since after the first key: then what is known is one of the keys that came later.
  const start = vkey === known.vkey ? 0 : rotations.findIndex(note => note.split('\n')[2] === known.vkey) + 1
  const later = rotations.slice(start)
  const isKnownPast = start > 0 || vkey === known.vkey
  return isKnownPast && known.rotations.every((note, at) => later[at] === note)
    ? later
    : 'tells other keys of its log than those that are trusted'
}
