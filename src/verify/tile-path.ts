/** Names of a log's resources (C2SP `tlog-tiles`), relative to its prefix. */
export const tileWidth = 256
export const checkpointPath = 'checkpoint'
/**
 * Ours, beside what `tlog-tiles` has: the checkpoint that most witnesses have cosigned, the newest of these. A log that
 * is busy has published a newer one by the time that the witnesses have answered.
 */
export const witnessedPath = 'witnessed'
export type NotePath = typeof checkpointPath | typeof witnessedPath

/** `level` is a number, or `entries` for a bundle; `width` 256 is the full tile. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  const full = `tile/${level}/${indexPath(index)}`
  return width === tileWidth ? full : `${full}.p/${width}`
}

/** How many hashes tile `index` at `level` holds in a tree of `size` leaves: 0 when it is not there. */
export function tileWidthAt(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / tileWidth ** level)
  return Math.max(0, Math.min(tileWidth, hashes - index * tileWidth))
}

/** Whether a path from outside names a resource that a log can have, and so can be opened as a file. */
export function isLogResource(path: string): boolean {
  if (path === checkpointPath || path === witnessedPath) return true
  return /^tile\/(?:entries|[0-9]|[1-5][0-9]|6[0-3])\/(?:x[0-9]{3}\/){0,5}[0-9]{3}(?:\.p\/[1-9][0-9]{0,2})?$/.test(
    path,
  )
}

function indexPath(index: number): string {
  let path = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  }
  return path
}
