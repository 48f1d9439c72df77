import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { captureHeader, datagramFrame, endFrame } from '../../src/flows/collect/capture-writer.ts'
import { address, ipfix, netflowV9, set, template, u } from '../../test/support/export-messages.ts'
import {
  aRecord,
  clientInitial,
  cryptoFrame,
  dnsAnswer,
  helloMessage,
  inRecords,
  labels,
  serverName,
  tcpPacket,
  udpPacket,
} from '../../test/support/names.ts'
import { ethernet, ipv4, pcap, udpOf } from '../../test/support/packets.ts'
import {
  expandedFlowSample,
  flowSample,
  rawHeader,
  sflow,
  tagged,
} from '../../test/support/sflow-messages.ts'

/** Small inputs of every format, whole and right: what is done to them is the fuzzer's part. */
export function seedInputs(): Buffer[] {
  return [...exportSeeds(), ...captureSeeds(), ...nameSeeds(), ...textSeeds(), ...vectorSeeds()]
}

const pair = Buffer.concat([address('10.0.0.1'), address('198.51.100.9')])
const fields = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 4],
  [2, 4],
  [22, 4],
  [21, 4],
  [48, 1],
]
const row = Buffer.concat([
  pair,
  u(2, 443),
  u(2, 50_000),
  u(1, 6),
  u(4, 5000),
  u(4, 7),
  u(4, 900),
  u(4, 1000),
  u(1, 1),
])
const variable = [
  [82, 65_535],
  [8, 4],
  [12, 4],
  [152, 8],
  [153, 8],
  [85, 8],
  [85, 8, 29_305],
  [291, 65_535],
]
const variableRow = Buffer.concat([
  u(1, 3),
  Buffer.from('eth'),
  pair,
  u(8, 1e12),
  u(8, 1e12 + 5),
  u(8, 99),
  u(8, 5),
  u(1, 255),
  u(2, 4),
  u(4, 9),
])
const section = ethernet(0x0800, ipv4({ payload: udpOf(Buffer.alloc(20)) }))

function exportMessages(): Buffer[] {
  const options9 = Buffer.concat([
    u(2, 260),
    u(2, 4),
    u(2, 8),
    u(2, 1),
    u(2, 4),
    u(2, 48),
    u(2, 1),
    u(2, 34),
    u(2, 4),
  ])
  const frame = rawHeader(
    1,
    ethernet(0x8100, u(2, 5), u(2, 0x0800), ipv4({ payload: udpOf(Buffer.alloc(40)) })),
    1500,
  )
  const sampled = tagged(3, Buffer.concat([u(4, 700), u(4, 17), pair, u(4, 5), u(4, 53), u(8, 0)]))
  return [
    Buffer.concat([
      u(2, 5),
      u(2, 1),
      u(4, 3000),
      u(4, 1_700_000_000),
      u(12, 0),
      pair,
      u(8, 0),
      u(4, 3),
      u(4, 120),
      u(8, 0),
      u(4, 0x01bb_c350),
      u(12, 6),
    ]),
    netflowV9(
      1,
      7,
      set(0, template(256, fields)),
      set(1, options9),
      set(260, u(4, 1), u(1, 1), u(4, 100)),
      set(256, row, row),
    ),
    ipfix(1, 7, set(2, template(256, variable)), set(256, variableRow, variableRow)),
    ipfix(
      3,
      7,
      set(
        2,
        template(257, [
          [312, 2],
          [315, 65_535],
        ]),
      ),
      set(257, u(2, 80), u(1, section.length), section),
    ),
    ipfix(3, 7, set(2, template(256, []))),
    sflow(1, [
      flowSample({ sequence: 1, rate: 100 }, frame),
      expandedFlowSample({ sequence: 2, rate: 5 }, sampled),
      tagged(2, Buffer.alloc(40)),
    ]),
  ]
}

function exportSeeds(): Buffer[] {
  const messages = exportMessages()
  const frames = messages.map(payload =>
    datagramFrame({ arrivedUnixMs: 1.7e12, address: '192.0.2.1', port: 9, payload }),
  )
  return [...messages, Buffer.concat([captureHeader(), ...frames, endFrame(frames.length)])]
}

