/**
 * A region's disk for tests, with everything that the contracts of the two ports allow it to do to whoever writes: a
 * write that fails and did not persist, one that fails and did, one that shows only after the next start, a disk that is
 * full for a while, and power cuts that lose whatever was not acknowledged, in any subset.
 */
import { equalBytes } from '../../src/core/bytes.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import type { TileResource, TileStore } from '../../src/ledger/tile-store.ts'
import type { Catalog, CatalogBatch } from '../../src/store/catalog.ts'
import { createMemoryCatalog, type MemoryCatalog } from '../../src/store/memory-catalog.ts'
import { checkpointPath, isLogResource } from '../../src/verify/tile-path.ts'
import type { Chance } from './random.ts'

/**
 * `lost`: rejects, nothing kept. `kept`: rejects, all kept. `half`: rejects, of a write of several resources a part is
 * kept. `late`: an error of the sync: what was written is not there for this process (catalog) or not durable (tiles),
 * and may be there after the next start. `full`: rejects, and so do the next few. `cut`: the power fails in the write.
 */
export const faultKinds = ['lost', 'kept', 'half', 'late', 'full', 'cut'] as const
export type FaultKind = (typeof faultKinds)[number]

class PowerCut extends Error {
  constructor() {
    super('injected: the power is cut')
  }
}

export interface FaultyDisk {
  readonly catalog: Catalog
  readonly tiles: TileStore & { readonly visible: ReadonlyMap<string, Uint8Array> }
  /** Writes so far, of both stores. */
  writes(): number
  /** From here on nothing fails. */
  heal(): void
  isCut(): boolean
  /**
   * The power is back. `lostCommits`: acknowledged commits of the catalog that the disk has lost; `forgetsTiles`: tiles
   * that it has acknowledged may be lost. Both break the contract.
   */
  restart(lies?: { readonly lostCommits?: number; readonly forgetsTiles?: boolean }): Promise<void>
}

export interface DiskImage {
  readonly batches: readonly CatalogBatch[]
  readonly tiles: ReadonlyMap<string, Uint8Array>
}

/** `faults`: what happens at the writes of these numbers, counted from 0. */
export async function createFaultyDisk(
  faults: ReadonlyMap<number, FaultKind>,
  chance: Chance,
  image: DiskImage = { batches: [], tiles: new Map() },
): Promise<FaultyDisk & { image(): DiskImage }> {
  let number = 0
  let healed = false
  let cut = false
  let fullFor = 0
  let inner: MemoryCatalog = await replayed(image.batches)
  let batches = [...image.batches]
  /** Of which it is not known whether they will show after the next start. */
  let late: CatalogBatch | null = null
  let visible = new Map(image.tiles)
  let durable = new Map(image.tiles)

  const faultNow = (): FaultKind | null => {
    demandPower()
    const fault = faults.get(number++) ?? null
    if (healed) return null
    if (fault === 'full') fullFor = 1 + chance.below(4)
    if (fullFor > 0) {
      fullFor--
      return 'full'
    }
    return fault
  }
  const demandPower = (): void => {
    if (cut) throw new PowerCut()
  }
  const failure = (fault: FaultKind): Error => {
    if (fault === 'cut') {
      cut = true
      return new PowerCut()
    }
    return fault === 'full'
      ? new HoldfastError('store-full', 'injected: the disk is full')
      : new Error(`injected: ${fault}`)
  }
  const apply = async (batch: CatalogBatch): Promise<boolean> => {
    const held = await inner.commit(batch)
    if (held) {
      batches.push(batch)
      late = null
    }
    return held
  }

  const catalog: Catalog = {
    async get(table, key) {
      demandPower()
      return inner.get(table, key)
    },
    async scan(table, range) {
      demandPower()
      return inner.scan(table, range)
    },
    async commit(batch) {
      const fault = faultNow()
      if (fault === null) return apply(batch)
      if (fault === 'late') late = batch
      const keeps = fault === 'kept' || ((fault === 'cut' || fault === 'half') && chance.below(2) === 0)
      if (keeps) await apply(batch)
      throw failure(fault)
    },
    async [Symbol.asyncDispose]() {},
  }

  const write = (resources: readonly TileResource[]): void => {
    const fault = faultNow()
    for (const { path, bytes } of resources) {
      const copy = new Uint8Array(bytes)
      const isWritten =
        fault === null || fault === 'kept' || fault === 'late'
          ? true
          : fault === 'lost' || fault === 'full'
            ? false
            : chance.below(2) === 0
      if (isWritten) visible.set(path, copy)
      if (fault === null || fault === 'kept') durable.set(path, copy)
    }
    if (fault !== null) throw failure(fault)
  }

  const tiles: FaultyDisk['tiles'] = {
    get visible() {
      return visible
    },
    async writeTiles(resources) {
      write(resources)
    },
    async publish(checkpoint, path = checkpointPath) {
      write([{ path, bytes: checkpoint }])
    },
    async read(path) {
      demandPower()
      return isLogResource(path) ? (visible.get(path) ?? null) : null
    },
    async dropPartials(fullPaths) {
      const fault = faultNow()
      // Never synced: a power cut may bring any of them back.
      if (fault !== 'lost' && fault !== 'full')
        for (const path of visible.keys())
          if (
            fullPaths.some(full => path.startsWith(`${full}.p/`)) &&
            (fault === null || chance.below(2) === 0)
          )
            visible.delete(path)
      if (fault !== null) throw failure(fault)
    },
  }

  return {
    catalog,
    tiles,
    writes: () => number,
    heal: () => {
      healed = true
    },
    isCut: () => cut,
    image: () => ({ batches, tiles: durable }),
    async restart({ lostCommits = 0, forgetsTiles = false } = {}) {
      cut = false
      fullFor = 0
      if (late !== null && chance.below(2) === 0) await apply(late)
      late = null
      if (lostCommits > 0) {
        batches = batches.slice(0, Math.max(0, batches.length - lostCommits))
        inner = await replayed(batches)
      }
      const after = new Map<string, Uint8Array>()
      for (const path of new Set([...visible.keys(), ...durable.keys()])) {
        const [seen, synced] = [visible.get(path), durable.get(path)]
        const same = seen !== undefined && synced !== undefined && equalBytes(seen, synced)
        const bytes = same || chance.below(2) === 0 ? seen : synced
        if (forgetsTiles && path !== checkpointPath && chance.below(3) === 0) continue
        if (bytes !== undefined) after.set(path, bytes)
      }
      visible = after
      durable = new Map(after)
    },
  }
}

async function replayed(batches: readonly CatalogBatch[]): Promise<MemoryCatalog> {
  const catalog = createMemoryCatalog()
  for (const batch of batches) await catalog.commit(batch)
  return catalog
}
