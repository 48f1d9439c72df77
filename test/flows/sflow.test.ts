import { describe, expect, it } from 'vitest'
import { captureHeader, datagramFrame, endFrame } from '../../src/flows/collect/capture-writer.ts'
import { address, ipfix, set, template, u } from '../support/export-messages.ts'
import { ethernet, ipv4, pcap, udpOf } from '../support/packets.ts'
import { flowLine, readFlows } from '../support/read-flows.ts'
import { expandedFlowSample, flowSample, rawHeader, sflow, tagged } from '../support/sflow-messages.ts'

const startUnixMs = 1_768_471_200_000

function capture(...datagrams: readonly Buffer[]): Buffer {
  const frames = datagrams.map((payload, i) =>
    datagramFrame({ arrivedUnixMs: startUnixMs + i * 1000, address: '203.0.113.7', port: 6343, payload }),
  )
  return Buffer.concat([captureHeader(), ...frames, endFrame(frames.length)])
}

/** The first 128 bytes of a packet of 1,480 bytes of TCP, as switches send them. */
const tcp = Buffer.concat([u(2, 443), u(2, 50_000), u(8, 1), u(1, 0x50), Buffer.alloc(200)])
const packet = ipv4({ payload: tcp, protocol: 6, length: 1500 }).subarray(0, 128)
const frame = rawHeader(1, ethernet(0x0800, packet), 1518)
const line = '10.0.0.1:443>10.0.0.2:50000/6'

