/**
 * The end of an instruction that lets somebody see (`access`, `disclose`). Nothing is carried out here: it
 * stands while it is approved and its time has not run out.
 */
import type { CountryCode, InstructionId, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { refuseByLaw, refuseStanding } from '../policy/decide-transfer.ts'
import type { PackBook } from '../policy/packs/pack-book.ts'
import { findBucket } from '../store/buckets.ts'
import type { Catalog } from '../store/catalog.ts'
import type { InstructionBook } from './instruction-book.ts'
import { lawOfPermission } from './law-of-permission.ts'
import { askOfPermission } from './own-policy.ts'
import { runInRegion } from './run-in-region.ts'

export interface PermissionDeps {
  readonly region: {
    readonly id: RegionId
    readonly country: CountryCode
    readonly catalog: Catalog
    readonly book: InstructionBook
    readonly packs: Pick<PackBook, 'policies' | 'decide'>
    readonly lawfulNow: Clock
  }
  readonly log: Log
}

/** Enters that its time has run out, or that the law or the tenant's own policy forbids it by now; does nothing before. */
export function runPermission({ region, log }: PermissionDeps, id: InstructionId): Promise<void> {
  return runInRegion({ region, log }, id, async ({ instruction, standing, set }) => {
    if (instruction.kind !== 'access' && instruction.kind !== 'disclose') return null
    const nowUnixMs = region.lawfulNow()
    // Before its time nothing of it is refused for that.
    const isDue = nowUnixMs >= instruction.notBeforeUnixMs
    const refusal = isDue ? refuseStanding(instruction, { standing, phase: 'send', nowUnixMs }) : null
    if (refusal !== null) return refusal
    const bucket = (await findBucket(region.catalog, instruction.bucket))?.row
    if (bucket?.tenant !== instruction.tenant)
      return {
        ...{ refused: true, rule: 'instruction-out-of-scope' },
        message: `The tenant has no bucket ${instruction.bucket} in ${region.id}.`,
      }
    const { verdict } = lawOfPermission(region.packs, instruction, { ...region, bucket }, nowUnixMs)
    const unlawful = refuseByLaw(verdict)
    if (unlawful !== null) return unlawful
    const own = askOfPermission(region.packs.policies, set, instruction, { ...region, bucket }, nowUnixMs)
    return own === null ? null : { refused: true, rule: 'tenant-policy-refuses', message: own }
  })
}
