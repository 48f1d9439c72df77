import { describe, expect, it } from 'vitest'
import { readDnsAnswer } from '../../../src/flows/names/dns-message.ts'
import { u } from '../../support/export-messages.ts'
import {
  aRecord,
  type DnsRecord,
  dnsAnswer,
  labels,
  namesIn,
  tcpPacket,
  udpPacket,
} from '../../support/names.ts'
import { pcap } from '../../support/packets.ts'
import { createChance } from '../../support/random.ts'

const raw = 101
const client = '10.0.0.1'
const resolver = '10.0.0.53'
const ends = { from: resolver, to: client, srcPort: 53, dstPort: 41_000 } as const
/** The question's own name, which begins behind the header. */
const asked = u(2, 0xc00c)
const cname = (owner: Buffer, target: Buffer, ttl: number): DnsRecord => ({
  owner,
  type: 5,
  ttl,
  data: target,
})

describe('answers of name servers', () => {
  it('gives the name that was asked for to each address that it leads to, as long as the shortest TTL on the way', () => {
    const message = dnsAnswer('WWW.Shop.example', [
      aRecord(labels('edge.cdn.example'), '203.0.113.1', 600),
      cname(asked, labels('shop.cdn.example'), 300),
      cname(labels('shop.cdn.example'), labels('edge.cdn.example'), 20),
      aRecord(labels('edge.cdn.example'), '203.0.113.2', 5),
      aRecord(labels('another.example'), '203.0.113.3', 600),
    ])
    expect(readDnsAnswer(message)).toEqual({
      name: 'www.shop.example',
      addresses: [
        { address: '203.0.113.1', ttlSeconds: 20 },
        { address: '203.0.113.2', ttlSeconds: 5 },
      ],
    })
  })

  it('reads IPv6, pointers within names, and a TTL with its highest bit set as none', () => {
    const message = dnsAnswer(
      'v6.example',
      [
        {
          owner: asked,
          type: 28,
          ttl: 0x8000_0001,
          data: Buffer.from('20010db8000000000000000000000001', 'hex'),
        },
      ],
      28,
    )
    expect(readDnsAnswer(message)!.addresses).toEqual([{ address: '2001:db8::1', ttlSeconds: 0 }])
    // "cdn" and then the question's "example".
    const target = Buffer.concat([u(1, 3), Buffer.from('cdn'), u(2, 0xc00e)])
    const short = dnsAnswer('a.example', [
      cname(asked, target, 60),
      aRecord(labels('cdn.example'), '203.0.113.1'),
    ])
    expect(readDnsAnswer(short)!.addresses).toHaveLength(1)
  })

  it('ends at loops of pointers and of aliases, and at what is cut off', () => {
    const self = Buffer.concat([
      u(2, 7),
      u(2, 0x8180),
      u(2, 1),
      u(2, 1),
      u(4, 0),
      u(2, 0xc00c),
      u(2, 1),
      u(2, 1),
    ])
    expect(readDnsAnswer(self)).toBeNull()
    const forward = dnsAnswer('a.example', [aRecord(u(2, 0xffff), '203.0.113.1')])
    expect(readDnsAnswer(forward)!.addresses).toEqual([])
    const ring = dnsAnswer('a.example', [
      cname(asked, labels('b.example'), 60),
      cname(labels('b.example'), labels('a.example'), 60),
      aRecord(labels('b.example'), '203.0.113.1'),
    ])
    expect(readDnsAnswer(ring)!.addresses).toHaveLength(1)
    const chance = createChance(3)
    for (let run = 0; run < 20_000; run++) {
      const bytes = Buffer.from(ring.subarray(0, chance.below(ring.length + 1)))
      for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[chance.below(bytes.length)] = chance.below(256)
      readDnsAnswer(bytes)
    }
  })

  it('takes nothing from questions, errors, other types, and names that no host has', () => {
    const records = [aRecord(asked, '203.0.113.1')]
    expect(readDnsAnswer(dnsAnswer('a.example', records, 1, 0x0100))).toBeNull()
    expect(readDnsAnswer(dnsAnswer('a.example', records, 1, 0x8183))).toBeNull()
    expect(readDnsAnswer(dnsAnswer('a.example', records, 16))).toBeNull()
    expect(readDnsAnswer(dnsAnswer('<b>.example', records))).toBeNull()
  })

  it('is for the client that asked, over UDP and over TCP in pieces', async () => {
    const message = dnsAnswer('a.example', [
      aRecord(asked, '203.0.113.1', 3600),
      aRecord(asked, '203.0.113.2', 1),
    ])
    const framed = Buffer.concat([u(2, message.length), message])
    const overUdp = await namesIn(pcap(raw, [udpPacket(ends, message)]), at => at === client)
    expect(overUdp.seen).toEqual(
      ['203.0.113.1', '203.0.113.2'].map((dstAddr, i) => ({
        ...{ server: 0, dstAddr, socket: null, name: 'a.example', source: 'dns', mayBeOuter: false },
        fromUnixMs: 1_700_000_000_000,
        // An hour, and the floor of ten minutes.
        untilUnixMs: 1_700_000_000_000 + [3_600_000, 600_000][i]!,
      })),
    )
    const pieces = [framed.subarray(0, 20), framed.subarray(20)].map((part, i) =>
      tcpPacket(ends, part, 5 + i * 20),
    )
    const overTcp = await namesIn(pcap(raw, pieces), at => at === client)
    expect(overTcp.seen.map(({ dstAddr }) => dstAddr)).toEqual(['203.0.113.1', '203.0.113.2'])
    expect((await namesIn(pcap(raw, [udpPacket(ends, message)]), at => at === resolver)).seen).toEqual([])
  })
})
