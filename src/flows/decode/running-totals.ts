import { exporterOf } from './budget.ts'
import { OldestFirst } from './oldest-first.ts'

/** Flows whose totals are remembered. Room is taken from the exporter that has most of it. */
const maxFlows = 100_000
/** Few, for whenever room is short the exporter with most flows is looked for among them. */
const maxExporters = 1000
/** Flows that ended are remembered only until so many more did, for records of theirs that come twice or late. */
const maxEnded = 10_000
const maxForgotten = 100_000
const forgottenMs = 3_600_000

export type Total = { octets: number; packets: number; endUnixMs: number; hasEnded?: true }

/** What is new since the record before. */
export type Growth = {
  readonly octets: number
  readonly packets: number
  /** When the record before ended, so that this one's new bytes are not spread over the whole flow. */
  readonly sinceUnixMs: number | null
}

type ExporterTotals = {
  /** Updated longest ago first. */
  readonly flows: OldestFirst<Total>
  /** The newest update of a flow that was forgotten for want of room: what began before it may have been counted. */
  forgottenUntilUnixMs: number
}

/**
 * Turns totals (`octetTotalCount`), which an exporter repeats and lets grow for as long as a flow lives, into what is
 * new in each record. The flow's start is part of its name, so the next connection of the same ports starts anew.
 *
 * No total counts twice: where a flow may be one that was forgotten, its next record only says from where to go on.
 * Flows are named `domain|…`.
 */
export class RunningTotals {
  /** Heard of longest ago first. */
  readonly #exporters = new OldestFirst<ExporterTotals>()
  #flows = 0
  readonly #ended = new OldestFirst<Total>()
  /** Until when flows were forgotten of exporters that were forgotten themselves; of those not even here, the last. */
  readonly #forgotten = new OldestFirst<number>()
  #forgottenUntilUnixMs = Number.NEGATIVE_INFINITY

  restore(entries: Iterable<readonly [flow: string, total: Readonly<Total>]>): void {
    for (const [flow, total] of entries) {
      if (flow === forgottenMark) this.#forgottenUntilUnixMs = total.endUnixMs
      else if (flow.startsWith(forgottenMark)) {
        this.#forgotten.set(flow.slice(forgottenMark.length), total.endUnixMs)
      } else this.#keep(this.#exporter(exporterOfFlow(flow)), flow, total)
    }
  }

  /** What `restore` takes back. Until when flows were forgotten goes first, under names that no flow has. */
  *entries(): Generator<readonly [flow: string, total: Readonly<Total>]> {
    yield* forgottenEntry('', this.#forgottenUntilUnixMs)
    for (const [exporter, untilUnixMs] of this.#forgotten) yield* forgottenEntry(exporter, untilUnixMs)
    for (const [exporter, { forgottenUntilUnixMs }] of this.#exporters) {
      yield* forgottenEntry(exporter, forgottenUntilUnixMs)
    }
    yield* this.#ended
    for (const { flows } of this.#exporters.values()) yield* flows
  }

  /**
   * `startUnixMs` is `null` where records do not say when their flow began: then a flow that has ended, or was not
   * heard of for an hour, is another one when its addresses and ports come again.
   *
   * `older`: the record before was newer. `forgotten`: nobody can tell how much of the total was counted before.
   */
  growth(
    flow: string,
    { octets, packets, endUnixMs }: Readonly<Total>,
    { startUnixMs, hasEnded }: { readonly startUnixMs: number | null; readonly hasEnded: boolean },
  ): Growth | 'older' | 'forgotten' {
    const of = this.#exporter(exporterOfFlow(flow))
    const known = of.flows.get(flow) ?? this.#ended.get(flow)
    const isAnother = known !== undefined && startUnixMs === null && endUnixMs - known.endUnixMs > forgottenMs
    const before = isAnother ? undefined : known
    if (before !== undefined && endUnixMs < before.endUnixMs) {
      this.#keep(of, flow, before)
      return 'older'
    }
    const mayBeForgotten =
      known === undefined && (startUnixMs ?? endUnixMs - forgottenMs) <= of.forgottenUntilUnixMs
    if (!hasEnded) this.#keep(of, flow, { octets, packets, endUnixMs })
    else if (startUnixMs !== null) this.#keep(of, flow, { octets, packets, endUnixMs, hasEnded: true })
    else this.#drop(of, flow)
    if (mayBeForgotten) return 'forgotten'
    if (before === undefined) return { octets, packets, sinceUnixMs: null }
    // A total that became smaller was counted from zero again.
    const isAnew = octets < before.octets
    return {
      octets: isAnew ? octets : octets - before.octets,
      packets: isAnew ? packets : Math.max(0, packets - before.packets),
      sinceUnixMs: before.endUnixMs,
    }
  }

  #exporter(name: string): ExporterTotals {
    const known = this.#exporters.get(name)
    if (known !== undefined) {
      this.#exporters.set(name, known)
      return known
    }
    if (this.#exporters.size >= maxExporters) this.#forgetExporter()
    const forgottenUntilUnixMs = this.#forgotten.get(name) ?? this.#forgottenUntilUnixMs
    this.#forgotten.delete(name)
    const fresh: ExporterTotals = { flows: new OldestFirst(), forgottenUntilUnixMs }
    this.#exporters.set(name, fresh)
    return fresh
  }

  #forgetExporter(): void {
    const [name, { flows, forgottenUntilUnixMs }] = this.#exporters.takeOldest()!
    this.#flows -= flows.size
    let untilUnixMs = forgottenUntilUnixMs
    for (const { endUnixMs } of flows.values()) untilUnixMs = Math.max(untilUnixMs, endUnixMs)
    if (untilUnixMs <= this.#forgottenUntilUnixMs) return
    if (this.#forgotten.size >= maxForgotten) {
      const [, unixMs] = this.#forgotten.takeOldest()!
      this.#forgottenUntilUnixMs = Math.max(this.#forgottenUntilUnixMs, unixMs)
    }
    this.#forgotten.set(name, untilUnixMs)
  }

  #keep(of: ExporterTotals, flow: string, total: Total): void {
    this.#drop(of, flow)
    if (total.hasEnded === true) {
      if (this.#ended.size >= maxEnded) this.#ended.takeOldest()
      this.#ended.set(flow, total)
      return
    }
    if (this.#flows >= maxFlows) this.#makeRoom()
    of.flows.set(flow, total)
    this.#flows += 1
  }

  #drop(of: ExporterTotals, flow: string): void {
    if (of.flows.delete(flow)) this.#flows -= 1
    else this.#ended.delete(flow)
  }

  #makeRoom(): void {
    let fullest: ExporterTotals | null = null
    for (const of of this.#exporters.values()) {
      if (fullest === null || of.flows.size > fullest.flows.size) fullest = of
    }
    const [, { endUnixMs }] = fullest!.flows.takeOldest()!
    this.#flows -= 1
    fullest!.forgottenUntilUnixMs = Math.max(fullest!.forgottenUntilUnixMs, endUnixMs)
  }
}

/** Names of flows begin with a version. */
const forgottenMark = 'forgotten|'

function* forgottenEntry(exporter: string, endUnixMs: number): Generator<readonly [string, Total]> {
  if (Number.isFinite(endUnixMs)) yield [forgottenMark + exporter, { octets: 0, packets: 0, endUnixMs }]
}

function exporterOfFlow(flow: string): string {
  return exporterOf(flow.slice(0, flow.lastIndexOf('|')))
}
