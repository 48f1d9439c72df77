import { describe, expect, it } from 'vitest'
import { emptyPacket, readIpPacket } from '../../../src/flows/decode/ip-packet.ts'
import { readClientHello, readHelloRecords } from '../../../src/flows/names/client-hello.ts'
import { createPacketNames } from '../../../src/flows/names/packet-names.ts'
import { cryptoFrames, initialKeys, openInitials } from '../../../src/flows/names/quic-initial.ts'
import {
  clientInitial,
  cryptoFrame,
  helloMessage,
  inRecords,
  nameLine,
  namesIn,
  protectInitial,
  realHello,
  serverName,
  tcpPacket,
  udpPacket,
} from '../../support/names.ts'
import { pcap } from '../../support/packets.ts'
import { createChance } from '../../support/random.ts'

const raw = 101
const ends = { from: '10.0.0.1', to: '203.0.113.9', srcPort: 40_000, dstPort: 443 } as const
const ech = [0xfe0d, Buffer.from([0, 0, 1, 0, 1, 9, 0, 0, 0, 0])] as const

describe('TLS', () => {
  it('reads the name that Node sends, wherever the hello is cut, and in any order of what follows', async () => {
    const hello = await realHello('Api.Example.COM')
    for (let cut = 6; cut < hello.length; cut += 7) {
      const [a, b] = [hello.subarray(0, cut), hello.subarray(cut)]
      const half = Math.ceil(b.length / 2)
      const frames = [
        tcpPacket(ends, a, 0xffff_fff0),
        tcpPacket(ends, b.subarray(half), (0xffff_fff0 + cut + half) % 2 ** 32),
        tcpPacket(ends, b.subarray(0, half), (0xffff_fff0 + cut) % 2 ** 32),
      ]
      const { seen } = await namesIn(pcap(raw, frames))
      expect(seen.map(nameLine)).toEqual(['api.example.com sni 203.0.113.9:443'])
    }
  })

  it('reads a hello of several records, and one that was sent twice', async () => {
    const hello = inRecords(helloMessage([serverName('a.example')]), 20)
    const frames = [hello.subarray(0, 40), hello.subarray(0, 60), hello.subarray(50)].map((part, i) =>
      tcpPacket(ends, part, 1000 + [0, 0, 50][i]!),
    )
    expect((await namesIn(pcap(raw, frames))).seen.map(nameLine)).toEqual(['a.example sni 203.0.113.9:443'])
  })

  it('reads a hello that comes with the SYN', async () => {
    const hello = await realHello('fast.example')
    const first = tcpPacket(ends, hello.subarray(0, 100), 1000)
    first[20 + 13] = 2
    const frames = [first, tcpPacket(ends, hello.subarray(100), 1101)]
    expect((await namesIn(pcap(raw, frames))).seen.map(nameLine)).toEqual([
      'fast.example sni 203.0.113.9:443',
    ])
  })

  it('marks a name beside which there is an encrypted hello', async () => {
    const hello = inRecords(helloMessage([serverName('front.example'), ech]))
    const { seen } = await namesIn(pcap(raw, [tcpPacket(ends, hello)]))
    expect(seen.map(nameLine)).toEqual(['front.example sni? 203.0.113.9:443'])
  })

  it('takes what a short capture has of a hello, when the name is in it', async () => {
    const hello = await realHello('cut.example')
    const packet = tcpPacket(ends, hello)
    const nameEnds = packet.indexOf('cut.example') + 'cut.example'.length
    const short = (length: number) => pcap(raw, [packet.subarray(0, length)], packet.length)
    expect((await namesIn(short(nameEnds))).seen.map(nameLine)).toEqual(['cut.example sni? 203.0.113.9:443'])
    expect((await namesIn(short(nameEnds - 1))).seen).toEqual([])
  })

  it('says nothing of clients that are not in the inventory, and refuses what is no name', async () => {
    const hello = (name: string) => tcpPacket(ends, inRecords(helloMessage([serverName(name)])))
    expect((await namesIn(pcap(raw, [hello('a.example')]), at => at !== ends.from)).seen).toEqual([])
    const hostile = [
      '<b>.example',
      '10.1.2.3',
      'a..example',
      'x\u001b[31m.example',
      '-a.example',
      `${'a'.repeat(64)}.example`,
    ]
    expect(await namesIn(pcap(raw, hostile.map(hello)))).toEqual({ seen: [], refused: hostile.length })
  })

  it('survives hellos cut off and changed anywhere', () => {
    const chance = createChance(5)
    const whole = inRecords(helloMessage([serverName('a.example'), ech]), 30)
    for (let run = 0; run < 20_000; run++) {
      const bytes = Buffer.from(whole.subarray(0, chance.below(whole.length) + 1))
      for (let i = 0; i < 3; i++) bytes[chance.below(bytes.length)] = chance.below(256)
      readHelloRecords(bytes)
      readHelloRecords(bytes, true)
      readClientHello(bytes.subarray(5))
    }
  })

  it('waits for a bounded number of streams, whatever begins', () => {
    const names = createPacketNames({ serverAt: () => 0, add: () => {}, refuse: () => {} })
    const hello = inRecords(helloMessage([serverName('a.example'), [21, Buffer.alloc(200)]]))
    const packet = emptyPacket()
    for (let i = 0; i < 20_000; i++) {
      const frame = tcpPacket({ ...ends, srcPort: i + 1, dstPort: 443 }, hello.subarray(0, 20))
      readIpPacket(frame, 0, frame.length, packet)
      names.add(frame, packet, i)
    }
    expect(names.waiting()).toBe(1024)
    // Byte by byte it is given up.
    for (let i = 0; i < 100; i++) {
      const frame = tcpPacket({ ...ends, srcPort: 20_000 }, hello.subarray(20 + i, 21 + i), 1020 + i)
      readIpPacket(frame, 0, frame.length, packet)
      names.add(frame, packet, i)
    }
    expect(names.waiting()).toBe(1023)
    const half = clientInitial(id, cryptoFrame(0, helloMessage([serverName('a.example')]).subarray(0, 30)), 1)
    for (let i = 0; i < 3000; i++) {
      const frame = udpPacket({ ...ends, srcPort: i + 1 }, half)
      readIpPacket(frame, 0, frame.length, packet)
      names.add(frame, packet, i)
    }
    expect(names.waiting()).toBe(1023 + 1024)
  })
})

