import type { Observed, Segment } from '../attribute/observed.ts'
import { portion } from './portion.ts'

/**
 * What was seen behind translators: IP bytes that servers sent to a socket within an hour. Each of these bytes was seen
 * once more in front of the translator, under its address, and is to count once: at the server.
 */
export type Behind = {
  readonly dstAddr: string
  readonly dstPort: number
  readonly protocol: number
  readonly hour: number
  readonly ipBytes: number
}

export type Covers = {
  /** Of these pieces of a translator's connection, what was seen behind it; the rest is the translator's own. */
  readonly take: (seen: Observed, pieces: readonly Segment[]) => { pieces: Segment[]; coveredBytes: number }
}

const hourMs = 3_600_000
/** As far as what was seen behind is spread (`AbroadStore.behind`). */
const mostHours = 31 * 24

/** Each byte behind covers one byte in front: of the same destination, port and protocol, in the hour or beside it. */
export async function readCovers(behind: AsyncIterable<Behind>): Promise<Covers> {
  const left = new Map<string, number>()
  const keyOf = (dstAddr: string, dstPort: number, protocol: number, hour: number) =>
    `${dstAddr} ${dstPort} ${protocol} ${hour}`
  for await (const { dstAddr, dstPort, protocol, hour, ipBytes } of behind) {
    const key = keyOf(dstAddr, dstPort, protocol, hour)
    left.set(key, (left.get(key) ?? 0) + ipBytes)
  }
  const spend = (key: string, wanted: number): number => {
    const have = left.get(key) ?? 0
    const spent = Math.min(have, wanted)
    if (spent > 0) left.set(key, have - spent)
    return spent
  }
  return {
    take({ dstAddr, dstPort, protocol }, pieces) {
      const rest: Segment[] = []
      let coveredBytes = 0
      for (const piece of pieces) {
        const hour = Math.floor(piece.startUnixMs / hourMs)
        const last = Math.min(Math.floor(piece.endUnixMs / hourMs), hour + mostHours)
        let open = piece.ipBytes
        // Exporters cut connections at different times: an hour to either side is the same traffic.
        for (let at = hour - 1; at <= last + 1 && open > 0; at++)
          open -= spend(keyOf(dstAddr, dstPort, protocol, at), open)
        coveredBytes += piece.ipBytes - open
        if (open > 0) rest.push(open === piece.ipBytes ? piece : portion(piece, open))
      }
      return { pieces: rest, coveredBytes }
    },
  }
}