describe('sFlow version 5', () => {
  it('sums samples of one connection, times the rate, by the length of the IP header', async () => {
    const sample = (sequence: number) => flowSample({ sequence, rate: 512 }, frame)
    const { records, input } = await readFlows(
      capture(sflow(1, [sample(1), sample(2)]), sflow(2, [sample(3)])),
    )
    expect(records.map(flowLine)).toEqual([`${line} ${3 * 512}/${3 * 512 * 1500}`])
    expect(records[0]).toMatchObject({
      exporter: '192.0.2.1',
      direction: 'in',
      payloadBytes: null,
      original: { bytes: 3 * 1518, packets: 3, basis: 'frame' },
      sampling: { rate: 512, from: 'record' },
      startUnixMs,
      endUnixMs: startUnixMs + 1000,
    })
    expect(input).toMatchObject({ unread: [], setAside: [], lost: [] })
  })

  it.each([
    ['a VLAN tag', 1, ethernet(0x8100, u(2, 5), u(2, 0x0800), packet)],
    ['two VLAN tags', 1, ethernet(0x88a8, u(2, 5), u(2, 0x8100), u(2, 6), u(2, 0x0800), packet)],
    ['MPLS', 1, ethernet(0x8847, u(4, 0x40), u(4, 0x140), packet)],
    ['PPPoE', 1, ethernet(0x8864, u(6, 0x1100), u(2, 0x0021), packet)],
    ['no link header', 11, packet],
    ['MPLS without Ethernet', 13, Buffer.concat([u(4, 0x140), packet])],
  ])('reads the packet behind %s', async (_, protocol, header) => {
    const sample = expandedFlowSample(
      { sequence: 1, rate: 10, output: 7, input: 9 },
      rawHeader(protocol, header, 1540),
    )
    const { records } = await readFlows(capture(sflow(1, [sample])))
    expect(records.map(flowLine)).toEqual([`${line} 10/15000`])
    expect(records[0]!.direction).toBe('out')
  })

  it.each([
    ['GRE', 47, Buffer.concat([u(4, 0x0800), packet]), '/47'],
    [
      'VXLAN',
      17,
      udpOf(Buffer.concat([u(8, 0x0800_0000_0000_0100n), ethernet(0x0800, packet)]), 9, 4789),
      '/17',
    ],
  ])('attributes %s to its outer addresses', async (_, protocol, payload, end) => {
    const outer = ipv4({ payload, protocol, from: '198.51.100.1', to: '203.0.113.9', length: 1400 })
    const sample = flowSample(
      { sequence: 1, rate: 1 },
      rawHeader(1, ethernet(0x0800, outer.subarray(0, 100)), 1414),
    )
    const { records } = await readFlows(capture(sflow(1, [sample])))
    expect(records.map(({ srcAddr, dstAddr, protocol: p }) => `${srcAddr}>${dstAddr}/${p}`)).toEqual([
      `198.51.100.1>203.0.113.9${end}`,
    ])
    expect(records[0]!.ipBytes).toBe(1400)
  })

  it('reads sampled IPv4 and IPv6, steps over what else a sample says, and counts a packet once', async () => {
    const ip = (...parts: readonly Buffer[]) => Buffer.concat(parts)
    const v4 = tagged(
      3,
      ip(u(4, 700), u(4, 17), address('10.0.0.1'), address('10.0.0.2'), u(4, 5), u(4, 53), u(8, 0)),
    )
    const host = (last: number) => Buffer.concat([u(8, 0x2001_0db8_0000_0000n), u(8, last)])
    const v6 = tagged(4, ip(u(4, 900), u(4, 6), host(1), host(2), u(4, 443), u(4, 9), u(8, 0)))
    const other = tagged(1001, Buffer.alloc(16))
    const { records, input } = await readFlows(
      capture(
        sflow(1, [
          flowSample({ sequence: 1, rate: 2 }, other, v4),
          flowSample({ sequence: 2, rate: 2 }, v6, other),
          flowSample({ sequence: 3, rate: 2 }, frame, v4),
          flowSample({ sequence: 4, rate: 2 }, tagged(2, Buffer.alloc(24))),
        ]),
      ),
    )
    expect(records.map(flowLine).toSorted()).toEqual([
      `${line} 2/3000`,
      '10.0.0.1:5>10.0.0.2:53/17 2/1400',
      '2001:db8::1:443>2001:db8::2:9/6 2/1800',
    ])
    expect(input.setAside).toEqual([
      { reason: 'sFlow: sample that shows no packet of IP', count: 1, bytes: 0 },
    ])
  })

  it('shows what was lost: datagrams, samples, and what the agent dropped', async () => {
    const sample = (sequence: number, drops: number) => flowSample({ sequence, rate: 4, drops }, frame)
    const { input } = await readFlows(
      capture(sflow(10, [sample(100, 3)]), sflow(12, [sample(105, 10)]), sflow(12, [sample(105, 10)])),
    )
    expect(input.lost.map(({ reason, count }) => [count, reason])).toEqual([
      [7, 'sFlow: samples that 192.0.2.1 dropped for want of resources'],
      [4, 'sFlow samples of 192.0.2.1 source 0:7'],
      [1, 'sFlow datagrams of 192.0.2.1 sub-agent 0'],
    ])
    expect(input.setAside.map(({ reason }) => reason)).toEqual(['sFlow: datagram that came twice'])
  })

  it('sets counters and discarded packets aside, and keeps rates apart', async () => {
    const { records, input } = await readFlows(
      capture(
        sflow(1, [
          tagged(2, Buffer.alloc(40)),
          tagged(4, Buffer.alloc(40)),
          flowSample({ sequence: 1, rate: 100, output: 0x4000_0001 }, frame),
          flowSample({ sequence: 2, rate: 100 }, frame),
          flowSample({ sequence: 3, rate: 200 }, frame),
        ]),
      ),
    )
    expect(records.map(flowLine)).toEqual([`${line} 100/150000`, `${line} 200/300000`])
    expect(input.setAside.map(({ count, reason }) => [count, reason])).toEqual([
      [2, 'sFlow: counter sample (what an interface says of itself)'],
      [1, 'sFlow: packet that the agent discarded: it did not pass'],
    ])
  })

  it('counts damage and reads what is before it', async () => {
    const whole = sflow(1, [
      flowSample({ sequence: 1, rate: 1 }, frame),
      flowSample({ sequence: 2, rate: 1 }, frame),
    ])
    const { records, input } = await readFlows(capture(whole.subarray(0, whole.length - 20)))
    expect(records.map(flowLine)).toEqual([`${line} 1/1500`])
    expect(input.unread.map(({ reason }) => reason)).toEqual(['sFlow: sample runs past its datagram'])
  })

  it('is read as bare datagrams too, and says that they have no date', async () => {
    const sample = (sequence: number) => flowSample({ sequence, rate: 1 }, frame)
    const { records, input } = await readFlows(Buffer.concat([sflow(1, [sample(1)]), sflow(2, [sample(2)])]))
    expect(input.formats).toEqual(['sflow'])
    expect(records.map(flowLine)).toEqual([`${line} 2/3000`])
    expect(input.remarks.join()).toContain('no date')
  })
})

