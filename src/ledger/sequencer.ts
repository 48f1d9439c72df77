import { readU64be, u64be, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes, RegionId } from '../core/ids.ts'
import type { Catalog, Row } from '../store/catalog.ts'
import { printCheckpoint } from '../verify/checkpoint-text.ts'
import type { LogKeys } from '../verify/log-keys.ts'
import { type NoteSigner, printNote } from '../verify/note.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import { type Chain, decodeDrafts, enterDrafts, loadChains } from './enter.ts'
import { type LogState, type LogStores, recover } from './recover.ts'
import { encodeTreeState, signedKey, treeKey } from './tables.ts'
import type { TileStore } from './tile-store.ts'
import type { WitnessInbox, WitnessNews } from './witness-inbox.ts'

export interface SequencerDeps {
  readonly catalog: Catalog
  readonly tiles: TileStore
  readonly region: RegionId
  /** Of the region's log; its name is the log's origin. */
  readonly signer: NoteSigner
  /** Its keys so far; the signer's is the one in use. */
  readonly log: LogKeys
  readonly crypto: VerifyCrypto
  readonly randomBytes: RandomBytes
  /** Drafts that one tick takes at most. */
  readonly batchSize: number
  /** Left out: nothing is witnessed. */
  readonly inbox?: WitnessInbox
}

export interface TickOutcome {
  readonly entered: number
  /** Of the published tree. */
  readonly size: number
  /** Left out: no witness has answered since. */
  readonly witnessed?: WitnessNews
}

export interface Sequencer {
  /** One round. Must not be called again before it settled. After it rejected, the next call recovers first. */
  tick(): Promise<TickOutcome>
}

/** Tenants whose chain is kept in memory between ticks. */
const maxChains = 50_000
const maxBatchBytes = 8 << 20
const draftPage = 64

/**
 * The one writer of a region's ledger. A tick takes drafts in order and
 *
 *   (a) gives them leaf index, sequence number and chain, in memory;
 *   (b) commits entries, indices, chain heads and the new tree, and removes the drafts, all in one batch;
 *   (c) writes tiles and entry bundles, synced;
 *   (d) signs the checkpoint and commits it as signed;
 *   (e) publishes it;
 *   (f) takes in what witnesses have answered, commits it and publishes the checkpoint again with it.
 *
 * Crash points, and what the next start (`recover`, the same code) makes of them:
 * - before (b), or in it with nothing kept: the drafts are still there and are entered again, with fresh salts.
 *   No leaf of the first attempt left this process.
 * - in or after (b), before (c) ends: the catalog is ahead of what was signed; the tiles are made again from its
 *   entries. Tiles that were written are written again with the same bytes.
 * - between (c) and (d): as before; the same tree is signed.
 * - in or after (d), before (e): the recorded note is published as it is.
 * - after (e): nothing is left to do but to drop partial tiles, which may stay.
 * - in (f): `witness-inbox.ts`. The tree is the same before and after.
 *
 * Nothing is signed that (b) did not make durable, and nothing is published that (d) did not record: so no crash
 * makes the region sign two trees that contradict each other. Two sequencers on one catalog cannot either: (b) and
 * (d) are conditional on the row that they replace.
 */
export function createSequencer(deps: SequencerDeps): Sequencer {
  const { catalog, crypto, inbox, log, tiles } = deps
  const stores: LogStores = { catalog, tiles, crypto, log }
  let held: LogState | null = null
  const chains = new Map<string, Chain>()

  return {
    async tick() {
      const state = held ?? (await recover(stores))
      // Taken back at the end: whatever throws in between leaves nothing in memory to believe in.
      if (held === null) {
        chains.clear()
        await inbox?.load()
      }
      held = null
      await inbox?.demandGoing()
      // What an earlier tick left open is finished first, so that at most one batch is ever open.
      if (!state.published) await publish(deps, state)
      const entered = await enter(deps, state, chains)
      if (entered > 0) await publish(deps, state)
      const witnessed = state.signed === null ? null : ((await inbox?.settle(state.signed)) ?? null)
      held = state
      return { entered, size: state.builder.size, ...(witnessed !== null && { witnessed }) }
    },
  }
}

/** Steps (a) and (b). */
async function enter(deps: SequencerDeps, state: LogState, chains: Map<string, Chain>): Promise<number> {
  const { batchSize, catalog } = deps
  const rows = await nextDrafts(catalog, batchSize)
  if (rows.length === 0) return 0
  if (chains.size > maxChains) chains.clear()
  const drafts = decodeDrafts(rows)
  await loadChains(catalog, drafts, chains, deps.crypto)
  const { leaves, puts, removes } = enterDrafts(rows, drafts, state.builder.size, { ...deps, chains })
  for (const leaf of leaves) state.builder.append(leaf)
  const tree = encodeTreeState({ size: state.builder.size, root: state.builder.root() })
  puts.push({ table: 'meta', key: treeKey, value: tree })
  const checks = [{ table: 'meta' as const, key: treeKey, expected: state.tree }]
  if (!(await catalog.commit({ checks, puts, removes }))) throw rival()
  state.tree = tree
  state.published = false
  return rows.length
}

/** As many as a batch may hold, by number and by size: a draft can be a mebibyte, and the thread's memory is bounded. */
async function nextDrafts(catalog: Catalog, batchSize: number): Promise<Row[]> {
  const drafts: Row[] = []
  let bytes = 0
  for (let from: Uint8Array | undefined; drafts.length < batchSize && bytes < maxBatchBytes; ) {
    const limit = Math.min(draftPage, batchSize - drafts.length)
    const page = await catalog.scan('drafts', { limit, ...(from && { from }) })
    for (const row of page) {
      drafts.push(row)
      bytes += row.value.length
      if (bytes >= maxBatchBytes) break
    }
    if (page.length < limit) break
    from = u64be(readU64be(page.at(-1)!.key) + 1)
  }
  return drafts
}

/** Steps (c) to (e), from wherever they are to be taken up. */
async function publish(
  { catalog, crypto, inbox, signer, tiles }: SequencerDeps,
  state: LogState,
): Promise<void> {
  const { builder } = state
  const resources = [...builder.takeFull(), ...builder.takePartials()]
  if (resources.length > 0) await tiles.writeTiles(resources)

  if (state.signed === null || state.signedSize !== builder.size) {
    const body = printCheckpoint({ origin: signer.name, size: builder.size, root: builder.root() })
    const note = printNote(body, signer, crypto)
    const expected = state.signed === null ? null : utf8(state.signed)
    const checks = [{ table: 'meta' as const, key: signedKey, expected }]
    const puts = [{ table: 'meta' as const, key: signedKey, value: utf8(note) }]
    if (!(await catalog.commit({ checks, puts }))) throw rival()
    state.signed = note
    state.signedSize = builder.size
  }

  await tiles.publish(utf8(inbox?.withCosignatures(state.signed) ?? state.signed))
  state.published = true
  await tiles.dropPartials(builder.takeOutgrown())
}

function rival(): HoldfastError {
  return new HoldfastError('conflict', 'another sequencer writes this ledger')
}
