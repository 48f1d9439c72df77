import { addressText } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { IpPacket } from './ip-packet.ts'
import type { Sampling } from './sampling.ts'

/** A flow ends after this long without a packet, or when it has lasted this long, as exporters do it. */
const idleMs = 60_000
const activeMs = 300_000
const maxFlows = 200_000
const maxFragments = 4096
const none: readonly FlowRecord[] = []

/** Who saw a packet, and how many packets it stands for. Flows of different observers are kept apart by `id`. */
export type PacketObserver = { readonly id: number; readonly exporter: string; readonly sampling: Sampling }

type Flow = {
  readonly observer: PacketObserver
  srcAddr: string
  dstAddr: string
  srcPort: number
  dstPort: number
  protocol: number
  packets: number
  ipBytes: number
  payloadBytes: number
  frameBytes: number
  startUnixMs: number
  endUnixMs: number
  direction: 'in' | 'out' | null
}

/** Sums packets into flows of one direction. Hot path: a string key made from the packet's own bytes, no closures. */
export class PacketFlows {
  readonly #flows = new Map<string, Flow>()
  /** Ports of the first fragment, for the later ones that do not carry them. */
  readonly #fragments = new Map<string, { srcPort: number; dstPort: number }>()
  #done: FlowRecord[] = []
  #sweepAtMs = 0

  add(
    frame: Buffer,
    packet: IpPacket,
    wireBytes: number,
    unixMs: number,
    direction: Flow['direction'],
    observer: PacketObserver,
  ): void {
    const addresses = frame.toString('latin1', packet.addressAt, packet.addressAt + 2 * packet.addressLength)
    if (packet.fragment !== 'none') this.#joinFragment(packet, addresses)
    const ports = packet.srcPort * 65_536 + packet.dstPort
    const way = direction === null ? 0 : direction === 'in' ? 1 : 2
    const key = `${addresses}${packet.protocol * 4 + way},${ports},${observer.id}`
    let flow = this.#flows.get(key)
    if (flow !== undefined && unixMs - flow.endUnixMs > idleMs) {
      this.#end(key, flow)
      flow = undefined
    }
    if (flow === undefined) {
      const { addressAt, addressLength } = packet
      this.#flows.set(key, {
        observer,
        srcAddr: addressText(frame, addressAt, addressLength),
        dstAddr: addressText(frame, addressAt + addressLength, addressLength),
        srcPort: packet.srcPort,
        dstPort: packet.dstPort,
        protocol: packet.protocol,
        packets: 1,
        ipBytes: packet.ipBytes,
        payloadBytes: packet.payloadBytes,
        frameBytes: wireBytes,
        startUnixMs: unixMs,
        endUnixMs: unixMs,
        direction,
      })
    } else {
      flow.packets += 1
      flow.ipBytes += packet.ipBytes
      flow.payloadBytes += packet.payloadBytes
      flow.frameBytes += wireBytes
      if (unixMs > flow.endUnixMs) flow.endUnixMs = unixMs
      if (unixMs < flow.startUnixMs) flow.startUnixMs = unixMs
      if (flow.endUnixMs - flow.startUnixMs > activeMs) this.#end(key, flow)
    }
    if (this.#flows.size > maxFlows) this.#endOldest()
    if (unixMs > this.#sweepAtMs) this.#sweep(unixMs)
  }

  /** Flows that ended since the last call. */
  takeDone(): readonly FlowRecord[] {
    if (this.#done.length === 0) return none
    const done = this.#done
    this.#done = []
    return done
  }

  endAll(): readonly FlowRecord[] {
    for (const [key, flow] of this.#flows) this.#end(key, flow)
    return this.takeDone()
  }

  #joinFragment(packet: IpPacket, addresses: string): void {
    const key = `${addresses}${packet.protocol},${packet.fragmentId}`
    if (packet.fragment === 'later') {
      const ports = this.#fragments.get(key)
      if (ports !== undefined) {
        packet.srcPort = ports.srcPort
        packet.dstPort = ports.dstPort
      }
      return
    }
    if (this.#fragments.size >= maxFragments) {
      const oldest = this.#fragments.keys().next().value
      if (oldest !== undefined) this.#fragments.delete(oldest)
    }
    // Deleted first, so that an id that comes again is the newest and not the next to go.
    this.#fragments.delete(key)
    this.#fragments.set(key, { srcPort: packet.srcPort, dstPort: packet.dstPort })
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

  #end(key: string, flow: Flow): void {
    this.#flows.delete(key)
    const { frameBytes, observer, packets, ipBytes, payloadBytes, ...rest } = flow
    const { rate } = observer.sampling
    this.#done.push({
      ...rest,
      packets: packets * rate,
      ipBytes: Math.min(ipBytes * rate, MAX_RECORD_BYTES),
      // Of sampled packets only some were seen, so what TCP carried is not known exactly.
      payloadBytes: rate === 1 ? payloadBytes : null,
      original: { bytes: frameBytes, packets, basis: 'frame' },
      exporter: observer.exporter,
      sampling: observer.sampling,
    })
  }
}
