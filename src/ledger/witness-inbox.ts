/** What witnesses have answered, between the thread that hears of it and the tick that takes it in. */
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Clock } from '../core/time.ts'
import type { Catalog } from '../store/catalog.ts'
import { witnessedPath } from '../verify/tile-path.ts'
import { stoppedKey, witnessedKey } from './tables.ts'
import type { TileStore } from './tile-store.ts'
import {
  decodeWitnessed,
  encodeWitnessed,
  keepWitnessed,
  mostWitnessed,
  openWitnessed,
  type Witnessed,
  type WitnessedDeps,
  witnessedTime,
} from './witnessed.ts'

export interface WitnessInboxDeps extends WitnessedDeps {
  readonly catalog: Catalog
  readonly tiles: Pick<TileStore, 'publish'>
  readonly clock: Clock
}

export interface WitnessNews {
  /** Of the newest checkpoint that a witness has cosigned. */
  readonly size: number
  /** POSIX seconds: the latest that any witness has said. */
  readonly timeUnixS: number
  /** Why cosignatures were not taken. */
  readonly refused: readonly string[]
}

export interface WitnessInbox {
  /** A checkpoint of this log with cosignatures on it; verified when it is taken in. */
  add(note: string): void
  /** From the next tick on nothing is signed, after a restart neither. */
  halt(reason: string): void
  /** For a tick: reads what is kept. */
  load(): Promise<void>
  /** For a tick: rejects with `store-damaged` once told to halt, having written down why. */
  demandGoing(): Promise<void>
  /** For a tick, when what it signed is published: takes in what came. `null`: nothing did. */
  settle(signed: string): Promise<WitnessNews | null>
  /** The signed checkpoint, with the cosignatures that there are of it. */
  withCosignatures(signed: string): string
}

/**
 * Crash points of `settle`: before the commit, cosignatures are lost, and witnesses give them again; a commit that
 * failed loses none, because a witness that was heard is not asked again soon; between it and
 * the publication, the checkpoint is published without them until the next cosignature or the next start; a reader
 * of receipts has them either way; what readers of `witnessed` have is as old. The commit is conditional on the row that it replaces, as all of a sequencer's.
 */
export function createWitnessInbox(deps: WitnessInboxDeps): WitnessInbox {
  const { catalog, tiles, clock } = deps
  const waiting: string[] = []
  let reason: string | null = null
  let row: Uint8Array | null = null
  let kept: readonly Witnessed[] = []

  const withCosignatures = (signed: string): string =>
    kept.find(({ note }) => note.startsWith(signed))?.note ?? signed

  return {
    add: note => void waiting.push(note),
    halt(why) {
      reason ??= why
    },
    withCosignatures,

    async load() {
      row = await catalog.get('meta', witnessedKey)
      kept = []
      for (const note of decodeWitnessed(row)) {
        const opened = openWitnessed(note, deps)
        // Cosignatures are for others to check; without one that holds nothing is lost but the note.
        if (typeof opened !== 'string' && opened.witnessed.by.size > 0) kept = [...kept, opened.witnessed]
      }
    },

    async demandGoing() {
      if (reason === null) return
      await catalog.commit({ puts: [{ table: 'meta', key: stoppedKey, value: utf8(reason) }] })
      throw new HoldfastError('store-damaged', `the ledger stops and signs nothing more: ${reason}`)
    },

    async settle(signed) {
      if (waiting.length === 0) return null
      const refused: string[] = []
      let now = kept
      const taken = waiting.length
      for (const note of waiting.slice(0, taken)) {
        const opened = openWitnessed(note, deps, clock())
        if (typeof opened === 'string') refused.push(opened)
        else {
          refused.push(...opened.refused)
          if (opened.witnessed.by.size > 0) now = keepWitnessed(now, opened.witnessed)
        }
      }
      const value = encodeWitnessed(now)
      if (row === null || !Buffer.from(row).equals(value)) {
        const checks = [{ table: 'meta' as const, key: witnessedKey, expected: row }]
        const puts = [{ table: 'meta' as const, key: witnessedKey, value }]
        if (!(await catalog.commit({ checks, puts })))
          throw new HoldfastError('conflict', 'another sequencer writes this ledger')
        row = value
        waiting.splice(0, taken)
        const before = withCosignatures(signed)
        kept = now
        const after = withCosignatures(signed)
        if (after !== before) await tiles.publish(utf8(after))
        const best = mostWitnessed(kept)
        if (best !== null) await tiles.publish(utf8(best.note), witnessedPath)
      } else waiting.splice(0, taken)
      return { size: kept[0]?.size ?? 0, timeUnixS: witnessedTime(kept), refused }
    },
  }
}
