import { type FaultKind, faultKinds } from './faulty-disk.ts'
import { createChance } from './random.ts'
import type { TransferPlan } from './transfer-run.ts'

/** What a seed stands for: how much, which way, and what goes wrong when. */
export function planOf(
  seed: number,
  { mode, calm = false }: { readonly mode?: 'copy' | 'move'; readonly calm?: boolean } = {},
): TransferPlan {
  const chance = createChance(seed ^ 0x5eed)
  const some = (most: number, below: number): ReadonlyMap<number, FaultKind> =>
    new Map(
      Array.from({ length: chance.below(most + 1) }, () => [
        chance.below(below),
        faultKinds[chance.below(faultKinds.length)]!,
      ]),
    )
  const objects = 1 + chance.below(6)
  const chosen = mode ?? (chance.below(2) === 0 ? 'copy' : 'move')
  const none = new Map<number, FaultKind>()
  if (calm)
    return {
      ...{ seed, mode: chosen, objects: 3, badCalls: 0, revokeAt: null, clientsAt: [] },
      faults: { 'in-mumbai': none, 'de-frankfurt': none },
    }
  return {
    seed,
    mode: chosen,
    objects,
    faults: { 'in-mumbai': some(6, 90), 'de-frankfurt': some(6, 70) },
    badCalls: chance.below(3) === 0 ? 0 : chance.below(40),
    revokeAt: chance.below(4) === 0 ? chance.below(15) : null,
    clientsAt: chance.below(3) === 0 ? [chance.below(8), chance.below(15)] : [],
  }
}
