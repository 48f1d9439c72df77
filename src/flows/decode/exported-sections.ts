import type { FlowRecord } from '../flow-record.ts'
import { emptyPacket, readIpPacket } from './ip-packet.ts'
import { linkTypes } from './link-layer.ts'
import type { Notes } from './notes.ts'
import { PacketFlows, type PacketObserver } from './packet-flows.ts'
import type { RawFlow } from './raw-flow.ts'
import type { Sampling } from './sampling.ts'

const maxObservers = 10_000
const ethernet = 1

/**
 * Records that carry the first bytes of a sampled packet (RFC 5477) in the place of a flow, as sFlow does. They are
 * summed into flows as captured packets are, each times its rate.
 */
export class ExportedSections {
  readonly #flows = new PacketFlows()
  readonly #packet = emptyPacket()
  readonly #observers = new Map<string, PacketObserver>()

  add(
    raw: RawFlow,
    bytes: Buffer,
    unixMs: number,
    context: { readonly exporter: string; readonly notes: Notes },
    sampling: Sampling,
  ): void {
    const { notes, exporter } = context
    const section = bytes.subarray(raw.sectionAt, raw.sectionAt + raw.sectionLength)
    const start = raw.sectionIsFrame ? linkTypes[ethernet]!(section) : { at: 0 }
    if (typeof start === 'string') {
      if (start.startsWith('not IP')) notes.setAside(start)
      else notes.unread(`packet section: ${start}`, section.length)
      return
    }
    // Without the frame's own size only the IP header says how long the packet was.
    const wireBytes = raw.frameBytes >= 0 ? Math.min(raw.frameBytes, 65_575) : 65_575
    const fault = readIpPacket(section, start.at, Math.max(0, wireBytes - start.at), this.#packet)
    if (fault !== null) {
      notes.unread(`packet section: ${fault}`, section.length)
      return
    }
    const frameBytes = raw.frameBytes >= 0 ? wireBytes : this.#packet.ipBytes + start.at
    this.#flows.add(
      section,
      this.#packet,
      frameBytes,
      unixMs,
      raw.direction,
      this.#observer(exporter, sampling),
    )
  }

  takeDone(): readonly FlowRecord[] {
    return this.#flows.takeDone()
  }

  endAll(): readonly FlowRecord[] {
    return this.#flows.endAll()
  }

  #observer(exporter: string, sampling: Sampling): PacketObserver {
    const key = `${exporter} ${sampling.rate}`
    const known = this.#observers.get(key)
    if (known !== undefined) return known
    const observer = { id: this.#observers.size + 1, exporter, sampling }
    if (this.#observers.size < maxObservers) this.#observers.set(key, observer)
    return observer
  }
}
