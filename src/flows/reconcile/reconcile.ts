import { directedKey, type Observed, type Segment } from '../attribute/observed.ts'
import { TCP } from '../flow-record.ts'
import type { BookEntry } from './books.ts'
import { createBounds } from './bounds.ts'
import type { ClockOffset } from './clock.ts'
import { type BookFault, type Conversation, converse } from './conversation.ts'
import type { Covers } from './covers.ts'
import { dedupe } from './dedupe.ts'
import { explain } from './explain.ts'
import { readInstructions, type SignedOrders } from './instructions.ts'
import { createLeftOvers, type LeftOvers } from './left-overs.ts'
import { portions } from './portion.ts'
import { addressPair, type Word, type Words } from './words.ts'

/** One observed connection and what became of its bytes. All are IP bytes; the four grades add up to `ipBytes`. */
export type Reconciled = {
  readonly observed: Observed
  /** Its records, each byte once. */
  readonly pieces: readonly Segment[]
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
  /** Seen behind the translator too, and counted at the server there; not in `ipBytes`. */
  readonly translatedBytes: number
  readonly repeats: number
  /** Of the estimate, where the flows were sampled. */
  readonly variance: number
  readonly instruction: string | null
  readonly entryIds: readonly string[]
  readonly faults: readonly BookFault[]
}

/** Payload that regions entered and no flow record shows: missing coverage, or made-up entries. */
export type EnteredNotSeen = {
  readonly region: string
  readonly bytes: number
  readonly connections: number
}

/** Beside the overlap of times that exact matching asks for: whole-second clocks, and packets after the last byte. */
const slackMs = 10_000
const leastNotSeenBytes = 4096

/** What the books say, ready to be held against what was observed. */
export type Reconciler = {
  /** Pairs of addresses that the books speak of at all: `from to`. */
  readonly pairs: ReadonlySet<string>
  /** Settles what was observed between two addresses of one server. All of one 5-tuple must come in one call. */
  readonly settle: (observed: readonly Observed[]) => readonly Reconciled[]
  /** The same for a connection of a pair that no book speaks of. */
  readonly settleUnspoken: (observed: Observed) => Reconciled
  /** After everything was settled: what the books have and the records do not. */
  readonly notSeen: (leaves: Leaves) => readonly EnteredNotSeen[]
}

/** Would traffic between these have been kept as abroad, had it been seen? */
export type Leaves = (srcAddr: string, dstAddr: string, unixMs: number) => boolean

/**
 * DESIGN section 9, "Matching": exact connections only, each recorded byte at most once. `offsets` are those of
 * `estimateOffsets`, made of the same records before.
 */
export function createReconciler(
  entries: readonly BookEntry[],
  words: Words,
  offsets: ReadonlyMap<string, ClockOffset>,
  orders: SignedOrders,
  /** Where the inventory names translators. */
  covers: Covers | null,
): Reconciler {
  const context = {
    offsets,
    instructions: readInstructions(entries, orders),
    bounds: createBounds(entries),
  }
  const conversations = new Map<string, Conversation[]>()
  // What an order or an object accounts for is spent in the order of time, whatever the order of the books.
  const begins = (found: readonly Word[]): number =>
    found.reduce((least, { startUnixMs }) => Math.min(least, startUnixMs), Number.POSITIVE_INFINITY)
  const inTime = [...words.byTuple]
    .map(([tuple, found]) => ({ tuple, found, begin: begins(found) }))
    .sort((a, b) => a.begin - b.begin || (a.tuple < b.tuple ? -1 : 1))
  for (const { tuple, found } of inTime) conversations.set(tuple, converse(found, context))
  const talks = [...conversations.values()].flat()
  const leftOvers = new Map(
    [...Map.groupBy(talks, ({ pair }) => pair)].map(([pair, some]) => [pair, createLeftOvers(some)] as const),
  )
  const pairs = new Set(leftOvers.keys())
  for (const [alias, tuple] of words.aliases) {
    conversations.set(alias, conversations.get(tuple) ?? [])
    const [src = '', , dst = ''] = alias.split(' ')
    pairs.add(addressPair(src, dst))
  }
  return {
    pairs,
    settle(observed) {
      const connections = observed.map(seen => {
        const tuple = directedKey(seen.srcAddr, seen.srcPort, seen.dstAddr, seen.dstPort)
        const talks = seen.protocol === TCP ? (conversations.get(tuple) ?? none) : none
        return settleOne(seen, talks, covers)
      })
      spendLeftOvers(connections, leftOvers)
      return connections
    },
    settleUnspoken: seen => settleOne(seen, none, covers),
    notSeen: leaves => notSeen(talks, leaves),
  }
}

/** Nearly all that is seen: one record, of which no book speaks. Hot path. */
function settleLone(seen: Observed, segment: Segment): Reconciled {
  const { ipBytes, packets, samplingRate, sampledPackets } = segment
  const isDisputed = seen.place.country === null
  return {
    observed: seen,
    pieces: seen.segments,
    fromUnixMs: segment.startUnixMs,
    untilUnixMs: segment.endUnixMs,
    ipBytes,
    packets,
    instructed: 0,
    claimed: 0,
    unexplained: isDisputed ? 0 : ipBytes,
    disputed: isDisputed ? ipBytes : 0,
    overhead: 0,
    couldBe: 0,
    duplicateBytes: 0,
    translatedBytes: 0,
    repeats: 0,
    variance: samplingRate > 1 ? ipBytes ** 2 / Math.max(1, sampledPackets) : 0,
    instruction: null,
    entryIds: none,
    faults: none,
  }
}

