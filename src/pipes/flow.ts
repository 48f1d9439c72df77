import type { CountryCode } from '../core/ids.ts'
import { isoTime } from '../core/time.ts'
import { createAttribution } from '../flows/attribute/attribute.ts'
import { type ReadInput, readInput } from '../flows/decode/read-input.ts'
import type { Inventory } from '../flows/locate/inventory.ts'
import type { Locator } from '../flows/locate/locate.ts'
import type { Book } from '../flows/reconcile/books.ts'
import type { QuorumCheck } from '../flows/reconcile/instructions.ts'
import { type Reconciled, reconcile } from '../flows/reconcile/reconcile.ts'
import { coverageOf } from '../flows/report/coverage.ts'
import { method } from '../flows/report/method.ts'
import type { AuditReport, Inputs } from '../flows/report/report-types.ts'
import { serverReports, sumGrades } from '../flows/report/servers.ts'
import { verdictOf } from '../flows/report/verdict.ts'

export type AuditSources = {
  readonly flows: readonly { readonly name: string; readonly open: () => AsyncIterable<Uint8Array> }[]
  readonly inventory: Inventory
  readonly locator: Locator
  /** Country of the servers whose inventory row names none. */
  readonly home: CountryCode | null
  /** Verified statements; none is an audit that attributes and explains nothing. */
  readonly books: readonly Book[]
  readonly hasQuorum: QuorumCheck
  /** Named in the report beside the flows. */
  readonly inputs: Omit<Inputs, 'flows'>
  readonly nowUnixMs: number
  readonly onProgress: (input: string, records: number) => void
}

export type Audit = { readonly report: AuditReport; readonly connections: readonly Reconciled[] }

/**
 * The life of a flow: read → attribute → reconcile → finding → report. Throws `bad-input` for an input that is in no
 * format we read; what is damaged within one is counted in the report.
 */
export async function auditFlows(sources: AuditSources): Promise<Audit> {
  // Read, and attribute as it comes: whose bytes, from which country to which. Only what leaves is kept one by one.
  const attribution = createAttribution(sources)
  const flows: ReadInput[] = []
  for (const { name, open } of sources.flows) {
    const reading = readInput(name, open())
    let records = 0
    let step = await reading.next()
    while (step.done !== true) {
      attribution.add(step.value)
      records += step.value.length
      sources.onProgress(name, records)
      step = await reading.next()
    }
    flows.push(step.value)
  }

  // Reconcile: which of the bytes that left do the books account for, and on whose order?
  const observed = [...attribution.observed()]
  const reconciliation = reconcile(observed, sources.books, sources.hasQuorum, attribution.leaves)
  const { connections } = reconciliation

  // Find: what is to be said of each server.
  const servers = serverReports(attribution.servers(), connections)
  const coverage = coverageOf(flows, attribution, sources.inventory, reconciliation)
  const totals = sumGrades(connections)

  // Report: the verdict first, and everything that someone else needs to come to the same one.
  const report: AuditReport = {
    format: 'holdfast/audit/v1',
    generated: isoTime(sources.nowUnixMs),
    verdict: verdictOf(totals, servers, coverage, sources.books.length > 0),
    totals,
    servers,
    coverage,
    inputs: { flows, ...sources.inputs },
    databases: sources.locator.databases(),
    method,
  }
  return { report, connections }
}
