import { allowance, type Bounds } from './bounds.ts'
import type { ClockOffset } from './clock.ts'
import { endingGraceMs, type InstructionFacts } from './instructions.ts'
import type { Word } from './words.ts'

/** What the books, taken together, say of one connection in one direction. All bytes are TCP payload. */
export type Conversation = {
  readonly pair: string
  readonly region: string
  readonly fromUnixMs: number
  readonly untilUnixMs: number
  /** Both ends entered these under one approved instruction. */
  readonly instructedBytes: number
  /** Only the region's word. */
  readonly claimedBytes: number
  readonly isInstructed: boolean
  readonly instruction: string | null
  readonly entryIds: readonly string[]
  readonly faults: readonly BookFault[]
  /** What of the two has not explained anything observed. */
  leftBytes: number
  /** Of these, what has been said of other connections that it could be. */
  couldBeBytes: number
}

/** What is wrong with the books themselves; each is shown with the server it touches. */
export type BookFault = {
  readonly kind: 'entered-twice' | 'ends-disagree' | 'one-sided' | 'not-approved' | 'beyond-entered-objects'
  readonly bytes: number
  readonly detail: string
}

/** Two ends count the same bytes but for what was in flight when one of them stopped. */
const agreementSlackBytes = 64 * 1024

export function converse(
  words: readonly Word[],
  context: {
    readonly offsets: ReadonlyMap<string, ClockOffset>
    readonly instructions: ReadonlyMap<string, InstructionFacts>
    readonly bounds: Bounds
  },
): Conversation[] {
  const shifted = words
    .map(word => {
      const offsetMs = context.offsets.get(word.region)?.offsetMs ?? 0
      return { word, from: word.startUnixMs + offsetMs, until: word.endUnixMs + offsetMs }
    })
    .sort((a, b) => a.from - b.from)
  const groups: { words: Word[]; from: number; until: number }[] = []
  for (const { word, from, until } of shifted) {
    const last = groups.at(-1)
    // The next connection of the same ports starts after this one ended; the ends' records of one overlap.
    if (last !== undefined && (from <= last.until || sharesConnection(last.words, word))) {
      last.words.push(word)
      last.until = Math.max(last.until, until)
    } else {
      groups.push({ words: [word], from, until })
    }
  }
  return groups.map(group => ({
    ...settle(group.words, context),
    couldBeBytes: 0,
    pair: group.words[0]!.pair,
    region: (group.words.find(({ isSender }) => isSender) ?? group.words[0]!).region,
    fromUnixMs: group.from,
    untilUnixMs: group.until,
    entryIds: group.words.flatMap(word => word.entryIds).slice(0, 20),
  }))
}

function sharesConnection(words: readonly Word[], word: Word): boolean {
  return words.some(other => other.connection === word.connection && other.isSender === word.isSender)
}

type Settled = Pick<
  Conversation,
  'instructedBytes' | 'claimedBytes' | 'isInstructed' | 'instruction' | 'faults' | 'leftBytes'
>

