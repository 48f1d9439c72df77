/** How far a transfer has come: what is counted with the batches, and how fast it went of late. */
import { concat, utf8 } from '../core/bytes.ts'
import type { InstructionId } from '../core/ids.ts'
import type { Clock } from '../core/time.ts'
import { type Add, type Catalog, decodeCounters, encodeCounters, type Put } from '../store/catalog.ts'

const tallyKey = (id: InstructionId): Uint8Array => concat(utf8(id), utf8('/tally'))
const scopeKey = (id: InstructionId): Uint8Array => concat(utf8(id), utf8('/scope'))

export interface Tally {
  /** What departed and did not make it, and its bytes. */
  readonly voided: number
  readonly voidedBytes: number
  /** What arrived and answered a challenge. */
  readonly verified: number
}

export interface Extent {
  readonly objects: number
  readonly bytes: number
}

export interface Progress extends Tally {
  /** What its scope held when it began; `null` while that is not known. */
  readonly of: Extent | null
}

/** Counted in the transaction of what it tells of; several batches may be answered for at once. */
export function addTally(id: InstructionId, tally: Partial<Tally>): Add {
  const { voided = 0, voidedBytes = 0, verified = 0 } = tally
  return { table: 'transfers', key: tallyKey(id), amounts: [voided, voidedBytes, verified] }
}

export function putScope(id: InstructionId, { objects, bytes }: Extent): Put {
  return { table: 'transfers', key: scopeKey(id), value: encodeCounters([objects, bytes]) }
}

export async function progressOf(catalog: Catalog, id: InstructionId): Promise<Progress> {
  const [voided = 0, voidedBytes = 0, verified = 0] = decodeCounters(
    await catalog.get('transfers', tallyKey(id)),
  )
  const scope = await catalog.get('transfers', scopeKey(id))
  const [objects = 0, bytes = 0] = decodeCounters(scope)
  return { voided, voidedBytes, verified, of: scope === null ? null : { objects, bytes } }
}

export interface Meter {
  count(bytes: number): void
  bytesPerSecond(): number
}

const windowMs = 10_000
const slotMs = 500

/** Over the last ten seconds, or since it began. */
export function createMeter(clock: Clock): Meter {
  const began = clock()
  const slots = new Map<number, number>()
  const forget = (now: number): void => {
    for (const slot of slots.keys()) if (slot * slotMs < now - windowMs) slots.delete(slot)
  }
  return {
    count(bytes) {
      const now = clock()
      const slot = Math.floor(now / slotMs)
      if (!slots.has(slot)) forget(now)
      slots.set(slot, (slots.get(slot) ?? 0) + bytes)
    },
    bytesPerSecond() {
      const now = clock()
      forget(now)
      const sum = slots.values().reduce((total, bytes) => total + bytes, 0)
      return Math.round((sum * 1000) / Math.max(slotMs, Math.min(windowMs, now - began)))
    },
  }
}
