import { directedKey, type Observed, type Segment } from '../attribute/observed.ts'
import { TCP } from '../flow-record.ts'
import { type Book, distinctEntries } from './books.ts'
import { createBounds } from './bounds.ts'
import { type ClockOffset, estimateOffsets } from './clock.ts'
import { type BookFault, type Conversation, converse } from './conversation.ts'
import { dedupe } from './dedupe.ts'
import { explain } from './explain.ts'
import { type QuorumCheck, readInstructions } from './instructions.ts'
import { addressPair, readWords } from './words.ts'

/** One observed connection and what became of its bytes. All are IP bytes; the four grades add up to `ipBytes`. */
export type Reconciled = {
  readonly observed: Observed
  readonly fromUnixMs: number
  readonly untilUnixMs: number
  readonly ipBytes: number
  readonly packets: number
  readonly instructed: number
  readonly claimed: number
  readonly unexplained: number
  readonly disputed: number
  readonly overhead: number
  /** Of what is not explained, how much entries of other connections of the same two addresses could be. */
  couldBe: number
  readonly duplicateBytes: number
  readonly repeats: number
  /** Of the estimate, where the flows were sampled. */
  readonly variance: number
  readonly instruction: string | null
  readonly entryIds: readonly string[]
  readonly faults: readonly BookFault[]
}

export type Reconciliation = {
  readonly connections: readonly Reconciled[]
  readonly offsets: ReadonlyMap<string, ClockOffset>
  /** Payload that regions entered and no flow record shows: missing coverage, or made-up entries. */
  readonly enteredNotSeen: readonly {
    readonly region: string
    readonly bytes: number
    readonly connections: number
  }[]
  readonly unreadableEntries: number
}

/** Beside the overlap of times that exact matching asks for: whole-second clocks, and packets after the last byte. */
const slackMs = 10_000
/** How near in time an entry of another connection must be to be a "could be". */
export const couldBeWindowMs = 5 * 60_000
const leastNotSeenBytes = 4096

/** DESIGN section 9, "Matching": exact connections only, each recorded byte at most once. */
export function reconcile(
  observed: readonly Observed[],
  books: readonly Book[],
  hasQuorum: QuorumCheck,
  leaves: (srcAddr: string, dstAddr: string, unixMs: number) => boolean,
): Reconciliation {
  const entries = distinctEntries(books)
  const words = readWords(entries)
  const offsets = estimateOffsets(observed, words)
  const context = {
    offsets,
    instructions: readInstructions(entries, hasQuorum),
    bounds: createBounds(entries),
  }
  const conversations = new Map<string, Conversation[]>()
  for (const [tuple, found] of words.byTuple) conversations.set(tuple, converse(found, context))

  const connections = observed.map(seen => {
    const tuple = directedKey(seen.srcAddr, seen.srcPort, seen.dstAddr, seen.dstPort)
    return settleOne(seen, seen.protocol === TCP ? (conversations.get(tuple) ?? []) : [])
  })
  spendLeftOvers(connections, conversations)
  return {
    connections,
    offsets,
    enteredNotSeen: notSeen(conversations, leaves),
    unreadableEntries: words.unreadable,
  }
}

