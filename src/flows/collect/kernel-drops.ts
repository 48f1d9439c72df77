import { readdir, readFile, readlink } from 'node:fs/promises'

/**
 * Datagrams that the kernel threw away because a socket's buffer was full, by the sockets' ports: Linux counts them in
 * /proc/net/udp and udp6. `null` where that cannot be read: then this loss is unknown, which is not none.
 */
export async function kernelDrops(ports: ReadonlySet<number>): Promise<number | null> {
  try {
    const own = await ownSockets()
    const tables = await Promise.all(
      ['/proc/net/udp', '/proc/net/udp6'].map(path => readFile(path, 'utf8').catch(() => '')),
    )
    return dropsIn(tables.join('\n'), ports, own)
  } catch {
    return null
  }
}

/** `null` when the table does not hold a socket of each port: another's numbers must not pass for ours. */
export function dropsIn(
  table: string,
  ports: ReadonlySet<number>,
  inodes: ReadonlySet<string>,
): number | null {
  const seen = new Set<number>()
  let drops = 0
  for (const line of table.split('\n')) {
    const cells = line.trim().split(/\s+/)
    if (cells.length < 13 || !inodes.has(cells[9]!)) continue
    const port = Number.parseInt(cells[1]!.slice(cells[1]!.lastIndexOf(':') + 1), 16)
    if (!ports.has(port)) continue
    seen.add(port)
    drops += Number(cells[12])
  }
  return seen.size === ports.size && Number.isFinite(drops) ? drops : null
}

/** Another process may have the same port at another address, so a socket is known by its inode. */
async function ownSockets(): Promise<ReadonlySet<string>> {
  const inodes = new Set<string>()
  for (const name of await readdir('/proc/self/fd')) {
    const target = await readlink(`/proc/self/fd/${name}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined) inodes.add(inode)
  }
  return inodes
}
