import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { namesIn } from '../support/names.ts'
import { sharedVectors } from '../support/shared-vectors.ts'

const folder = sharedVectors('pcap')

/** TCP connections with the host name that the other tool found; its UDP ones are questions to name servers, and older. */
function published(name: string): string[] {
  const text = readFileSync(join(folder!, `${name}.ndpi.txt`), 'utf8')
  const line = /\tTCP [^ ]+:(\d+) (?:<->|->) ([^ ]+:\d+) .*?\[Hostname\/SNI: ([^\]]+)\]/g
  return [...text.matchAll(line)].map(([, port, to, host]) => `${port} ${to} ${host!.toLowerCase()}`).sort()
}

describe.skipIf(folder === null)('vectors: names that another tool found in captures', () => {
  it.each([
    ['weibo', 11],
    ['wechat', 28],
  ] as const)('%s: the same for every TCP connection', async (name, count) => {
    const { seen, refused } = await namesIn(readFileSync(join(folder!, `${name}.pcap`)))
    const ours = new Set<string>()
    for (const { socket, dstAddr, name: host } of seen)
      if (socket !== null) ours.add(`${socket.srcPort} ${dstAddr}:${socket.dstPort} ${host}`)
    expect(published(name)).toHaveLength(count)
    expect([...ours].sort()).toEqual(published(name))
    expect(refused).toBe(0)
  })
})
