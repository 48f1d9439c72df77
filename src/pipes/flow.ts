import { isoTime } from '../core/time.ts'
import type { TrafficSums } from '../flows/attribute/attribute.ts'
import type { CsvMapping } from '../flows/decode/csv-mapping.ts'
import type { ReadInput } from '../flows/decode/read-input.ts'
import type { ExpectedMarks } from '../flows/detect/expected.ts'
import { defaultLimits, type InnocenceLimits } from '../flows/detect/innocence.ts'
import { type AbroadStore, openAbroadStore, type StoredConnection } from '../flows/engine/abroad-store.ts'
import type { DuckOptions } from '../flows/engine/duck.ts'
import { type FlowSource, readFlows } from '../flows/engine/read-flows.ts'
import { type Directory, type DirectorySources, openDirectory } from '../flows/locate/directory.ts'
import { createNamer, type Namer } from '../flows/names/namer.ts'
import type { ServiceLists } from '../flows/names/service-list.ts'
import { type Book, distinctEntries } from '../flows/reconcile/books.ts'
import type { Canaries } from '../flows/reconcile/canary.ts'
import { estimateOffsets } from '../flows/reconcile/clock.ts'
import { readCovers } from '../flows/reconcile/covers.ts'
import { enteredFiles } from '../flows/reconcile/entered-files.ts'
import type { SignedOrders } from '../flows/reconcile/instructions.ts'
import { joinLegs } from '../flows/reconcile/join-legs.ts'
import { createReconciler, type Reconciled, type Reconciler } from '../flows/reconcile/reconcile.ts'
import { addressPair, readWords } from '../flows/reconcile/words.ts'
import { createEvidence, type Evidence } from '../flows/report/bundle.ts'
import { compareReports, type EarlierReport } from '../flows/report/compare.ts'
import { coverageOf } from '../flows/report/coverage.ts'
import { relayBytes } from '../flows/report/findings.ts'
import { method } from '../flows/report/method.ts'
import type { AuditReport, Inputs, ServerReport } from '../flows/report/report-types.ts'
import { createServerJudge, type ServerJudge } from '../flows/report/server-judge.ts'
import { createGrades } from '../flows/report/server-tally.ts'
import { createServices } from '../flows/report/services.ts'
import { verdictOf } from '../flows/report/verdict.ts'
import { worstFirst } from '../flows/report/worst-first.ts'

export type AuditSources = {
  readonly flows: readonly FlowSource[]
  /** What collectors say of their folders: inputs without flows, named in the report beside the others. */
  readonly accounts?: readonly ReadInput[]
  /** How tables of one's own are to be read. */
  readonly mapping?: CsvMapping | null
  readonly directory: DirectorySources
  /** Verified statements; none is an audit that attributes and explains nothing. */
  readonly books: readonly Book[]
  readonly orders: SignedOrders
  /** Named in the report beside the flows. */
  readonly inputs: Omit<Inputs, 'flows' | 'entered'>
  readonly engine: DuckOptions
  /** What passes for innocent, where it is not what is stated for everybody. */
  readonly limits?: InnocenceLimits
  /** Marks of what is expected. */
  readonly expected?: ExpectedMarks | null
  /** Reads that were made from abroad on purpose. */
  readonly canaries?: Canaries | null
  /** Which service a domain belongs to. */
  readonly services?: ServiceLists | null
  /** The report of an earlier period, to say what changed. */
  readonly earlier?: EarlierReport | null
  readonly nowUnixMs: number
  readonly onProgress: (input: string, records: number) => void
}

export type Audit = { readonly report: AuditReport; readonly evidence: Evidence }

