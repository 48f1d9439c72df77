import type { ServerReport } from './report-types.ts'

/** The worst first. */
export function worstFirst(a: ServerReport, b: ServerReport): number {
  return (
    Number(a.innocence.isInnocent) - Number(b.innocence.isInnocent) ||
    b.unexplained - a.unexplained ||
    b.disputed - a.disputed ||
    b.bytesAbroad - a.bytesAbroad ||
    (a.server < b.server ? -1 : 1)
  )
}
