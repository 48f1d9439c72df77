import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import { readFlows } from '../support/read-flows.ts'
import { sharedVectors } from '../support/shared-vectors.ts'

const folder = sharedVectors('pcap')

type Sum = { packets: number; frameBytes: number }

const protocols: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, IGMP: 2, ICMP: 1, ICMPV6: 58 }

/** Flows as the other tool printed them: one line for both directions, with packets and frame bytes of each. */
function published(name: string): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  const text = readFileSync(join(folder!, `${name}.ndpi.txt`), 'utf8')
  const line =
    /^\t\d+\t(\w+) \[?([^\s\]]+?)\]?:(\d+) <?->? \[?([^\s\]]+?)\]?:(\d+) .*\[(\d+) pkts\/(\d+) bytes <?->? (\d+) pkts\/(\d+) bytes\]/
  for (const row of text.split('\n')) {
    const match = line.exec(row)
    if (match === null) continue
    const [, protocol, a, aPort, b, bPort, aPackets, aBytes, bPackets, bBytes] = match
    const number = protocols[protocol!]!
    add(sums, `${a} ${aPort} ${b} ${bPort} ${number}`, Number(aPackets), Number(aBytes))
    add(sums, `${b} ${bPort} ${a} ${aPort} ${number}`, Number(bPackets), Number(bBytes))
  }
  return sums
}

function ours(records: readonly FlowRecord[]): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const { srcAddr, srcPort, dstAddr, dstPort, protocol, original } of records) {
    const key = `${srcAddr} ${srcPort} ${dstAddr} ${dstPort} ${protocol}`
    add(sums, key, original.packets, original.bytes)
  }
  return sums
}

function add(sums: Map<string, Sum>, key: string, packets: number, frameBytes: number): void {
  if (packets === 0) return
  const sum = sums.get(key) ?? { packets: 0, frameBytes: 0 }
  sums.set(key, { packets: sum.packets + packets, frameBytes: sum.frameBytes + frameBytes })
}

describe.skipIf(folder === null)('vectors: captures that another tool counted', () => {
  it.each(['wechat', 'weibo'])('%s: every flow has the same packets and frame bytes each way', async name => {
    const { records, input } = await readFlows(readFileSync(join(folder!, `${name}.pcap`)))
    const expected = published(name)
    expect(expected.size).toBeGreaterThan(40)
    expect(Object.fromEntries(ours(records))).toEqual(Object.fromEntries(expected))
    expect(input).toMatchObject({ formats: ['pcap'], unread: [], lost: [] })
    for (const { ipBytes, payloadBytes, original } of records) {
      expect(original.basis).toBe('frame')
      expect(ipBytes).toBeLessThanOrEqual(original.bytes - 14 * original.packets)
      expect(payloadBytes).toBeLessThan(ipBytes)
    }
  })

  it('reads pcapng, and both kinds the same in chunks of any size', async () => {
    for (const [name, packets] of [
      ['http-bro-org.pcap', 751],
      ['irc-dcc-send.pcapng', 1184],
    ] as const) {
      const bytes = readFileSync(join(folder!, name))
      const whole = await readFlows(bytes)
      expect(whole.records.reduce((sum, record) => sum + record.packets, 0)).toBe(packets)
      expect((await readFlows(bytes, 977)).records).toEqual(whole.records)
    }
  })

  it('reads a capture that was cut off up to the cut, and says so', async () => {
    const bytes = readFileSync(join(folder!, 'http-bro-org.pcap'))
    const { records, input } = await readFlows(bytes.subarray(0, bytes.length / 2))
    expect(records.length).toBeGreaterThan(5)
    expect(input.unread.map(({ reason }) => reason)).toEqual(['pcap: cut off within its last frame'])
  })
})