function settle(
  all: readonly Word[],
  context: { readonly instructions: ReadonlyMap<string, InstructionFacts>; readonly bounds: Bounds },
): Settled {
  const words = underOrder(all, context.instructions) ?? all
  const faults: BookFault[] = []
  const sender = oneSide(words, true, faults)
  const receiver = oneSide(words, false, faults)
  const first = sender.words[0] ?? receiver.words[0]!
  const id = first.instruction
  const facts = id === null ? null : (context.instructions.get(id) ?? null)
  const mostBytes = Math.max(sender.bytes, receiver.bytes)
  const bothBytes = Math.min(sender.bytes, receiver.bytes)
  if (sender.words.length > 0 && receiver.words.length > 0) {
    const apart = mostBytes - bothBytes
    if (apart > Math.max(agreementSlackBytes, mostBytes / 100)) {
      const detail = `the sending end entered ${sender.bytes} bytes, the receiving end ${receiver.bytes}`
      faults.push({ kind: 'ends-disagree', bytes: apart, detail })
    }
  }
  const doubt = id === null ? 'no instruction' : pairDoubt(id, sender.words, receiver.words, facts)
  // What regions tell each other goes to others than the two of the order too: then it is their word, and little.
  const isAnswerable = first.role !== 'knowledge'
  if (id !== null && doubt !== null && isAnswerable) {
    const kind = doubt.startsWith('only') ? 'one-sided' : 'not-approved'
    faults.push({ kind, bytes: mostBytes, detail: `instruction ${id}: ${doubt}` })
  } else if (first.role === 'transfer' && id === null)
    faults.push({
      kind: 'not-approved',
      bytes: mostBytes,
      detail: 'entered as a transfer, of no instruction',
    })
  const isOrdered = doubt === null
  const orderedShare = isOrdered ? shareInTime(sender.words, facts!) : 0
  if (isOrdered && orderedShare < 1) {
    const bytes = Math.ceil(mostBytes * (1 - orderedShare))
    const detail = `instruction ${id}: ${bytes} bytes were entered before its approval or after its end`
    faults.push({ kind: 'not-approved', bytes, detail })
  }
  // Both ends' word, then what only one of them says; each within what entered objects can account for.
  // What departed under an order accounts for its own tenant's connections.
  const ofTenant = facts === null || words.some(word => isOfAnother(word, facts)) ? null : facts
  const isForward = goesForward(first, ofTenant)
  const within = (grade: 'instructed' | 'claimed', wanted: number): number => {
    const { bounds } = context
    if (ofTenant !== null && (isAnswerable || grade === 'instructed'))
      return bounds.takeForInstruction(ofTenant, isForward, grade, wanted)
    if (first.role === 's3' && first.isSender) return takeForReads(sender.words, wanted, bounds)
    const flat = Math.min(wanted, allowance.flatBytes * hoursOf(words))
    return first.role === 's3' ? flat + bounds.takeForUploads(first.region, wanted - flat) : flat
  }
  const instructedBytes = isOrdered ? within('instructed', Math.floor(bothBytes * orderedShare)) : 0
  const rest = mostBytes - instructedBytes
  const claimedBytes = rest === 0 ? 0 : within('claimed', rest)
  const beyond = mostBytes - instructedBytes - claimedBytes
  if (beyond > 0) {
    const detail = `${mostBytes} bytes entered for the connection, ${beyond} more than the entered objects can be`
    faults.push({ kind: 'beyond-entered-objects', bytes: beyond, detail })
  }
  const leftBytes = instructedBytes + claimedBytes
  return { instructedBytes, claimedBytes, isInstructed: isOrdered, instruction: id, faults, leftBytes }
}

/**
 * What the two regions of a signed order entered of its own tenant's connection. What anybody else enters of the same
 * socket takes nothing from it, and adds nothing. `null`: nobody ordered it, or not both speak.
 */
function underOrder(
  words: readonly Word[],
  instructions: ReadonlyMap<string, InstructionFacts>,
): readonly Word[] | null {
  for (const { instruction } of words) {
    const order = instruction === null ? null : (instructions.get(instruction)?.order ?? null)
    if (order === null) continue
    const own = words.filter(
      ({ instruction: of, tenant, region }) =>
        of === instruction && tenant === order.tenant && [order.fromRegion, order.toRegion].includes(region),
    )
    if (new Set(own.map(({ region }) => region)).size === 2) return own
  }
  return null
}

/**
 * The words of one end. Requests of several tenants and regions share a connection and its id, so those add up; a
 * second id for the same socket at the same time is the same bytes entered twice, and counts once.
 */
function oneSide(
  words: readonly Word[],
  isSender: boolean,
  faults: BookFault[],
): { words: readonly Word[]; bytes: number } {
  const ofSide = words.filter(word => word.isSender === isSender)
  const byConnection = [...Map.groupBy(ofSide, word => word.connection).values()]
    .map(group => ({ words: group, bytes: group.reduce((sum, word) => sum + word.bytes, 0) }))
    .sort((a, b) => b.bytes - a.bytes)
  const again = byConnection.slice(1).reduce((sum, { bytes }) => sum + bytes, 0)
  if (byConnection.length > 1) {
    const detail = `${byConnection.length} connections entered for one socket at one time; the largest counts`
    faults.push({ kind: 'entered-twice', bytes: again, detail })
  }
  return byConnection[0] ?? { words: [], bytes: 0 }
}