describe('HTTP', () => {
  it('reads the host of each request on a connection, without its port', async () => {
    const request = (host: string) => Buffer.from(`GET /a HTTP/1.1\r\nAccept: */*\r\nHost: ${host}\r\n\r\n`)
    const first = request('One.example:8080')
    const frames = [
      tcpPacket({ ...ends, dstPort: 8080 }, first.subarray(0, 30)),
      tcpPacket({ ...ends, dstPort: 8080 }, first.subarray(30), 1030),
      tcpPacket({ ...ends, dstPort: 8080 }, request('two.example'), 1200),
      tcpPacket({ ...ends, dstPort: 8080 }, request('bücher.example'), 1300),
      tcpPacket({ ...ends, dstPort: 8080 }, request('[2001:db8::1]:80'), 1400),
      tcpPacket(
        { ...ends, dstPort: 8080 },
        Buffer.from('GET you are no request\r\nHost: a.example\r\n\r\n'),
        1600,
      ),
    ]
    expect((await namesIn(pcap(raw, frames))).seen.map(nameLine)).toEqual([
      'one.example http 203.0.113.9:8080',
      'two.example http 203.0.113.9:8080',
      'xn--bcher-kva.example http 203.0.113.9:8080',
    ])
  })
})

/** RFC 9001 appendix A.1 and A.2; RFC 9369 appendix A.1 and A.2. */
const vectors = [
  {
    version: 1,
    key: '1f369613dd76d5467730efcbe3b1a22d',
    iv: 'fa044b2f42a3fd3b46fb255c',
    hp: '9f50449e04a0e810283a1e9933adedd2',
    header: 'c300000001088394c8f03e5157080000449e00000002',
    begins: 'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11',
    ends: 'e221af44860018ab0856972e194cd934',
  },
  {
    version: 0x6b3343cf,
    key: '8b1a0bc121284290a29e0971b5cd045d',
    iv: '91f73e2351d8fa91660e909f',
    hp: '45b95e15235d6f45a6b19cbcb0294ba9',
    header: 'd36b3343cf088394c8f03e5157080000449e00000002',
    begins: 'd76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485',
    ends: 'a18b2faa745b6fe189cf772a9f84cbfc',
  },
] as const
const id = Buffer.from('8394c8f03e515708', 'hex')
const vectorFrames = Buffer.concat([
  Buffer.from(
    '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff',
    'hex',
  ),
  Buffer.alloc(917),
])

