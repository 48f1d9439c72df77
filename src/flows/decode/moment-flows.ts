import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import { SeenTexts } from './seen-texts.ts'

/** As for packets (`packet-flows.ts`). */
const idleMs = 60_000
const activeMs = 300_000
const maxFlows = 100_000
/** A sum that is alike another this many times is let go. */
const mostMoves = 1000

type Sum = { -readonly [Field in keyof FlowRecord]: FlowRecord[Field] }

/**
 * Sums rows that are dated by one moment, such as packets, into flows: two of them may be alike to the last number and
 * both be true, while of two flows that are alike one is a copy (`reconcile/dedupe.ts`). Rows that are out of order can
 * make one sum twice, so a sum that may be alike an earlier one ends a millisecond later, and is the same whenever the
 * same rows are read.
 */
export class MomentFlows {
  readonly #flows = new Map<string, Sum>()
  #done: FlowRecord[] = []
  #sweepAtMs = 0
  readonly #ended = new SeenTexts()

  add(row: FlowRecord): void {
    const { srcAddr, dstAddr, srcPort, dstPort, protocol, direction, exporter, sampling, original } = row
    const who = `${exporter},${sampling.rate},${direction},${original.basis}`
    const key = `${srcAddr},${srcPort},${dstAddr},${dstPort},${protocol},${who}`
    const flow = this.#flows.get(key)
    if (flow === undefined || !this.#extend(flow, row)) {
      if (flow !== undefined) this.#end(key, flow)
      this.#flows.set(key, { ...row })
      if (this.#flows.size > maxFlows) this.#endOldest()
    }
    if (row.endUnixMs > this.#sweepAtMs) this.#sweep(row.endUnixMs)
  }

  /** Flows that ended since the last call. */
  takeDone(): FlowRecord[] {
    const done = this.#done
    this.#done = []
    return done
  }

  endAll(): FlowRecord[] {
    for (const [key, flow] of this.#flows) this.#end(key, flow)
    return this.takeDone()
  }

  #extend(flow: Sum, row: FlowRecord): boolean {
    const startUnixMs = Math.min(flow.startUnixMs, row.startUnixMs)
    const endUnixMs = Math.max(flow.endUnixMs, row.endUnixMs)
    const isNear = row.startUnixMs - flow.endUnixMs <= idleMs && endUnixMs - startUnixMs <= activeMs
    if (!isNear || flow.ipBytes + row.ipBytes > MAX_RECORD_BYTES) return false
    flow.startUnixMs = startUnixMs
    flow.endUnixMs = endUnixMs
    flow.packets += row.packets
    flow.ipBytes += row.ipBytes
    flow.original = {
      bytes: flow.original.bytes + row.original.bytes,
      packets: flow.original.packets + row.original.packets,
      basis: row.original.basis,
    }
    return true
  }

  #sweep(unixMs: number): void {
    this.#sweepAtMs = unixMs + idleMs / 2
    // A flow of the far future is damage, and would be walked over at every sweep from now on.
    for (const [key, flow] of this.#flows) {
      if (Math.abs(unixMs - flow.endUnixMs) > idleMs) this.#end(key, flow)
    }
  }

  #endOldest(): void {
    const oldest = this.#flows.entries().next().value
    if (oldest !== undefined) this.#end(oldest[0], oldest[1])
  }

  #end(key: string, flow: Sum): void {
    this.#flows.delete(key)
    for (let moves = 0; moves < mostMoves && this.#ended.note(likeness(flow)); moves++) flow.endUnixMs += 1
    this.#done.push(flow)
  }
}

/** All that `dedupe` and `conversation` compare. */
function likeness(flow: FlowRecord): string {
  const { srcAddr, dstAddr, srcPort, dstPort, protocol, direction, exporter } = flow
  const { startUnixMs, endUnixMs, ipBytes, packets } = flow
  return `${srcAddr} ${srcPort} ${dstAddr} ${dstPort} ${protocol} ${startUnixMs} ${endUnixMs} ${ipBytes} ${packets} ${direction} ${exporter}`
}
