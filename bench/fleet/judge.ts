/** Holds a report against the truth. */
import type { AuditReport } from '../../src/flows/report/report-types.ts'
import type { Fleet } from './generate.ts'

export type Judgement = {
  readonly found: number
  readonly missed: readonly string[]
  readonly accused: readonly string[]
  /** Largest share by which a sender's unexplained or instructed bytes are off, of what it sent. */
  readonly worstSplit: number
  readonly worstSplitOf: string
}

export function judge(fleet: Fleet, report: AuditReport): Judgement {
  const named = new Map(report.servers.filter(isNamed).map(row => [row.server, row]))
  const missed: string[] = []
  let worstSplit = 0
  let worstSplitOf = ''
  for (const [server, truth] of fleet.truth) {
    const row = named.get(server)
    if (row === undefined) {
      missed.push(`${server} ${truth.way}`)
      continue
    }
    const sent = truth.instructedBytes + truth.unexplainedBytes
    const off = Math.abs(row.instructed - truth.instructedBytes) / sent
    if (off > worstSplit) {
      worstSplit = off
      worstSplitOf = `${server} ${truth.way}: ${row.instructed} instructed, ${truth.instructedBytes} in truth`
    }
  }
  const accused = [...named.keys()].filter(server => !fleet.truth.has(server))
  return {
    found: fleet.truth.size - missed.length,
    missed,
    accused: accused.slice(0, 20),
    worstSplit,
    worstSplitOf,
  }
}

/** Sent abroad on order, or sent abroad what nobody explains and is more than any server sends. */
function isNamed(row: AuditReport['servers'][number]): boolean {
  return row.instructed + row.claimed > 1_000_000 || !row.innocence.isInnocent
}
