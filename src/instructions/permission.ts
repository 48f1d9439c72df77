/**
 * The end of an instruction that lets somebody see (`access`, `disclose`). Nothing is carried out here: it
 * stands while it is approved and its time has not run out.
 */
import type { InstructionId, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { refuseStanding } from '../policy/decide-transfer.ts'
import type { InstructionBook } from './instruction-book.ts'
import { runInRegion } from './run-in-region.ts'

export interface PermissionDeps {
  readonly region: { readonly id: RegionId; readonly book: InstructionBook; readonly lawfulNow: Clock }
  readonly log: Log
}

/** Enters that its time has run out; does nothing before. */
export function runPermission(deps: PermissionDeps, id: InstructionId): Promise<void> {
  return runInRegion(deps, id, async ({ instruction, standing }) => {
    if (instruction.kind !== 'access' && instruction.kind !== 'disclose') return null
    return refuseStanding(instruction, { standing, phase: 'send', nowUnixMs: deps.region.lawfulNow() })
  })
}
