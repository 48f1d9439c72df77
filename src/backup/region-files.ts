/**
 * Which files of a region's folder itself are the region's: keys, certificates, names. What else lies there (an editor's
 * or a file system's hidden file) is in no backup, and neither is a lock: where the backup is restored, the number in it
 * is another process's.
 */
export function isRegionFile(name: string): boolean {
  return (
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) &&
    !/\.tmp$|\.lock(?:\.|$)/.test(name) &&
    name !== 'restored.json'
  )
}
