import { type BookEntry, countOf, type Fields, fieldsOf, textOf, timeOf } from './books.ts'

/** What the books say of one instruction. */
export type InstructionFacts = {
  readonly id: string
  /** When the region that sends held it for approved; `null` when it never did. */
  approvedFromUnixMs: number | null
  /** When it ended: revoked, expired, rejected. */
  endedUnixMs: number | null
  readonly senders: Set<string>
  /** Every arrival repeats a departure to the last digest, and there is at least one. */
  hasAgreement: boolean
  departedBytes: number
  departedObjects: number
}

/** Says whether a quorum of the tenant's approvers signed it. Without trust to check against, the books' word stands. */
export type QuorumCheck = (instruction: string) => boolean

const ended = new Set(['revoked', 'expired', 'rejected'])
const approved = new Set(['approved', 'running', 'completed'])

export function readInstructions(
  entries: readonly BookEntry[],
  hasQuorum: QuorumCheck,
): Map<string, InstructionFacts> {
  const facts = new Map<string, InstructionFacts>()
  const approvals = new Map<string, number>()
  const departures = new Map<string, Batch>()
  const arrivals: { id: string; batch: Batch; key: string }[] = []
  const factsOf = (id: string): InstructionFacts => {
    const known = facts.get(id)
    if (known !== undefined) return known
    const made: InstructionFacts = {
      id,
      approvedFromUnixMs: null,
      endedUnixMs: null,
      senders: new Set(),
      hasAgreement: false,
      departedBytes: 0,
      departedObjects: 0,
    }
    facts.set(id, made)
    return made
  }
  for (const entry of entries) {
    const body = fieldsOf(entry.body)
    const id = textOf(body.instruction)
    if (id === null) continue
    const time = timeOf(entry.time)
    switch (entry.type) {
      case 'instruction.approved':
        if (time !== null) approvals.set(id, Math.min(time, approvals.get(id) ?? time))
        break
      case 'instruction.revoked':
      case 'instruction.rejected':
        endAt(factsOf(id), time)
        break
      case 'instruction.state':
        if (ended.has(textOf(body.state) ?? '')) endAt(factsOf(id), time)
        else if (approved.has(textOf(body.state) ?? '') && time !== null) {
          const known = factsOf(id)
          known.approvedFromUnixMs = Math.min(time, known.approvedFromUnixMs ?? time)
        }
        break
      case 'transfer.departed': {
        const batch = batchOf(body)
        if (batch === null) break
        const key = `${id} ${entry.region} ${textOf(body.peer) ?? ''} ${batch.number}`
        if (departures.has(key)) break
        departures.set(key, batch)
        const known = factsOf(id)
        known.senders.add(entry.region)
        known.departedBytes += batch.bytes
        known.departedObjects += batch.objects.size
        break
      }
      case 'transfer.arrived': {
        const batch = batchOf(body)
        const key = `${id} ${textOf(body.peer) ?? ''} ${entry.region} ${batch?.number}`
        if (batch !== null) arrivals.push({ id, batch, key })
        break
      }
      default:
    }
  }
  for (const [id, arrived] of Map.groupBy(arrivals, arrival => arrival.id)) {
    factsOf(id).hasAgreement = arrived.every(({ key, batch }) => {
      const departed = departures.get(key)
      return departed !== undefined && [...batch.objects].every(object => departed.objects.has(object))
    })
  }
  for (const known of facts.values()) {
    // A state without a single approval is the region's word about itself, and no one's order.
    if (!approvals.has(known.id) || !hasQuorum(known.id)) known.approvedFromUnixMs = null
  }
  return facts
}

function endAt(facts: InstructionFacts, time: number | null): void {
  if (time !== null) facts.endedUnixMs = Math.min(time, facts.endedUnixMs ?? time)
}

type Batch = { readonly number: number; readonly objects: ReadonlySet<string>; readonly bytes: number }

function batchOf(body: Fields): Batch | null {
  const number = countOf(body.batch)
  if (number === null || !Array.isArray(body.objects)) return null
  const objects = new Set<string>()
  let bytes = 0
  for (const object of body.objects as unknown[]) {
    if (!Array.isArray(object)) return null
    const size = countOf(object[1])
    if (size === null) return null
    bytes += size
    objects.add(JSON.stringify([object[0], object[1], object[2]]))
  }
  return { number, objects, bytes }
}
