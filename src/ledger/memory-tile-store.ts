import { checkpointPath, isLogResource } from '../verify/tile-path.ts'
import type { TileResource, TileStore } from './tile-store.ts'

/** `lost` keeps nothing, `kept` everything, `half` the first half: each rejects. */
export type TileFault = 'lost' | 'kept' | 'half'

export interface MemoryTileStore extends TileStore {
  readonly resources: Map<string, Uint8Array>
  /** Asked before each write and publication; tests inject faults with it. */
  faults: ((paths: readonly string[]) => TileFault | null) | null
}

/** The reference adapter, for tests and for reading the contract as code. */
export function createMemoryTileStore(resources = new Map<string, Uint8Array>()): MemoryTileStore {
  const write = (written: readonly TileResource[]): void => {
    const fault = store.faults?.(written.map(({ path }) => path)) ?? null
    const kept = fault === 'lost' ? 0 : fault === 'half' ? written.length >> 1 : written.length
    for (const { path, bytes } of written.slice(0, kept)) resources.set(path, bytes.slice())
    if (fault !== null) throw new Error(`injected: ${fault}`)
  }
  const store: MemoryTileStore = {
    resources,
    faults: null,
    async writeTiles(written) {
      write(written)
    },
    async publish(checkpoint, path = checkpointPath) {
      write([{ path, bytes: checkpoint }])
    },
    async read(path) {
      return isLogResource(path) ? (resources.get(path) ?? null) : null
    },
    async dropPartials(fullPaths) {
      for (const path of resources.keys()) {
        if (fullPaths.some(full => path.startsWith(`${full}.p/`))) resources.delete(path)
      }
    },
  }
  return store
}
