/** Carries out an instruction that has one end: decided and done in one transaction, or ended with the reason. */
import type { InstructionId, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Refusal } from '../policy/authorized.ts'
import type { CatalogBatch } from '../store/catalog.ts'
import type { InstructionBook, KnownInstruction } from './instruction-book.ts'

/** A refusal, or what is done along with the end, and to how many things. */
export type Attempt = Refusal | { readonly batch: CatalogBatch; readonly objects: number }

export interface RunDeps {
  readonly region: { readonly id: RegionId; readonly book: InstructionBook }
  readonly log: Log
}

/**
 * Runs until the instruction has ended. `attempt` decides anew each time, from what is there then; `null`: it is not of
 * that kind.
 *
 * Crash points: what is done, its entry and the instruction's end are one transaction, conditional on the instruction's
 * row; started again at any point it finds everything to do or nothing.
 */
export async function runInRegion(
  { region, log }: RunDeps,
  id: InstructionId,
  attempt: (current: KnownInstruction) => Promise<Attempt | null>,
): Promise<void> {
  const { book } = region
  const tenant = (await book.find(id))?.row.tenant
  if (tenant === undefined) return
  for (;;) {
    // Asked before it is judged: what is entered in between is either seen by the judgement or makes the move fail.
    const still = await book.approvers.stillOf(tenant)
    const current = await book.find(id)
    const tried = current === null || current.standing.ended ? null : await attempt(current)
    if (current === null || tried === null) return
    const { kind } = current.instruction
    if ('refused' in tried) {
      const { rule, message } = tried
      const state =
        rule === 'instruction-expired' ? 'expired' : rule === 'instruction-revoked' ? 'revoked' : 'failed'
      if (await book.move(current, { state, reason: message })) {
        log('warn', `${kind}-ended`, { instruction: id, reason: message, region: region.id })
        return
      }
    } else if (current.row.state === 'approved') {
      await book.move(current, { state: 'running' })
    } else {
      const { batch, objects } = tried
      const also = { ...batch, checks: [...still, ...(batch.checks ?? [])] }
      if (await book.move(current, { state: 'completed', reason: null, objects }, also)) return
    }
  }
}