function isOfAnother({ tenant }: Word, { order }: InstructionFacts): boolean {
  return order !== null && order.tenant !== tenant
}

/** The way that was ordered, and not the one back. Without an order the books' own word is all there is. */
function goesForward({ region, isSender }: Word, facts: InstructionFacts | null): boolean {
  if (facts === null) return false
  if (facts.order === null) return facts.senders.has(region) === isSender
  return region === (isSender ? facts.order.fromRegion : facts.order.toRegion)
}

/** Why the pair of ends does not make the bytes instructed; `null` when it does. */
function pairDoubt(
  id: string,
  sender: readonly Word[],
  receiver: readonly Word[],
  facts: InstructionFacts | null,
): string | null {
  const from = sender[0]
  const to = receiver[0]
  if (from === undefined || to === undefined) return 'only one end entered this connection'
  if (sender.some(word => word.instruction !== id) || receiver.some(word => word.instruction !== id)) {
    return 'only one end entered this connection under it'
  }
  if (from.region === to.region) return 'only one region speaks for both ends'
  if (facts === null || facts.order === null || facts.approvedFromUnixMs === null)
    return 'no approval that holds is in these books'
  if ([...sender, ...receiver].some(word => isOfAnother(word, facts))) return 'another tenant ordered it'
  const { fromRegion, toRegion } = facts.order
  if (![from.region, to.region].includes(fromRegion) || ![from.region, to.region].includes(toRegion))
    return `it was ordered from ${fromRegion} to ${toRegion}`
  if (!facts.hasAgreement) return 'departures and arrivals do not agree'
  const endUnixMs = Math.max(from.endUnixMs, to.endUnixMs)
  if (endUnixMs < facts.approvedFromUnixMs) return 'the connection ended before the approval'
  if (facts.endedUnixMs !== null && Math.min(from.startUnixMs, to.startUnixMs) > facts.endedUnixMs) {
    return 'the connection began after the instruction had ended'
  }
  return null
}

/** A region may hear of an approval by another's clock. */
const approvalSlackMs = 60_000

/** Of what the sending end entered, the share of the time in which it was ordered. A record counts by its part in it. */
function shareInTime(sender: readonly Word[], facts: InstructionFacts): number {
  const from = facts.approvedFromUnixMs! - approvalSlackMs
  const until = (facts.endedUnixMs ?? Number.POSITIVE_INFINITY) + endingGraceMs
  let bytes = 0
  let inTime = 0
  for (const part of sender.flatMap(word => word.parts)) {
    const lasts = Math.max(1, part.endUnixMs - part.startUnixMs)
    const isIn = Math.min(until, part.startUnixMs + lasts) - Math.max(from, part.startUnixMs)
    bytes += part.bytes
    inTime += part.bytes * Math.min(1, Math.max(0, isIn / lasts))
  }
  return bytes === 0 ? 1 : inTime / bytes
}

/** A record is of an hour: one that says that it lasted for years is not thereby of all of theirs. */
function hoursOf(words: readonly Word[]): number {
  const hours = new Set<number>()
  for (const { parts } of words)
    for (const { startUnixMs, endUnixMs } of parts) {
      const first = Math.floor(startUnixMs / 3_600_000)
      hours.add(first)
      if (endUnixMs >= (first + 1) * 3_600_000) hours.add(first + 1)
    }
  return hours.size
}

function takeForReads(words: readonly Word[], wanted: number, bounds: Bounds): number {
  const connection = words[0]!.connection
  let taken = 0
  for (const region of new Set(words.map(word => word.region)))
    taken += bounds.takeForReads(region, connection, wanted - taken)
  return taken
}