function captureSeeds(): Buffer[] {
  const inner = ipv4({ payload: udpOf(Buffer.alloc(30)) })
  const v6 = Buffer.concat([
    u(4, 0x6000_0000),
    u(2, 24),
    u(1, 44),
    u(1, 64),
    u(16, 1),
    u(16, 2),
    u(8, 0x1100_0001_0000_0007n),
    udpOf(Buffer.alloc(8)),
  ])
  const exports = exportMessages().map(message =>
    ethernet(0x0800, ipv4({ payload: udpOf(message, 9, 2055) })),
  )
  const frames = [
    ethernet(0x0800, inner),
    ethernet(0x88a8, u(2, 1), u(2, 0x8100), u(2, 2), u(2, 0x86dd), v6),
    ethernet(0x8847, u(4, 0x140), inner),
    ethernet(0x8864, u(6, 0x1100), u(2, 0x21), inner),
    ...exports,
  ]
  const block = (type: number, body: Buffer) =>
    Buffer.concat([u(4, type), u(4, body.length + 12), body, u(4, body.length + 12)])
  const packet = Buffer.concat([
    u(4, 0),
    u(8, 1_700_000_000_000_000),
    u(4, frames[0]!.length),
    u(4, frames[0]!.length),
    frames[0]!,
    Buffer.alloc((4 - (frames[0]!.length % 4)) % 4),
  ])
  const pcapng = Buffer.concat([
    block(0x0a0d0d0a, Buffer.concat([u(4, 0x1a2b3c4d), u(4, 0x0001_0000), u(8, 0)])),
    block(1, Buffer.concat([u(2, 1), u(2, 0), u(4, 0), u(2, 9), u(2, 1), u(4, 0x0600_0000), u(4, 0)])),
    block(6, packet),
    block(5, Buffer.concat([u(12, 0), u(2, 5), u(2, 8), u(8, 3), u(4, 0)])),
  ])
  return [
    pcap(1, frames),
    pcap(101, [inner, v6]),
    pcap(113, [Buffer.concat([u(14, 4), u(2, 0x0800), inner])]),
    pcap(9, [Buffer.concat([u(4, 0xff03_0021), inner])]),
    pcap(127, [
      Buffer.concat([
        Buffer.from([0, 0, 8, 0, 0, 0, 0, 0, 0x88, 1]),
        Buffer.alloc(24),
        u(6, 0xaaaa_0300_0000),
        u(2, 0x0800),
        inner,
      ]),
    ]),
    pcapng,
  ]
}

function nameSeeds(): Buffer[] {
  const ends = { from: '10.0.0.1', to: '198.51.100.9', srcPort: 40_000, dstPort: 443 }
  const back = { from: '10.0.0.53', to: '10.0.0.1', srcPort: 53, dstPort: 40_000 }
  const message = helloMessage([serverName('a.example'), [0xfe0d, Buffer.alloc(40)]])
  const hello = inRecords(message, 50)
  const request = Buffer.from('GET / HTTP/1.1\r\nHost: b.example:80\r\n\r\n')
  const alias = { owner: u(2, 0xc00c), type: 5, ttl: 60, data: labels('d.example') }
  const answer = dnsAnswer('c.example', [alias, aRecord(labels('d.example'), '198.51.100.9')])
  const id = Buffer.from('0102030405060708', 'hex')
  const zeek = [
    '#separator \\x09',
    '#path\tdns',
    '#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tquery\tanswers\tTTLs',
    '1700000000.5\t10.0.0.1\t4000\t10.0.0.53\t53\te.example\tf.example,198.51.100.9\t60.0,60.0',
    '#path\tssl',
    '#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tserver_name',
    '1700000000.5\t10.0.0.1\t4000\t198.51.100.9\t443\tg.example',
  ]
  const event = { timestamp: '2026-01-15T10:00:00.5+0000', src_ip: '10.0.0.1', dest_ip: '198.51.100.9' }
  const answers = [{ rrtype: 'A', ttl: 60, rdata: '198.51.100.9' }]
  const events = [
    { ...event, event_type: 'tls', src_port: 4000, dest_port: 443, tls: { sni: 'h.example' } },
    { ...event, event_type: 'dns', dns: { type: 'answer', rrname: 'i.example', answers } },
    {
      ...event,
      event_type: 'dns',
      dns: { type: 'response', queries: [{ rrname: 'j.example' }], grouped: { A: ['198.51.100.9'] } },
    },
  ]
  return [
    pcap(101, [
      tcpPacket(ends, hello.subarray(0, 60)),
      tcpPacket(ends, hello.subarray(60), 1060),
      tcpPacket({ ...ends, dstPort: 80 }, request),
    ]),
    pcap(101, [
      udpPacket(back, answer),
      tcpPacket(back, Buffer.concat([u(2, answer.length), answer.subarray(0, 30)])),
      tcpPacket(back, answer.subarray(30), 1032),
    ]),
    pcap(101, [
      udpPacket(ends, clientInitial(id, cryptoFrame(0, message.subarray(0, 40)), 1)),
      udpPacket(ends, clientInitial(id, cryptoFrame(40, message.subarray(40)), 2)),
    ]),
    Buffer.from(`${zeek.join('\n')}\n`),
    Buffer.from(events.map(each => `${JSON.stringify(each)}\n`).join('')),
  ]
}

