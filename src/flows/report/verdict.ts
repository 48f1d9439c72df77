import { plural } from './findings.ts'
import type { Coverage, Grades, Verdict } from './report-types.ts'
import { humanBytes } from './units.ts'

/** The first sentence of the report. It says no more than the records carry. */
export function verdictOf(
  totals: Grades,
  servers: readonly Judged[],
  coverage: Coverage,
  hasStatements: boolean,
): Verdict {
  const gap = coverage.complete ? '' : ' Parts of the records are missing or could not be read; see coverage.'
  const of = `of ${humanBytes(totals.bytesAbroad)} that left the country`
  const { disputedAbroad } = totals
  const share = disputedAbroad === totals.disputed ? 'all' : humanBytes(disputedAbroad)
  const certain = disputedAbroad > 0 ? `, ${share} of it abroad whichever is right` : ''
  if (totals.unexplained > 0) {
    const doubt =
      totals.disputed > 0 ? ` Another ${humanBytes(totals.disputed)} went to places in doubt${certain}.` : ''
    const from = fromServers(servers)
    // Without books the audit has asked nobody for an explanation, and must not say that there is none.
    const text = hasStatements
      ? `${humanBytes(totals.unexplained)} ${of} went on nobody’s instruction, ${from}.`
      : `${humanBytes(totals.unexplained)} left the country, ${from}. No statement was given, so none of it is explained.`
    return { state: 'unexplained', text: `${text}${doubt}${gap}` }
  }
  if (totals.disputed > 0) {
    const text = `${humanBytes(totals.disputed)} of the ${humanBytes(totals.bytesAbroad)} that left the country, or may have, went to places in doubt${certain}; the rest is accounted for.${gap}`
    return { state: 'in-doubt', text }
  }
  // The books hold an order for it, by their own word, and it is none.
  const disobeying = servers
    .flatMap(({ findings }) => findings)
    .filter(({ kind }) => kind === 'not-approved')
    .reduce((sum, { bytes }) => sum + bytes, 0)
  if (disobeying > 0) {
    const text = `${humanBytes(disobeying)} ${of} were entered under instructions that do not hold; the rest is accounted for.${gap}`
    return { state: 'in-doubt', text }
  }
  if (totals.bytesAbroad > 0) {
    const split = `${humanBytes(totals.instructed)} instructed, ${humanBytes(totals.claimed)} claimed by a region alone`
    const text = `All of the ${humanBytes(totals.bytesAbroad)} that left the country is accounted for: ${split}.${gap}`
    return { state: 'accounted-for', text }
  }
  return { state: 'nothing-abroad', text: `These records show no byte that left the country.${gap}` }
}

type Judged = {
  readonly unexplained: number
  readonly innocence: { readonly isInnocent: boolean }
  readonly findings: readonly { readonly kind: string; readonly bytes: number }[]
}

/** Acknowledgements of what others sent, name look-ups, time: they are counted, and nobody is accused of them alone. */
function fromServers(servers: readonly Judged[]): string {
  const open = servers.filter(({ unexplained }) => unexplained > 0)
  const innocent = open.filter(({ innocence }) => innocence.isInnocent).length
  const named = open.length - innocent
  const little = 'no more than any server sends'
  if (named === 0) return `from ${plural(innocent, 'server')}, ${little}`
  return `from ${plural(named, 'server')}${innocent === 0 ? '' : ` (and ${little} from ${innocent} more)`}`
}