const none: readonly never[] = []

function settleOne(
  seen: Observed,
  conversations: readonly Conversation[],
  covers: Covers | null,
): Reconciled {
  const isTranslator = covers !== null && seen.isTranslator
  if (seen.segments.length === 1 && conversations.length === 0 && !isTranslator)
    return settleLone(seen, seen.segments[0]!)
  const deduped = dedupe(seen.segments)
  const { duplicateBytes, repeats } = deduped
  const { pieces, coveredBytes } = isTranslator
    ? covers.take(seen, deduped.pieces)
    : { pieces: deduped.pieces, coveredBytes: 0 }
  const isIpv6 = seen.srcAddr.includes(':')
  const unmatched: Segment[] = []
  const matched = new Map<Conversation, Segment[]>()
  const add = (talk: Conversation, piece: Segment): void => {
    const some = matched.get(talk)
    if (some === undefined) matched.set(talk, [piece])
    else some.push(piece)
  }
  let ipBytes = 0
  let packets = 0
  let variance = 0
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  for (const piece of pieces.length === 0 ? seen.segments : none) {
    fromUnixMs = Math.min(fromUnixMs, piece.startUnixMs)
    untilUnixMs = Math.max(untilUnixMs, piece.endUnixMs)
  }
  for (const piece of pieces) {
    ipBytes += piece.ipBytes
    packets += piece.packets
    fromUnixMs = Math.min(fromUnixMs, piece.startUnixMs)
    untilUnixMs = Math.max(untilUnixMs, piece.endUnixMs)
    // Each packet seen stands for `rate`; how many were seen varies as a Poisson count does.
    if (piece.samplingRate > 1) variance += piece.ipBytes ** 2 / Math.max(1, piece.sampledPackets)
    const at = talksOf(piece, conversations)
    if (at.length === 0) unmatched.push(piece)
    else if (at.length === 1) add(at[0]!, piece)
    // One record of several connections of the same ports: each explains of it as much as was entered for it.
    else for (const [i, some] of portions(piece, at.map(weightOf)).entries()) add(at[i]!, some)
  }
  let instructed = 0
  let claimed = 0
  let overhead = 0
  let rest = unmatched.reduce((sum, piece) => sum + piece.ipBytes, 0)
  for (const [talk, ofTalk] of matched) {
    const explained = explain(ofTalk, isIpv6, unspent(talk))
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
    pieces,
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
    translatedBytes: coveredBytes,
    repeats,
    variance,
    instruction: [...matched.keys()].find(talk => talk.isInstructed)?.instruction ?? null,
    entryIds: [...matched.keys()].flatMap(talk => talk.entryIds).slice(0, 20),
    faults: [...matched.keys()].flatMap(talk => talk.faults),
  }
}

/** Those of its time; where there is none, the one that is nearest within the slack. */
function talksOf(piece: Segment, conversations: readonly Conversation[]): readonly Conversation[] {
  const { startUnixMs, endUnixMs } = piece
  const within = conversations.filter(talk => startUnixMs <= talk.untilUnixMs && endUnixMs >= talk.fromUnixMs)
  if (within.length > 0) return within
  const apartMs = (talk: Conversation) =>
    Math.max(startUnixMs - talk.untilUnixMs, talk.fromUnixMs - endUnixMs)
  const near = conversations.filter(talk => apartMs(talk) <= slackMs)
  return near.sort((a, b) => apartMs(a) - apartMs(b)).slice(0, 1)
}

/** At least one byte: what is observed beside connections with nothing entered belongs to some of them. */
const weightOf = ({ leftBytes }: Conversation): number => Math.max(1, leftBytes)

/** What of the entered bytes has explained nothing yet: two legs of one connection are seen, and its bytes are there once. */
function unspent(talk: Conversation) {
  const { instructedBytes, claimedBytes, isInstructed, leftBytes } = talk
  const entered = instructedBytes + claimedBytes
  const share = entered === 0 ? 1 : leftBytes / entered
  return { instructedBytes: instructedBytes * share, claimedBytes: claimedBytes * share, isInstructed }
}

/** The same two addresses within minutes explain nothing; they only say what could be. Each byte is spent once. */
function spendLeftOvers(connections: readonly Reconciled[], leftOvers: ReadonlyMap<string, LeftOvers>): void {
  for (const connection of connections) {
    const open = connection.unexplained + connection.disputed
    if (open === 0) continue
    const { srcAddr, dstAddr } = connection.observed
    const { fromUnixMs, untilUnixMs } = connection
    connection.couldBe +=
      leftOvers.get(addressPair(srcAddr, dstAddr))?.take(fromUnixMs, untilUnixMs, open) ?? 0
  }
}

/** Only what the records should show: sent by a server of the inventory to a place abroad. */
function notSeen(conversations: readonly Conversation[], leaves: Leaves): readonly EnteredNotSeen[] {
  const sums = new Map<string, { bytes: number; connections: number }>()
  for (const { region, leftBytes, pair, fromUnixMs, instructedBytes, claimedBytes } of conversations) {
    const [from = '', to = ''] = pair.split(' ')
    // Less than this is the guess at header sizes, not traffic that was missed.
    const noise = Math.max(leastNotSeenBytes, (instructedBytes + claimedBytes) / 20)
    if (leftBytes <= noise || !leaves(from, to, fromUnixMs)) continue
    const sum = sums.get(region) ?? { bytes: 0, connections: 0 }
    sums.set(region, { bytes: sum.bytes + leftBytes, connections: sum.connections + 1 })
  }
  return [...sums].map(([region, sum]) => ({ region, ...sum }))
}
