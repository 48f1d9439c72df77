/**
 * The port to a place for files of our own making, outside of a region: backups and copies of public logs.
 *
 * Contract, which `test/contract/depot.test.ts` holds every adapter to:
 * - A file MUST be there whole or not at all, at every moment and after any crash; what replaces one is seen whole too.
 * - After `sync`, everything that was put before MUST survive a power cut.
 * - `read` MUST reject with `store-damaged` when there are not exactly as many bytes as its file was found with, and
 *   with `not-found` when there is no file.
 * - Paths are relative, of letters, digits, `.`, `_`, `-` and `/`, and of our own making.
 */
export interface Depot {
  /** For messages: a folder's path or a remote's name and bucket. */
  readonly name: string
  put(path: string, bytes: Uint8Array, headers?: DepotHeaders): Promise<void>
  /** Puts the first `bytes` bytes of a local file; returns their SHA-256 in hex. */
  putFile(path: string, source: string, bytes: number): Promise<string>
  /** All of a file in memory; `null`: there is none. */
  get(path: string): Promise<Uint8Array | null>
  read(path: string): AsyncGenerator<Uint8Array, void>
  /** Length and, where it can be had, SHA-256 in hex: of a folder by reading. `null`: there is no such file. */
  find(path: string, digest: boolean): Promise<DepotFile | null>
  /** Files whose path starts so, in no order. */
  list(prefix: string): AsyncGenerator<{ readonly path: string; readonly bytes: number }, void>
  remove(path: string): Promise<void>
  sync(): Promise<void>
  /** Removes what a crash left half written. Nobody else may be writing there. */
  sweep(): Promise<void>
}

export interface DepotFile {
  readonly bytes: number
  readonly sha256: string | null
}

/** What a web server, or a remote that acts as one, should say of the file. A folder has no place for it. */
export interface DepotHeaders {
  readonly contentType: string
  readonly cacheControl: string
}
