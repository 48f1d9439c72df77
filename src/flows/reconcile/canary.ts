import { HoldfastError } from '../../core/errors.ts'
import { isoTime } from '../../core/time.ts'
import { canonicalAddress } from '../address.ts'
import { parseCsvTable } from '../locate/csv-table.ts'
import type { Reconciled } from './reconcile.ts'
import { addressPair } from './words.ts'

/** A read that the customer made from abroad on purpose: records that are whole must show its bytes. */
type Canary = {
  readonly time: number
  readonly server: string
  readonly client: string
  /** Of the objects that were read. */
  readonly bytes: number
  seenBytes: number
}

export type CanaryReport = {
  readonly made: number
  readonly seen: number
  readonly missed: readonly {
    readonly time: string
    readonly server: string
    readonly client: string
    readonly bytes: number
    readonly seenBytes: number
  }[]
}

export type Canaries = {
  readonly see: (connection: Reconciled) => void
  readonly report: () => CanaryReport
}

/** Clocks, and exporters that tell of a connection minutes after it ended. */
const windowMs = 10 * 60_000
const maxMissed = 100

/** `time,server,client,bytes`: when, from which address to which, how many bytes. Throws `bad-input`, naming file and line. */
export function parseCanaries(name: string, text: string): Canaries {
  const canaries = parseCsvTable(name, text, ['time', 'server', 'client', 'bytes']).map((row): Canary => {
    const fail = (what: string): never => {
      throw new HoldfastError('bad-input', `${name}:${row.line}: ${what}`)
    }
    const time = Date.parse(row.get('time') ?? '')
    const server = canonicalAddress(row.get('server') ?? '')
    const client = canonicalAddress(row.get('client') ?? '')
    const bytes = Number(row.get('bytes'))
    if (Number.isNaN(time)) fail(`"${row.get('time') ?? ''}" is not a time such as 2026-01-15T10:00:00Z`)
    if (!Number.isSafeInteger(bytes) || bytes <= 0)
      fail(`"${row.get('bytes') ?? ''}" is not a number of bytes`)
    return {
      time,
      server: server ?? fail(`"${row.get('server') ?? ''}" is not an address`),
      client: client ?? fail(`"${row.get('client') ?? ''}" is not an address`),
      bytes,
      seenBytes: 0,
    }
  })
  const byPair = Map.groupBy(canaries, ({ server, client }) => addressPair(server, client))
  return {
    see({ observed, pieces }) {
      const found = byPair.get(addressPair(observed.srcAddr, observed.dstAddr))
      if (found === undefined) return
      for (const piece of pieces) {
        let left = piece.ipBytes
        for (const canary of found) {
          const isNear =
            piece.startUnixMs <= canary.time + windowMs && piece.endUnixMs >= canary.time - windowMs
          // Two reads close together are two: a byte that was seen is a byte of one of them.
          const taken = isNear ? Math.min(left, Math.max(0, canary.bytes - canary.seenBytes)) : 0
          canary.seenBytes += taken
          left -= taken
        }
      }
    },
    report() {
      const missed = canaries.filter(({ bytes, seenBytes }) => seenBytes < bytes)
      return {
        made: canaries.length,
        seen: canaries.length - missed.length,
        missed: missed.slice(0, maxMissed).map(({ time, server, client, bytes, seenBytes }) => ({
          ...{ time: isoTime(time), server, client },
          ...{ bytes, seenBytes },
        })),
      }
    },
  }
}
