/**
 * Do the books of two ends agree? What departed must have arrived or be voided, once, as it departed; what arrived must
 * have departed. For whoever has the entries of several regions.
 */
import type { TransferBatch } from '../ledger/entry-types.ts'

/** An entry about a transfer, with the region in whose books it stands. */
export interface BookedEntry {
  readonly id: string
  readonly region: string
  readonly type: string
  readonly body: unknown
}

export interface Balance {
  /** What is wrong, in words. */
  readonly findings: readonly string[]
  readonly batches: number
  readonly objects: number
  /** Departed in a batch that its source still works on. */
  readonly open: number
  /** Batches whose other end's books are not here. */
  readonly elsewhere: number
}

interface Batch {
  readonly name: string
  readonly instruction: string
  readonly from: string
  readonly to: string
  readonly isOpen: boolean
  departed: TransferBatch | null
  arrived: TransferBatch | null
  readonly voided: Set<string>
}

export interface BalanceDeps {
  /** Those whose books these are. */
  readonly regions: ReadonlySet<string>
  /** Whether the source is still at work on the batch. */
  readonly isOpen: (from: string, instruction: string, batch: number) => boolean
}

/** An entry may come twice, once on its way into the log. Holds a row of memory per object that was transferred. */
export async function balanceBooks(
  entries: AsyncIterable<BookedEntry>,
  { regions, isOpen }: BalanceDeps,
): Promise<Balance> {
  const findings: string[] = []
  const batches = new Map<string, Batch>()
  const read = new Set<string>()
  const batchOf = (from: string, to: string, { instruction, batch }: Named): Batch => {
    const name = `batch ${batch} of instruction ${instruction.slice(0, 16)} from ${from} to ${to}`
    const key = `${instruction} ${from} ${to} ${batch}`
    const known = batches.get(key)
    if (known !== undefined) return known
    const made: Batch = {
      ...{ name, instruction, from, to, isOpen: isOpen(from, instruction, batch) },
      ...{ departed: null, arrived: null, voided: new Set<string>() },
    }
    batches.set(key, made)
    return made
  }

  for await (const { id, region, type, body } of entries) {
    if (!type.startsWith('transfer.') || read.has(id)) continue
    read.add(id)
    switch (type) {
      case 'transfer.departed': {
        const departed = body as TransferBatch
        const batch = batchOf(region, departed.peer, departed)
        if (batch.departed !== null) findings.push(`${batch.name}: it departed twice`)
        batch.departed = departed
        break
      }
      case 'transfer.arrived': {
        const arrived = body as TransferBatch
        const batch = batchOf(arrived.peer, region, arrived)
        if (batch.arrived !== null) findings.push(`${batch.name}: it arrived twice`)
        batch.arrived = arrived
        break
      }
      case 'transfer.voided': {
        const voided = body as Named & { peer: string; objects: readonly (readonly [string, string])[] }
        const batch = batchOf(region, voided.peer, voided)
        for (const [originId] of voided.objects) batch.voided.add(originId)
        break
      }
      default:
    }
  }

  let objects = 0
  let open = 0
  let elsewhere = 0
  for (const batch of batches.values()) {
    if (!regions.has(batch.from) || !regions.has(batch.to)) {
      elsewhere++
      continue
    }
    objects += batch.departed?.objects.length ?? 0
    const { faults, missing } = compare(batch)
    findings.push(...faults)
    if (batch.isOpen) open += missing.length
    else for (const id of missing) findings.push(`${batch.name}: ${id} neither arrived nor was voided`)
  }
  return {
    findings: [...findings, ...arrivedTwice(batches)],
    batches: batches.size,
    objects,
    open,
    elsewhere,
  }
}

interface Named {
  readonly instruction: string
  readonly batch: number
}

function compare({ name, departed, arrived, voided }: Batch): { faults: string[]; missing: string[] } {
  const faults: string[] = []
  if (departed === null) return { faults: [`${name}: it arrived and never departed`], missing: [] }
  const sent = new Map<string, string>(
    departed.objects.map(([id, bytes, sha256]) => [id, `${bytes} ${sha256}`] as const),
  )
  if (arrived !== null && arrived.manifestSha256 !== departed.manifestSha256)
    faults.push(`${name}: the two ends name other objects`)
  const here = new Set<string>()
  for (const [id, bytes, sha256] of arrived?.objects ?? []) {
    here.add(id)
    if (!sent.has(id)) faults.push(`${name}: ${id} arrived and did not depart`)
    else if (sent.get(id) !== `${bytes} ${sha256}`) faults.push(`${name}: ${id} arrived as other bytes`)
    if (voided.has(id)) faults.push(`${name}: ${id} arrived and was voided`)
  }
  for (const id of voided) if (!sent.has(id)) faults.push(`${name}: ${id} was voided and did not depart`)
  return { faults, missing: [...sent.keys()].filter(id => !here.has(id) && !voided.has(id)) }
}

/** Under one instruction an object ends at its destination once. */
function arrivedTwice(batches: ReadonlyMap<string, Batch>): string[] {
  const seen = new Map<string, string>()
  const faults: string[] = []
  for (const { name, instruction, arrived } of batches.values())
    for (const [id] of arrived?.objects ?? []) {
      const key = `${instruction} ${id}`
      const before = seen.get(key)
      if (before === undefined) seen.set(key, name)
      else faults.push(`${id} arrived in ${before} and in ${name}`)
    }
  return faults
}