describe('exports within a packet capture', () => {
  const fields = [
    [8, 4],
    [12, 4],
    [1, 4],
    [2, 4],
  ]
  const row = Buffer.concat([address('10.9.0.1'), address('198.51.100.9'), u(4, 5000), u(4, 7)])
  const message = ipfix(0, 1, set(2, template(256, fields)), set(256, row))
  const carried = (payload: Buffer, port: number) =>
    ipv4({ payload: udpOf(payload, 9000, port), from: '192.0.2.50', to: '192.0.2.60' })
  const exported = '10.9.0.1:0>198.51.100.9:0/0 7/5000'

  it('are read at any port, and their packets are traffic like any other', async () => {
    const { records, input } = await readFlows(pcap(101, [carried(message, 31_337)]))
    expect(records.map(flowLine).toSorted()).toEqual([
      exported,
      `192.0.2.50:9000>192.0.2.60:31337/17 1/${28 + message.length}`,
    ])
    expect(records.find(({ srcAddr }) => srcAddr === '10.9.0.1')).toMatchObject({ exporter: '192.0.2.50' })
    expect(input.remarks.join()).toContain('the capture holds flow exports')
  })

  it('are dated by the capture where they say no date', async () => {
    const datagram = sflow(1, [flowSample({ sequence: 1, rate: 2 }, frame)])
    const { records } = await readFlows(pcap(1, [ethernet(0x0800, carried(datagram, 6343))]))
    const flow = records.find(({ exporter }) => exporter === '192.0.2.1')!
    expect(flowLine(flow)).toBe(`${line} 2/3000`)
    expect(flow.startUnixMs).toBe(1_700_000_000_000)
  })

  it('are told from what only begins like one', async () => {
    const broken = Buffer.concat([message.subarray(0, 20), Buffer.alloc(30, 7)])
    const { records, input } = await readFlows(pcap(101, [carried(broken, 5000)]))
    expect(records).toHaveLength(1)
    expect(input.remarks).toEqual([])
  })

  it('are not looked for in a UDP length that is a lie', async () => {
    const payload = Buffer.concat([u(2, 9), Buffer.alloc(60)])
    for (const stated of [0, 8, 9, 11, 20]) {
      const lie = Buffer.concat([u(2, 9), u(2, 2055), u(2, stated), u(2, 0), payload])
      const { records } = await readFlows(pcap(101, [ipv4({ payload: lie })]))
      expect(records).toHaveLength(1)
    }
  })

  it('are read up to where the capture cut them', async () => {
    const cut = carried(ipfix(0, 1, set(2, template(256, fields)), set(256, row), set(256, row)), 4739)
    const { records, input } = await readFlows(pcap(101, [cut.subarray(0, cut.length - 8)], cut.length))
    expect(records.map(flowLine)).toContain(exported)
    expect(input.unread.map(({ reason }) => reason)).toContain('IPFIX: set runs past its message')
    expect(input.remarks.join()).toContain('snap length')
  })
})
