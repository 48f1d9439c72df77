import { describe, expect, it } from 'vitest'
import { u } from '../support/export-messages.ts'
import { ethernet, ipv4, pcap } from '../support/packets.ts'
import { flowLine, readFlows } from '../support/read-flows.ts'

const udp = (bytes: number) =>
  Buffer.concat([u(2, 1000), u(2, 53), u(2, 8 + bytes), u(2, 0), Buffer.alloc(bytes)])
const plain = ipv4({ payload: udp(92) })
const line = '10.0.0.1:1000>10.0.0.2:53/17 1/120'

const ipv6 = Buffer.concat([
  u(4, 0x6000_0000),
  u(2, 8 + 20),
  u(1, 0), // hop-by-hop options first
  u(1, 64),
  Buffer.concat([u(8, 0x2001_0db8_0000_0000n), u(8, 1)]),
  Buffer.concat([u(8, 0x2001_0db8_0000_0000n), u(8, 2)]),
  Buffer.concat([u(1, 17), u(1, 0), u(6, 0)]),
  udp(12),
])

describe('link layers', () => {
  const label = (isLast: boolean) => u(4, isLast ? 0x0000_0140 : 0x0000_0040)
  it.each([
    ['Ethernet', 1, ethernet(0x0800, plain)],
    ['one VLAN tag', 1, ethernet(0x8100, Buffer.concat([u(2, 5), u(2, 0x0800), plain]))],
    [
      'two VLAN tags',
      1,
      ethernet(0x88a8, Buffer.concat([u(2, 5), u(2, 0x8100), u(2, 6), u(2, 0x0800), plain])),
    ],
    ['PPPoE', 1, ethernet(0x8864, Buffer.concat([u(6, 0x1100), u(2, 0x0021), plain]))],
    ['MPLS', 1, ethernet(0x8847, label(false), label(true), plain)],
    ['MPLS around Ethernet', 1, ethernet(0x8847, label(true), u(4, 0), ethernet(0x0800, plain))],
    ['VLAN within PBB', 1, ethernet(0x88e7, u(4, 5), ethernet(0x8100, u(2, 5), u(2, 0x0800), plain))],
    ['SNAP', 1, ethernet(128, u(3, 0xaaaa03), u(3, 0), u(2, 0x0800), plain)],
    ['PPP', 9, Buffer.concat([u(2, 0xff03), u(2, 0x0021), plain])],
    ['Cisco HDLC', 104, Buffer.concat([u(2, 0x0f00), u(2, 0x0800), plain])],
    ['MPLS alone', 219, Buffer.concat([label(true), plain])],
    [
      'IEEE 802.11 behind radiotap',
      127,
      Buffer.concat([
        Buffer.from([0, 0, 8, 0, 0, 0, 0, 0]),
        Buffer.from([0x88, 0x01]),
        Buffer.alloc(24),
        Buffer.concat([u(3, 0xaaaa03), u(3, 0), u(2, 0x0800), plain]),
      ]),
    ],
    ['raw IP', 101, plain],
    ['NULL', 0, Buffer.concat([Buffer.from([2, 0, 0, 0]), plain])],
    ['LOOP', 108, Buffer.concat([u(4, 2), plain])],
    ['Linux cooked', 113, Buffer.concat([u(2, 4), Buffer.alloc(12), u(2, 0x0800), plain])],
    ['Linux cooked 2', 276, Buffer.concat([u(2, 0x0800), Buffer.alloc(18), plain])],
  ])('%s', async (_, linkType, frame) => {
    const { records, input } = await readFlows(pcap(linkType, [frame]))
    expect(records.map(flowLine)).toEqual([line])
    expect(records[0]!.original).toEqual({ bytes: frame.length, packets: 1, basis: 'frame' })
    expect(records[0]!.payloadBytes).toBe(92)
    expect(input.unread).toEqual([])
  })

  it('IPv6 behind extension headers', async () => {
    const { records } = await readFlows(pcap(101, [ipv6]))
    expect(records.map(flowLine)).toEqual(['2001:db8::1:1000>2001:db8::2:53/17 1/68'])
    expect(records[0]!.payloadBytes).toBe(12)
  })

  it('counts what is not IP, and what it cannot read, by reason', async () => {
    const { records, input } = await readFlows(
      pcap(1, [
        ethernet(0x0806, Buffer.alloc(28)),
        Buffer.alloc(5),
        ethernet(0x0800, Buffer.from([0x45, 0])),
      ]),
    )
    expect(records).toEqual([])
    expect(input.setAside).toEqual([{ reason: 'not IP: ethertype 0x0806', count: 1, bytes: 42 }])
    expect(input.unread.map(({ reason }) => reason).toSorted()).toEqual([
      'IP header cut off',
      'frame shorter than its link header',
    ])
    const unknown = await readFlows(pcap(147, [plain]))
    expect(unknown.input.unread[0]!.reason).toBe('link type 147 is not one we read')
  })
})