describe('QUIC', () => {
  it.each(vectors)('opens the client’s first packet of version $version as the RFC has it', async vector => {
    const keys = initialKeys(vector.version, id)!
    expect(keys.key.toString('hex')).toBe(vector.key)
    expect(keys.iv.toString('hex')).toBe(vector.iv)
    expect(keys.mask.toString('hex')).toBe(vector.hp)
    // The packet is the RFC's to its last byte when its beginning and its tag are.
    const packet = protectInitial(Buffer.from(vector.header, 'hex'), vectorFrames, keys)
    expect(packet.subarray(0, 32).toString('hex')).toBe(vector.begins)
    expect(packet.subarray(-16).toString('hex')).toBe(vector.ends)
    const [opened, ...more] = openInitials(packet, null)
    expect(more).toEqual([])
    expect(opened!.frames.equals(vectorFrames)).toBe(true)
    const { seen } = await namesIn(pcap(raw, [udpPacket(ends, packet)]))
    expect(seen.map(nameLine)).toEqual(['example.com quic 203.0.113.9:443'])
  })

  it('puts a hello together across frames, packets and datagrams, in any order', async () => {
    const message = helloMessage([serverName('video.example'), [21, Buffer.alloc(1500)]])
    const piece = (from: number, to: number) => cryptoFrame(from, message.subarray(from, to))
    const end = message.length
    const ack = Buffer.from([2, 5, 0, 0, 0])
    const first = Buffer.concat([piece(700, 900), Buffer.from([1]), ack, piece(0, 300)])
    const coalesced = Buffer.concat([
      clientInitial(id, piece(300, 500), 2, 400),
      clientInitial(id, piece(500, 700), 3, 800),
    ])
    // The server has answered meanwhile: another id, and the keys of the first one.
    const last = clientInitial(Buffer.from('0102030405', 'hex'), piece(900, end), 4, 1200, id)
    const frames = [clientInitial(id, first, 1), coalesced, last].map(datagram => udpPacket(ends, datagram))
    expect((await namesIn(pcap(raw, frames))).seen.map(nameLine)).toEqual([
      'video.example quic 203.0.113.9:443',
    ])
    expect((await namesIn(pcap(raw, frames.slice(0, 2)))).seen).toEqual([])
  })

  it('survives packets and frames changed anywhere', () => {
    const chance = createChance(6)
    const whole = clientInitial(id, cryptoFrame(0, helloMessage([serverName('a.example')])), 1)
    for (let run = 0; run < 5000; run++) {
      const bytes = Buffer.from(run % 2 === 0 ? whole.subarray(0, chance.below(60)) : whole)
      for (let i = 0; i < 3; i++) bytes[chance.below(40)] = chance.below(256)
      openInitials(bytes, null)
      for (const _ of cryptoFrames(bytes));
    }
  })
})
