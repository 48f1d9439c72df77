import { approversWaitMs } from '../verify/approver-set.ts'
import type { KnownInstruction } from './instruction-book.ts'

/** When the executor has something to do for an instruction that stands. */
export function dueUnixMs({ instruction, row }: KnownInstruction): number {
  const { notBeforeUnixMs, expiresUnixMs } = instruction
  switch (instruction.kind) {
    case 'approvers':
      // Cut off between approved and completed, it runs: its time had come.
      if (row.state !== 'approved') return notBeforeUnixMs
      return Math.max(notBeforeUnixMs, (row.sinceUnixMs ?? row.draftedUnixMs) + approversWaitMs)
    // They let something be done and do nothing themselves.
    case 'access':
    case 'disclose':
      return expiresUnixMs
    default:
      return notBeforeUnixMs
  }
}