/**
 * The life of a flow: read → attribute → reconcile → finding → report. Throws `bad-input` for an input that is in no
 * format we read and `conflict` for one that is gone; what is damaged within one is counted in the report.
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
  const { inputs, attributed } = await readFlows(
    sources.flows,
    directory,
    plan,
    store.rows,
    sources.onProgress,
  )
  const flows = [...inputs, ...(sources.accounts ?? [])]
  const { traffic, observers, databases } = attributed
  store.flush()

  // Reconcile: which of the bytes that left do the books account for, and on whose order?
  const entries = distinctEntries(sources.books)
  const translators = [...list.servers.keys()].filter(number => list.servers[number]!.isTranslator)
  const words = joinLegs(readWords(entries), (address, unixMs) => {
    const number = translators.length === 0 ? -1 : book.serverAt(book.find(address), unixMs)
    return number >= 0 && list.servers[number]!.isTranslator
  })
  const offsets = await estimateOffsets(
    store.seenTimes([...words.byTuple.keys(), ...words.aliases.keys()]),
    words,
  )
  const covers = translators.length === 0 ? null : await readCovers(store.behind(translators))
  const reconciler = createReconciler(entries, words, offsets, sources.orders, covers)

  // Find: what is to be said of each server.
  const names = (id: number) => observers.get(id) ?? id.toString(36)
  const judge = createServerJudge({
    ...periodOf(flows),
    limits: sources.limits ?? defaultLimits,
    expected: sources.expected ?? null,
    nowUnixMs: sources.nowUnixMs,
  })
  const found = await judgeServers(store, directory, reconciler, judge, traffic, {
    observerName: names,
    canaries: sources.canaries ?? null,
    namer: createNamer(attributed.names, sources.services ?? null),
  })
  const enteredNotSeen = reconciler.notSeen((srcAddr, dstAddr, unixMs) => {
    const server = book.serverAt(book.find(srcAddr), unixMs)
    const { basis, country } = book.placeAt(book.find(dstAddr), unixMs)
    return server >= 0 && basis !== 'local' && country !== list.servers[server]!.home
  })
  const coverage = coverageOf({
    ...{ flows, list, traffic, enteredNotSeen, offsets },
    ...{ duplicateBytes: found.duplicateBytes, repeats: found.repeats, isSampled: found.isSampled },
    unreadableEntries: words.unreadable,
    canaries: sources.canaries?.report() ?? null,
  })

  // Report: the verdict first, and everything that someone else needs to come to the same one.
  const { servers, totals, evidence } = found
  const report: AuditReport = {
    format: 'holdfast/audit/v1',
    generated: isoTime(sources.nowUnixMs),
    verdict: verdictOf(totals, servers, coverage, sources.books.length > 0),
    totals,
    servers,
    services: found.services?.report(attributed.names) ?? null,
    coverage,
    inputs: { flows, ...sources.inputs, entered: enteredFiles(entries, filesOf(flows, sources.inputs)) },
    databases,
    method,
    comparison: sources.earlier == null ? null : compareReports({ coverage, servers }, sources.earlier),
  }
  return { report, evidence }
}

function filesOf(flows: readonly ReadInput[], inputs: AuditSources['inputs']) {
  const { inventory, places, ranges, expected, canaries, services, mapping } = inputs
  return [...flows, inventory, places, ...ranges, expected, canaries, ...services, mapping].filter(
    file => file !== null,
  )
}

/** The records' time; without records, no time at all. */
function periodOf(flows: readonly ReadInput[]) {
  const from = Math.min(...flows.map(({ fromUnixMs }) => fromUnixMs ?? Number.POSITIVE_INFINITY))
  const until = Math.max(...flows.map(({ untilUnixMs }) => untilUnixMs ?? Number.NEGATIVE_INFINITY))
  return from <= until
    ? { periodFromUnixMs: from, periodUntilUnixMs: until }
    : { periodFromUnixMs: 0, periodUntilUnixMs: 0 }
}

/** Server by server, pair by pair: nothing of what is settled is kept but sums and the largest connections. */
async function judgeServers(
  store: AbroadStore,
  { list, book }: Directory,
  reconciler: Reconciler,
  judge: ServerJudge,
  traffic: TrafficSums,
  {
    observerName,
    canaries,
    namer,
  }: { observerName: (id: number) => string; canaries: Canaries | null; namer: Namer | null },
) {
  const totals = createGrades()
  const evidence = createEvidence()
  const services = namer === null ? null : createServices()
  const relays = Map.groupBy(await store.outsiders(relayBytes), ({ number }) => number)
  await using domestic = store.domesticHours()
  const servers: ServerReport[] = []
  const all = { duplicateBytes: 0, repeats: 0, isSampled: false }
  let current = 0
  let server = judge.begin(list.servers[current]!)

  const close = async (): Promise<void> => {
    if (traffic.records[current]! > 0) {
      const hours = judge.hours()
      await domestic.of(current, hours.add)
      const ofServer = relays.get(current) ?? []
      const { report, sums } = server.finish(traffic.domesticBytes[current]!, hours.bytes, ofServer)
      servers.push(report)
      totals.addAll(sums)
      all.duplicateBytes += sums.duplicateBytes
      all.repeats += sums.repeats
      all.isSampled ||= sums.isSampled
    }
    current += 1
    if (current < list.servers.length) server = judge.begin(list.servers[current]!)
  }
  const take = (connection: Reconciled, receivedBytes: number | null): void => {
    const named = namer?.(current, socketOf(connection)) ?? null
    server.add(connection, receivedBytes, named)
    evidence.add(connection, named)
    if (named !== null) services?.add(list.servers[current]!, connection, named)
    canaries?.see(connection)
  }
  // What one pair's books could be is shared out among all of its connections, so those are settled together.
  let pair = ''
  let waiting: StoredConnection[] = []
  const settlePair = (): void => {
    const settled = reconciler.settle(waiting.map(({ observed }) => observed))
    for (const [i, connection] of settled.entries()) take(connection, waiting[i]!.receivedBytes)
    waiting = []
  }
  for await (const batch of store.connections(list.servers, book, observerName)) {
    for (const connection of batch) {
      const { number, observed } = connection
      const its = addressPair(observed.srcAddr, observed.dstAddr)
      if (waiting.length > 0 && (its !== pair || number !== current)) settlePair()
      while (current < number) await close()
      pair = its
      if (reconciler.pairs.has(its)) waiting.push(connection)
      else take(reconciler.settleUnspoken(observed), connection.receivedBytes)
    }
  }
  settlePair()
  while (current < list.servers.length) await close()
  return {
    servers: servers.sort(worstFirst),
    totals: totals.sums(),
    evidence: evidence.rows(),
    services,
    ...all,
  }
}

function socketOf({ observed, fromUnixMs, untilUnixMs }: Reconciled) {
  const { protocol, srcPort, dstAddr, dstPort } = observed
  return { protocol, srcPort, dstAddr, dstPort, fromUnixMs, untilUnixMs }
}
