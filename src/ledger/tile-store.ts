import type { NotePath } from '../verify/tile-path.ts'

/**
 * The port to the public half of a log: the resources of C2SP `tlog-tiles`, by their path under the log's prefix.
 *
 * Contract, which `test/contract/tile-store.test.ts` holds every adapter to:
 * - `writeTiles` MUST NOT resolve before every resource is on stable storage under its name. If it rejects, any part
 *   of them may be there, each whole or not at all. Writing a resource again MUST be allowed (recovery does), and
 *   MUST leave a whole resource at every moment.
 * - `publish` MUST replace the checkpoint, or the one that witnesses have cosigned, atomically and durably: a reader, also after a crash, sees the old one or
 *   the new one. It MUST NOT be reordered before a `writeTiles` that resolved earlier.
 * - `read` MUST return whole resources only, and `null` for what is absent or is no resource of a log: paths come
 *   from strangers.
 * - `dropPartials` removes the partial forms of full resources. It MAY do so later or not at all, and MUST NOT
 *   remove anything else.
 */
export interface TileStore {
  writeTiles(resources: readonly TileResource[]): Promise<void>
  /** Left out, `path` is the newest checkpoint's. */
  publish(checkpoint: Uint8Array, path?: NotePath): Promise<void>
  read(path: string): Promise<Uint8Array | null>
  dropPartials(fullPaths: readonly string[]): Promise<void>
}

export interface TileResource {
  readonly path: string
  readonly bytes: Uint8Array
}