function textSeeds(): Buffer[] {
  const flow = {
    bytes_toserver: 10,
    bytes_toclient: 2,
    pkts_toserver: 1,
    pkts_toclient: 1,
    start: '2024-01-01T00:00:00.000000+0000',
    end: '2024-01-01T00:00:01.000000+0000',
  }
  const aws = '2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 100 1418530010 1418530070 ACCEPT OK\n'
  const texts = [
    aws.repeat(3),
    `version srcaddr dstaddr pkt-srcaddr pkt-dstaddr bytes packets start end flow-direction log-status\n5 10.0.0.1 10.0.0.2 - 10.0.0.3 9 1 1700000000 1700000001 egress OK\n`,
    '1 vsw-1 i-1 vpc-1 1234 eni-9 ap-south-1 10.0.0.1 443 47.88.1.1 51000 6 out 12 9000 1700000000 1700000060 OK ACCEPT 18 -\n',
    '{"records":[{"macAddress":"AA","category":"FlowLogFlowEvent","flowRecords":{"flows":[{"flowGroups":[{"flowTuples":["1663146003606,10.0.0.6,192.0.2.180,23956,443,6,O,C,NX,21,5200,40,61000"]}]}]}}]}',
    '{"records":[{"properties":{"Version":2,"flows":[{"flows":[{"mac":"BB","flowTuples":["1542110402,10.5.16.4,13.67.143.118,59831,443,T,O,A,E,1,58,8,46"]}]}]}}]}',
    '[{"jsonPayload":{"connection":{"src_ip":"10.0.0.1","src_port":1,"dest_ip":"10.0.0.2","dest_port":2,"protocol":6},"bytes_sent":"5","packets_sent":"1","start_time":"2024-05-01T10:00:00Z","end_time":"2024-05-01T10:00:01Z","reporter":"SRC"}}]',
    '#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n1547188415.8\t10.0.0.5\t1\t203.0.113.9\t443\ttcp\t1.5\t10\t900\t8\t700\n',
    '{"ts":1547188415.8,"id.orig_h":"10.0.0.5","id.orig_p":1,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","conn_state":"SF","orig_pkts":1,"orig_ip_bytes":40}\n',
    `${JSON.stringify({ timestamp: flow.start, event_type: 'flow', src_ip: '10.0.0.1', src_port: 1, dest_ip: '10.0.0.2', dest_port: 2, proto: 'TCP', flow })}\n`,
    'ts,te,td,sa,da,sp,dp,pr,ipkt,ibyt,opkt,obyt\n2017-04-14 10:56:22,2017-04-14 10:56:42,20.2,10.0.0.5,203.0.113.9,443,40740,TCP,4,191,2,90\nSummary\n1,2\n',
    '"src ip";"dst ip";"bytes";"start time"\n"10.0.0.5";"2001:db8::9";"1,234";"1700000000"\n',
    '{"src4_addr":"10.0.0.1","dst4_addr":"10.0.0.2","first":"2017-04-14T10:55:42.857","in_bytes":80,"in_packets":1}\n',
    'Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes Flows\n2017-04-14 10:55:42.857     00:00:00.000 UDP      192.168.1.103:53734 ->    192.168.1.254:53           1    1.2 M     1\n',
  ]
  const buffers = texts.map(text => Buffer.from(text))
  return [...buffers, gzipSync(buffers[0]!), zstdCompressSync(buffers[0]!)]
}

/** Others' data, where it is. */
function vectorSeeds(): Buffer[] {
  const folder = join(import.meta.dirname, '..', '..', '..', 'shared', 'vectors')
  return ['netflow', 'pcap'].flatMap(name => {
    const path = join(folder, name)
    if (!existsSync(path)) return []
    return readdirSync(path)
      .filter(file => /\.(dat|pcap|pcapng)$/.test(file))
      .map(file => readFileSync(join(path, file)).subarray(0, 8192))
  })
}
