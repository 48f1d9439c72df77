/** Flows whose totals are remembered; the one that was updated longest ago is forgotten first. */
const maxFlows = 100_000
const forgottenMs = 3_600_000

export type Total = { octets: number; packets: number; endUnixMs: number }

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

  entries(): Iterable<readonly [flow: string, total: Readonly<Total>]> {
    return this.#flows
  }

  restore(entries: Iterable<readonly [flow: string, total: Readonly<Total>]>): void {
    for (const [flow, total] of entries) this.#flows.set(flow, total)
  }

  /**
   * `isNamedByStart` is false where records do not say when their flow began: then a flow that has ended, or was not
   * heard of for an hour, is another one when its addresses and ports come again.
   */
  growth(
    flow: string,
    total: { readonly octets: number; readonly packets: number; readonly endUnixMs: number },
    { isNamedByStart, hasEnded }: { readonly isNamedByStart: boolean; readonly hasEnded: boolean },
  ): Growth | null {
    const { octets, packets, endUnixMs } = total
    let before = this.#flows.get(flow)
    if (before !== undefined && !isNamedByStart && endUnixMs - before.endUnixMs > forgottenMs) {
      this.#flows.delete(flow)
      before = undefined
    }
    if (before !== undefined) this.#flows.delete(flow)
    else if (this.#flows.size >= maxFlows) this.#flows.delete(this.#flows.keys().next().value!)
    const keep = (): void => {
      if (isNamedByStart || !hasEnded) this.#flows.set(flow, { octets, packets, endUnixMs })
    }
    if (before === undefined) {
      keep()
      return { octets, packets, sinceUnixMs: null }
    }
    if (endUnixMs < before.endUnixMs) {
      this.#flows.set(flow, before)
      return null
    }
    keep()
    // A total that became smaller was counted from zero again.
    const isAnew = octets < before.octets
    return {
      octets: isAnew ? octets : octets - before.octets,
      packets: isAnew ? packets : Math.max(0, packets - before.packets),
      sinceUnixMs: before.endUnixMs,
    }
  }
}
