import { type BookEntry, countOf, fieldsOf, textOf } from './books.ts'
import type { Extent, InstructionFacts } from './instructions.ts'

/**
 * How much the entered objects can account for. A region can write any number of bytes into a connection's entry;
 * what it cannot do is serve objects that it did not enter.
 */
export type Bounds = {
  /**
   * Takes up to `wanted` bytes of what is left for the instruction in this direction; returns what it got. What is to be
   * instructed is bounded by what arrived, the rest by what departed.
   */
  readonly takeForInstruction: (
    facts: InstructionFacts,
    isForward: boolean,
    grade: 'instructed' | 'claimed',
    wanted: number,
  ) => number
  /** Of what the reads that were entered for an S3 connection, and what comes around them, can be. */
  readonly takeForReads: (region: string, connection: string, wanted: number) => number
  /** Takes up to `wanted` bytes of what was entered as stored in the region; returns what it got. */
  readonly takeForUploads: (region: string, wanted: number) => number
}

/**
 * Stated in the report: framing, headers and listings; flat for a connection of reads, an instruction's way, and each hour
 * of any other connection.
 */
export const allowance = {
  flatBytes: 1024 * 1024,
  perObjectBytes: 16 * 1024,
  /** A delete marker, or nothing at all. */
  perEmptyObjectBytes: 2 * 1024,
  share: 0.02,
} as const

export function createBounds(entries: readonly BookEntry[]): Bounds {
  const reads = readBytes(entries)
  const uploads = uploadBytes(entries)
  const left = new Map<string, number>()
  const leftOf = (key: string, most: () => number): number => left.get(key) ?? most()
  return {
    takeForInstruction(facts, isForward, grade, wanted) {
      const key = `${facts.id} ${isForward}`
      const budget = leftOf(key, () => budgetOf(facts, facts.departed, isForward))
      const ofArrived = leftOf(`${key} arrived`, () => budgetOf(facts, facts.arrived, isForward))
      const most = grade === 'instructed' ? Math.min(budget, ofArrived) : budget
      const taken = Math.floor(Math.max(0, Math.min(wanted, most)))
      left.set(key, budget - taken)
      if (grade === 'instructed') left.set(`${key} arrived`, ofArrived - taken)
      return taken
    },
    takeForReads(region, connection, wanted) {
      const key = `${region} ${connection}`
      const bytes = reads.get(key) ?? 0
      const budget = leftOf(`reads ${key}`, () => bytes * (1 + allowance.share) + allowance.flatBytes)
      const taken = Math.floor(Math.max(0, Math.min(wanted, budget)))
      left.set(`reads ${key}`, budget - taken)
      return taken
    },
    takeForUploads(region, wanted) {
      const budget = uploads.get(region) ?? 0
      const taken = Math.floor(Math.min(wanted, budget))
      uploads.set(region, budget - taken)
      return taken
    },
  }
}

function budgetOf({ order }: InstructionFacts, extent: Extent, isForward: boolean): number {
  const bytes = Math.min(extent.bytes, order?.limitBytes ?? Number.POSITIVE_INFINITY)
  const most = order?.limitObjects ?? Number.POSITIVE_INFINITY
  const objects = Math.min(extent.objects, most)
  const empty = Math.min(extent.empty, most - objects)
  // The way back carries answers; an order to send from A to B is no order to send from B to A.
  const content = isForward ? bytes * (1 + allowance.share) : 0
  return (
    content + objects * allowance.perObjectBytes + empty * allowance.perEmptyObjectBytes + allowance.flatBytes
  )
}

/** By region: what clients have brought it. */
function uploadBytes(entries: readonly BookEntry[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const { type, region, body } of entries) {
    const { sizeBytes, copiedFrom } = fieldsOf(body)
    if (type !== 'object.put' || (copiedFrom ?? null) !== null) continue
    const bytes = (countOf(sizeBytes) ?? 0) * (1 + allowance.share) + allowance.perObjectBytes
    sums.set(region, (sums.get(region) ?? 0) + bytes)
  }
  return sums
}

/** A read that is not closed yet can have sent all that its opening allows. */
function readBytes(entries: readonly BookEntry[]): Map<string, number> {
  const closed = new Map<string, number>()
  for (const { type, tenant, region, body } of entries) {
    if (type !== 'read.closed') continue
    const opening = textOf(fieldsOf(body).opening)
    const bytes = countOf(fieldsOf(body).bytes)
    // In the same book, and once.
    const key = `${tenant} ${region} ${opening}`
    if (opening !== null && bytes !== null && !closed.has(key)) closed.set(key, bytes)
  }
  const sums = new Map<string, number>()
  for (const entry of entries) {
    if (entry.type !== 'read.opened') continue
    const body = fieldsOf(entry.body)
    const key = `${entry.region} ${textOf(body.connection) ?? ''}`
    const most = countOf(body.maxBytes) ?? 0
    const sent = closed.get(`${entry.tenant} ${entry.region} ${entry.id}`) ?? most
    sums.set(key, (sums.get(key) ?? 0) + Math.min(sent, most))
  }
  return sums
}
