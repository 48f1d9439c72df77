import { type BookEntry, countOf, type Fields, fieldsOf, textOf, timeOf } from './books.ts'

/** What the books say of one instruction. */
export type InstructionFacts = {
  readonly id: string
  /** When it was approved and its time had come; `null` when it never was. */
  approvedFromUnixMs: number | null
  /** When it ended: revoked, expired, rejected; no later than its own expiry. */
  endedUnixMs: number | null
  /** What the approvers signed; `null` when no quorum of them did, or it was no order to send. */
  order: SignedOrder | null
  readonly senders: Set<string>
  /** Every arrival repeats a departure to the last digest, and there is at least one. */
  hasAgreement: boolean
  /** Of batches that departed from where they were ordered, and of those of them that arrived. */
  readonly departed: Extent
  readonly arrived: Extent
}

export type Extent = { bytes: number; objects: number; empty: number }

/** The terms of a transfer that a quorum of the tenant's approvers signed, whatever the books say of it. */
export type SignedOrder = {
  readonly tenant: string
  readonly fromRegion: string
  readonly toRegion: string
  /** When the quorum was complete: the region's word, and no earlier than the approvers signed. */
  readonly approvedUnixMs: number
  readonly notBeforeUnixMs: number
  readonly expiresUnixMs: number
  /** Of ciphertext, in all; `null`: no limit. */
  readonly limitBytes: number | null
  readonly limitObjects: number | null
}

/** `null` for what no quorum signed, and for what is no transfer. */
export type SignedOrders = (instruction: string) => SignedOrder | null

/** A transfer stops at the next object, and clocks of regions may be so far apart. */
export const endingGraceMs = 15 * 60_000

const ended = new Set(['revoked', 'expired', 'rejected'])
const approved = new Set(['approved', 'running', 'completed'])

export function readInstructions(
  entries: readonly BookEntry[],
  orders: SignedOrders,
): Map<string, InstructionFacts> {
  const facts = new Map<string, InstructionFacts>()
  const approvals = new Map<string, number>()
  const departures = new Map<string, Departure>()
  const arrivals: { id: string; batch: Batch; key: string }[] = []
  const factsOf = (id: string): InstructionFacts => {
    const known = facts.get(id)
    if (known !== undefined) return known
    const made: InstructionFacts = {
      id,
      approvedFromUnixMs: null,
      endedUnixMs: null,
      order: orders(id),
      senders: new Set(),
      hasAgreement: false,
      departed: { bytes: 0, objects: 0, empty: 0 },
      arrived: { bytes: 0, objects: 0, empty: 0 },
    }
    facts.set(id, made)
    return made
  }
  for (const entry of entries) {
    const body = fieldsOf(entry.body)
    const id = textOf(body.instruction)
    // Under a tenant's order only its own books say anything.
    if (id === null || (orders(id)?.tenant ?? entry.tenant) !== entry.tenant) continue
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
        departures.set(key, { id, region: entry.region, batch, unixMs: time ?? Number.POSITIVE_INFINITY })
        factsOf(id).senders.add(entry.region)
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
      return departed !== undefined && [...batch.objects].every(object => departed.batch.objects.has(object))
    })
  }
  for (const known of facts.values()) {
    // A state without a single approval is the region's word about itself, and no one's order.
    if (!approvals.has(known.id) || known.order === null || known.approvedFromUnixMs === null) {
      known.approvedFromUnixMs = null
      continue
    }
    const { approvedUnixMs, notBeforeUnixMs, expiresUnixMs } = known.order
    known.approvedFromUnixMs = Math.max(known.approvedFromUnixMs, approvedUnixMs, notBeforeUnixMs)
    endAt(known, expiresUnixMs)
  }
  const arrivedKeys = new Set(arrivals.map(({ key }) => key))
  for (const [key, { id, region, batch, unixMs }] of departures) {
    const known = factsOf(id)
    // What departed from elsewhere than was ordered, or when it had ended, accounts for nothing.
    if (known.order !== null && region !== known.order.fromRegion) continue
    if (unixMs > (known.endedUnixMs ?? Number.POSITIVE_INFINITY) + endingGraceMs) continue
    addTo(known.departed, batch)
    if (arrivedKeys.has(key)) addTo(known.arrived, batch)
  }
  return facts
}

function addTo(extent: Extent, { bytes, objects, empty }: Batch): void {
  extent.bytes += bytes
  extent.objects += objects.size - empty
  extent.empty += empty
}

function endAt(facts: InstructionFacts, time: number | null): void {
  if (time !== null) facts.endedUnixMs = Math.min(time, facts.endedUnixMs ?? time)
}

type Departure = {
  readonly id: string
  readonly region: string
  readonly batch: Batch
  readonly unixMs: number
}
type Batch = {
  readonly number: number
  readonly objects: ReadonlySet<string>
  readonly bytes: number
  /** How many have no bytes, such as delete markers. */
  readonly empty: number
}

function batchOf(body: Fields): Batch | null {
  const number = countOf(body.batch)
  if (number === null || !Array.isArray(body.objects)) return null
  const objects = new Set<string>()
  let bytes = 0
  let empty = 0
  for (const object of body.objects as unknown[]) {
    if (!Array.isArray(object)) return null
    const size = countOf(object[1])
    if (size === null) return null
    const name = JSON.stringify([object[0], object[1], object[2]])
    if (objects.has(name)) continue
    bytes += size
    if (size === 0) empty += 1
    objects.add(name)
  }
  return { number, objects, bytes, empty }
}
