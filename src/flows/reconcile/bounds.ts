import { type BookEntry, countOf, fieldsOf, textOf } from './books.ts'
import type { InstructionFacts } from './instructions.ts'

/**
 * How much the entered objects can account for. A region can write any number of bytes into a connection's entry;
 * what it cannot do is serve objects that it did not enter.
 */
export type Bounds = {
  /** Takes up to `wanted` bytes of what is left for the instruction in this direction; returns what it got. */
  readonly takeForInstruction: (facts: InstructionFacts, isForward: boolean, wanted: number) => number
  /** Bytes that the reads entered for an S3 connection, and what comes around them, can be. */
  readonly ofReads: (region: string, connection: string) => number
  /** Takes up to `wanted` bytes of what was entered as stored in the region; returns what it got. */
  readonly takeForUploads: (region: string, wanted: number) => number
}

/**
 * Stated in the report: framing, headers and listings; flat for a connection of reads, an instruction's way, and each hour
 * of any other connection.
 */
export const allowance = { flatBytes: 1024 * 1024, perObjectBytes: 16 * 1024, share: 0.02 } as const

export function createBounds(entries: readonly BookEntry[]): Bounds {
  const reads = readBytes(entries)
  const uploads = uploadBytes(entries)
  const left = new Map<string, number>()
  return {
    takeForInstruction(facts, isForward, wanted) {
      const key = `${facts.id} ${isForward}`
      // The way back carries answers; an order to send from A to B is no order to send from B to A.
      const departedBytes = Math.min(facts.departedBytes, facts.order?.limitBytes ?? Number.POSITIVE_INFINITY)
      const objects = isForward ? departedBytes * (1 + allowance.share) : 0
      const budget =
        left.get(key) ?? objects + facts.departedObjects * allowance.perObjectBytes + allowance.flatBytes
      const taken = Math.floor(Math.max(0, Math.min(wanted, budget)))
      left.set(key, budget - taken)
      return taken
    },
    ofReads(region, connection) {
      const bytes = reads.get(`${region} ${connection}`) ?? 0
      return Math.floor(bytes * (1 + allowance.share) + allowance.flatBytes)
    },
    takeForUploads(region, wanted) {
      const budget = uploads.get(region) ?? 0
      const taken = Math.floor(Math.min(wanted, budget))
      uploads.set(region, budget - taken)
      return taken
    },
  }
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
  for (const { type, body } of entries) {
    if (type !== 'read.closed') continue
    const opening = textOf(fieldsOf(body).opening)
    const bytes = countOf(fieldsOf(body).bytes)
    if (opening !== null && bytes !== null) closed.set(opening, bytes)
  }
  const sums = new Map<string, number>()
  for (const entry of entries) {
    if (entry.type !== 'read.opened') continue
    const body = fieldsOf(entry.body)
    const key = `${entry.region} ${textOf(body.connection) ?? ''}`
    const most = countOf(body.maxBytes) ?? 0
    sums.set(key, (sums.get(key) ?? 0) + Math.min(closed.get(entry.id) ?? most, most))
  }
  return sums
}