describe('tunnels', () => {
  const inner = ipv4({ payload: udp(100), from: '172.16.0.1', to: '172.16.0.2' })
  const port = (number: number) => (head: Buffer) =>
    Buffer.concat([u(2, 1000), u(2, number), u(2, 8 + head.length), u(2, 0), head])
  it.each([
    ['GRE', 47, Buffer.concat([u(2, 0), u(2, 0x0800), inner]), '10.0.0.1:0>10.0.0.2:0/47'],
    ['IP in IP', 4, inner, '10.0.0.1:0>10.0.0.2:0/4'],
    [
      'VXLAN',
      17,
      port(4789)(Buffer.concat([u(8, 0x0800_0000_0000_0100n), ethernet(0x0800, inner)])),
      '10.0.0.1:1000>10.0.0.2:4789/17',
    ],
    [
      'GENEVE',
      17,
      port(6081)(Buffer.concat([u(8, 0x0000_6558_0000_0100n), ethernet(0x0800, inner)])),
      '10.0.0.1:1000>10.0.0.2:6081/17',
    ],
  ])('%s belongs to its outer addresses, whole', async (_, protocol, payload, expected) => {
    const { records } = await readFlows(pcap(101, [ipv4({ payload, protocol })]))
    expect(records.map(flowLine)).toEqual([`${expected} 1/${20 + payload.length}`])
  })
})

describe('IP packets', () => {
  it('joins fragments to their flow by the first one’s ports', async () => {
    const frames = [
      ipv4({ payload: udp(100), flags: 0x2000, id: 9 }),
      ipv4({ payload: Buffer.alloc(50), flags: 14, id: 9 }),
      ipv4({ payload: Buffer.alloc(50), flags: 14, id: 8 }),
    ]
    const { records } = await readFlows(pcap(101, frames))
    expect(records.map(flowLine)).toEqual([
      '10.0.0.1:1000>10.0.0.2:53/17 2/198',
      '10.0.0.1:0>10.0.0.2:0/17 1/70',
    ])
  })

  it('takes lengths from the header and not from a short capture, and never more than the wire had', async () => {
    const short = await readFlows(pcap(101, [ipv4({ payload: udp(0), length: 1500 })], 1500))
    expect(short.records[0]).toMatchObject({ ipBytes: 1500, payloadBytes: 1472 })
    const lie = await readFlows(pcap(101, [ipv4({ payload: udp(0), length: 9000 })]))
    expect(lie.records[0]!.ipBytes).toBe(28)
    const offloaded = await readFlows(pcap(101, [ipv4({ payload: udp(72), length: 0 })]))
    expect(offloaded.records[0]!.ipBytes).toBe(100)
  })

  it('ends a flow after a minute of silence, as exporters do', async () => {
    const bytes = pcap(101, [plain, plain, plain])
    bytes.writeUInt32BE(1_700_000_500, 24 + 2 * (16 + plain.length))
    const { records } = await readFlows(bytes)
    expect(records.map(({ packets }) => packets)).toEqual([2, 1])
  })
})