function settleOne(seen: Observed, conversations: readonly Conversation[]): Reconciled {
  const { pieces, duplicateBytes, repeats } = dedupe(seen.segments)
  const isIpv6 = seen.srcAddr.includes(':')
  const unmatched: Segment[] = []
  const matched = new Map<Conversation, Segment[]>()
  let ipBytes = 0
  let packets = 0
  let variance = 0
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  for (const piece of pieces) {
    ipBytes += piece.ipBytes
    packets += piece.packets
    fromUnixMs = Math.min(fromUnixMs, piece.startUnixMs)
    untilUnixMs = Math.max(untilUnixMs, piece.endUnixMs)
    // Each packet seen stands for `rate`; how many were seen varies as a Poisson count does.
    if (piece.samplingRate > 1) variance += piece.ipBytes ** 2 / Math.max(1, piece.sampledPackets)
    const at = conversations.find(
      talk => piece.startUnixMs <= talk.untilUnixMs + slackMs && piece.endUnixMs >= talk.fromUnixMs - slackMs,
    )
    if (at === undefined) unmatched.push(piece)
    else matched.set(at, [...(matched.get(at) ?? []), piece])
  }
  let instructed = 0
  let claimed = 0
  let overhead = 0
  let rest = unmatched.reduce((sum, piece) => sum + piece.ipBytes, 0)
  for (const [talk, ofTalk] of matched) {
    const explained = explain(ofTalk, isIpv6, talk)
    instructed += explained.instructed
    claimed += explained.claimed
    overhead += explained.overhead
    rest += explained.rest
    talk.leftBytes = Math.max(0, talk.leftBytes - explained.usedPayload)
  }
  // Bytes on an order are accounted for wherever they went; of the others the place may be all there is to say.
  const isDisputed = seen.place.country === null
  return {
    observed: seen,
    fromUnixMs,
    untilUnixMs,
    ipBytes,
    packets,
    instructed,
    claimed,
    unexplained: isDisputed ? 0 : rest,
    disputed: isDisputed ? rest : 0,
    overhead,
    couldBe: 0,
    duplicateBytes,
    repeats,
    variance,
    instruction: [...matched.keys()].find(talk => talk.isInstructed)?.instruction ?? null,
    entryIds: [...matched.keys()].flatMap(talk => talk.entryIds).slice(0, 20),
    faults: [...matched.keys()].flatMap(talk => talk.faults),
  }
}

/** The same two addresses within minutes explain nothing; they only say what could be. Each byte is spent once. */
function spendLeftOvers(
  connections: readonly Reconciled[],
  conversations: ReadonlyMap<string, readonly Conversation[]>,
): void {
  const byPair = new Map<string, Conversation[]>()
  for (const talk of [...conversations.values()].flat()) {
    if (talk.leftBytes === 0) continue
    const list = byPair.get(talk.pair)
    if (list === undefined) byPair.set(talk.pair, [talk])
    else list.push(talk)
  }
  const left = new Map<Conversation, number>()
  for (const connection of connections) {
    let open = connection.unexplained + connection.disputed
    const { srcAddr, dstAddr } = connection.observed
    for (const talk of open === 0 ? [] : (byPair.get(addressPair(srcAddr, dstAddr)) ?? [])) {
      const isNear =
        connection.fromUnixMs <= talk.untilUnixMs + couldBeWindowMs &&
        connection.untilUnixMs >= talk.fromUnixMs - couldBeWindowMs
      if (!isNear) continue
      const spend = Math.min(open, left.get(talk) ?? talk.leftBytes)
      left.set(talk, (left.get(talk) ?? talk.leftBytes) - spend)
      connection.couldBe += spend
      open -= spend
    }
  }
}

/** Only what the records should show: sent by a server of the inventory to a place abroad. */
function notSeen(
  conversations: ReadonlyMap<string, readonly Conversation[]>,
  leaves: (srcAddr: string, dstAddr: string, unixMs: number) => boolean,
): Reconciliation['enteredNotSeen'] {
  const sums = new Map<string, { bytes: number; connections: number }>()
  for (const { region, leftBytes, pair, fromUnixMs, instructedBytes, claimedBytes } of [
    ...conversations.values(),
  ].flat()) {
    const [from = '', to = ''] = pair.split(' ')
    // Less than this is the guess at header sizes, not traffic that was missed.
    const noise = Math.max(leastNotSeenBytes, (instructedBytes + claimedBytes) / 20)
    if (leftBytes <= noise || !leaves(from, to, fromUnixMs)) continue
    const sum = sums.get(region) ?? { bytes: 0, connections: 0 }
    sums.set(region, { bytes: sum.bytes + leftBytes, connections: sum.connections + 1 })
  }
  return [...sums].map(([region, sum]) => ({ region, ...sum }))
}
