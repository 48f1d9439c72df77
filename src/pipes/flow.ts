import { isoTime } from '../core/time.ts'
import type { TrafficSums } from '../flows/attribute/attribute.ts'
import type { Observed } from '../flows/attribute/observed.ts'
import type { ListedServer } from '../flows/attribute/server-list.ts'
import type { CsvMapping } from '../flows/decode/csv-mapping.ts'
import { type AbroadStore, openAbroadStore } from '../flows/engine/abroad-store.ts'
import type { DuckOptions } from '../flows/engine/duck.ts'
import { type FlowSource, readFlows } from '../flows/engine/read-flows.ts'
import { type DirectorySources, openDirectory } from '../flows/locate/directory.ts'
import { type Book, distinctEntries } from '../flows/reconcile/books.ts'
import { estimateOffsets } from '../flows/reconcile/clock.ts'
import type { QuorumCheck } from '../flows/reconcile/instructions.ts'
import { createReconciler, type Reconciled, type Reconciler } from '../flows/reconcile/reconcile.ts'
import { addressPair, readWords } from '../flows/reconcile/words.ts'
import { createEvidence, type Evidence } from '../flows/report/bundle.ts'
import { coverageOf } from '../flows/report/coverage.ts'
import { relayBytes } from '../flows/report/findings.ts'
import { method } from '../flows/report/method.ts'
import type { AuditReport, Inputs, ServerReport } from '../flows/report/report-types.ts'
import { createGrades, createServerTally } from '../flows/report/server-tally.ts'
import { serverReport, worstFirst } from '../flows/report/servers.ts'
import { verdictOf } from '../flows/report/verdict.ts'

export type AuditSources = {
  readonly flows: readonly FlowSource[]
  /** How tables of one's own are to be read. */
  readonly mapping?: CsvMapping | null
  readonly directory: DirectorySources
  /** Verified statements; none is an audit that attributes and explains nothing. */
  readonly books: readonly Book[]
  readonly hasQuorum: QuorumCheck
  /** Named in the report beside the flows. */
  readonly inputs: Omit<Inputs, 'flows'>
  readonly engine: DuckOptions
  readonly nowUnixMs: number
  readonly onProgress: (input: string, records: number) => void
}

export type Audit = { readonly report: AuditReport; readonly evidence: Evidence }

/**
 * The life of a flow: read → attribute → reconcile → finding → report. Throws `bad-input` for an input that is in no
 * format we read; what is damaged within one is counted in the report.
 */
export async function auditFlows(sources: AuditSources): Promise<Audit> {
  const directory = openDirectory(sources.directory)
  const { list, book } = directory
  await using store = await openAbroadStore(sources.engine)

  // Read, and attribute as it comes: whose bytes, from which country to which. Only what leaves is kept row by row.
  const plan = {
    directory: sources.directory,
    mapping: sources.mapping ?? null,
    engine: sources.engine,
  }
  const { inputs: flows, attributed } = await readFlows(
    sources.flows,
    directory,
    plan,
    store.rows,
    sources.onProgress,
  )
  const { traffic, observers, databases } = attributed
  store.flush()

  // Reconcile: which of the bytes that left do the books account for, and on whose order?
  const entries = distinctEntries(sources.books)
  const words = readWords(entries)
  const offsets = await estimateOffsets(store.seenTimes(words.byTuple.keys()), words)
  const reconciler = createReconciler(entries, words, offsets, sources.hasQuorum)

  // Find: what is to be said of each server.
  const names = (id: number) => observers.get(id) ?? id.toString(36)
  const connections = store.connections(list.servers, book, names)
  const found = await findings(
    connections,
    reconciler,
    traffic,
    await store.outsiders(relayBytes),
    list.servers,
  )
  const enteredNotSeen = reconciler.notSeen((srcAddr, dstAddr, unixMs) => {
    const server = book.serverAt(book.find(srcAddr), unixMs)
    const { basis, country } = book.placeAt(book.find(dstAddr), unixMs)
    return server >= 0 && basis !== 'local' && country !== list.servers[server]!.home
  })
  const coverage = coverageOf({
    ...{ flows, list, traffic, enteredNotSeen, offsets },
    ...{ duplicateBytes: found.duplicateBytes, repeats: found.repeats, isSampled: found.isSampled },
    unreadableEntries: words.unreadable,
  })

  // Report: the verdict first, and everything that someone else needs to come to the same one.
  const { servers, totals, evidence } = found
  const report: AuditReport = {
    format: 'holdfast/audit/v1',
    generated: isoTime(sources.nowUnixMs),
    verdict: verdictOf(totals, servers, coverage, sources.books.length > 0),
    totals,
    servers,
    coverage,
    inputs: { flows, ...sources.inputs },
    databases,
    method,
  }
  return { report, evidence }
}

/** Server by server, pair by pair: nothing of what is settled is kept but sums and the largest connections. */
async function findings(
  connections: ReturnType<AbroadStore['connections']>,
  reconciler: Reconciler,
  traffic: TrafficSums,
  outsiders: Awaited<ReturnType<AbroadStore['outsiders']>>,
  list: readonly ListedServer[],
) {
  const totals = createGrades()
  const evidence = createEvidence()
  const relays = Map.groupBy(outsiders, ({ number }) => number)
  const servers: ServerReport[] = []
  const all = { duplicateBytes: 0, repeats: 0, isSampled: false }
  let tally = createServerTally()
  let current = 0

  const close = (): void => {
    if (traffic.records[current]! > 0) {
      const sums = tally.sums()
      totals.addAll(sums)
      all.duplicateBytes += sums.duplicateBytes
      all.repeats += sums.repeats
      all.isSampled ||= sums.isSampled
      const ofServer = relays.get(current) ?? []
      servers.push(serverReport(list[current]!, traffic.domesticBytes[current]!, tally, ofServer))
    }
    current += 1
    tally = createServerTally()
  }
  const take = (connection: Reconciled): void => {
    tally.add(connection)
    evidence.add(connection)
  }
  // What one pair's books could be is shared out among all of its connections, so those are settled together.
  let pair = ''
  let waiting: Observed[] = []
  const settlePair = (): void => {
    for (const connection of reconciler.settle(waiting)) take(connection)
    waiting = []
  }
  for await (const batch of connections) {
    for (const { number, observed } of batch) {
      const its = addressPair(observed.srcAddr, observed.dstAddr)
      if (its !== pair || number !== current) settlePair()
      while (current < number) close()
      pair = its
      if (reconciler.pairs.has(its)) waiting.push(observed)
      else take(reconciler.settleUnspoken(observed))
    }
  }
  settlePair()
  while (current < list.length) close()
  return { servers: servers.sort(worstFirst), totals: totals.sums(), evidence: evidence.rows(), ...all }
}
