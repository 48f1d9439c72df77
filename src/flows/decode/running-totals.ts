/** Flows whose totals are remembered; the one that was updated longest ago is forgotten first. */
const maxFlows = 100_000

type Total = { octets: number; packets: number; endUnixMs: number }

/** What is new since the record before; `null` when the record is older than it. */
export type Growth = {
  readonly octets: number
  readonly packets: number
  /** When the record before ended, so that this one's new bytes are not spread over the whole flow. */
  readonly sinceUnixMs: number | null
}

/**
 * Turns totals (`octetTotalCount`), which an exporter repeats and lets grow for as long as a flow lives, into what is
 * new in each record. The flow's start is part of its name, so the next connection of the same ports starts anew.
 */
export class RunningTotals {
  readonly #flows = new Map<string, Total>()

  growth(flow: string, octets: number, packets: number, endUnixMs: number): Growth | null {
    const before = this.#flows.get(flow)
    if (before !== undefined) this.#flows.delete(flow)
    else if (this.#flows.size >= maxFlows) this.#flows.delete(this.#flows.keys().next().value!)
    if (before === undefined) {
      this.#flows.set(flow, { octets, packets, endUnixMs })
      return { octets, packets, sinceUnixMs: null }
    }
    if (endUnixMs < before.endUnixMs) {
      this.#flows.set(flow, before)
      return null
    }
    this.#flows.set(flow, { octets, packets, endUnixMs })
    // A total that became smaller was counted from zero again.
    const isAnew = octets < before.octets
    return {
      octets: isAnew ? octets : octets - before.octets,
      packets: isAnew ? packets : Math.max(0, packets - before.packets),
      sinceUnixMs: before.endUnixMs,
    }
  }
}
