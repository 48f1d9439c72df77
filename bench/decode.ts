/**
 * How fast inputs are decoded, on one core: `node bench/decode.ts [--seconds N] [--only NAME]`.
 *
 * Input is made in memory beforehand: many servers, many clients, different counters, 24 or 30 records a datagram, as
 * exporters send. `records/s` is what comes out of the decoders; sums are printed so that a fast wrong answer shows.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { captureHeader, datagramFrame, endFrame } from '../src/flows/collect/capture-writer.ts'
import { createExportDecoder } from '../src/flows/decode/export-decoder.ts'
import { Notes } from '../src/flows/decode/notes.ts'
import { readColumns } from '../src/flows/decode/read-input.ts'
import { createObserverBook } from '../src/flows/observer.ts'
import { client, netflowV5, random, server, templated, unixSeconds, writer } from './export-datagrams.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string' }, only: { type: 'string' } } })
const forMs = Number(values.seconds ?? 3) * 1000
const datagrams = 20_000

const dotted = (value: number) =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`

function awsLines(columns: 'default' | 'full'): Buffer {
  const lines = Array.from({ length: 200_000 }, () => {
    const packets = 1 + random(1000)
    const [from, to] = [dotted(server()), dotted(client())]
    const start = unixSeconds + random(600)
    const basic = `${from} ${to} 443 ${1024 + random(60_000)} 6 ${packets} ${packets * 700} ${start} ${start + 60} ACCEPT OK`
    const eni = `123456789012 eni-0${(random(2000) + 0xabcd00).toString(16)}`
    return columns === 'default'
      ? `2 ${eni} ${basic}`
      : `5 ${eni} ${basic} vpc-0a1b2c subnet-0a1b2c i-0a1b2c3d 19 IPv4 ${from} ${to} ap-south-1 aps1-az1 - - - AMAZON egress 8`
  })
  const header =
    'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status'
  const more =
    ' vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path'
  return Buffer.from(`${header}${columns === 'full' ? more : ''}\n${lines.join('\n')}\n`)
}

const textLines = (count: number, line: () => string, header = ''): Buffer =>
  Buffer.from(`${header}${Array.from({ length: count }, line).join('\n')}\n`)

function zeek(): Buffer {
  const header =
    '#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n'
  const line = () =>
    `${unixSeconds}.123456\tCAcJw21BbVedgFnYH3\t${dotted(server())}\t${random(65_536)}\t${dotted(client())}\t443\ttcp\tssl\t2.5\t1000\t50000\tSF\tT\tF\t0\tShADadfF\t20\t2052\t45\t52348\t-`
  return textLines(100_000, line, header)
}

function azure(): Buffer {
  const tuples = () =>
    Array.from(
      { length: 100 },
      () =>
        `"${unixSeconds}123,${dotted(server())},${dotted(client())},${random(65_536)},443,6,O,C,NX,20,2052,45,52348"`,
    ).join(',')
  const record = () =>
    `{"time":"2022-09-14T09:00:52Z","macAddress":"112233445566","category":"FlowLogFlowEvent","flowRecords":{"flows":[{"aclID":"a","flowGroups":[{"rule":"r","flowTuples":[${tuples()}]}]}]}}`
  return Buffer.from(`{"records":[${Array.from({ length: 1000 }, record).join(',')}]}`)
}

function eve(): Buffer {
  const times = '"start":"2017-04-07T22:22:37.251547+0000","end":"2017-04-07T22:23:37.251547+0000"'
  const line = () =>
    `{"timestamp":"2017-04-07T22:24:37.251547+0000","flow_id":586497171462735,"in_iface":"eth0","event_type":"flow","src_ip":"${dotted(server())}","src_port":443,"dest_ip":"${dotted(client())}","dest_port":${random(65_536)},"proto":"TCP","app_proto":"tls","flow":{"pkts_toserver":10,"pkts_toclient":20,"bytes_toserver":1540,"bytes_toclient":28280,${times},"age":60,"state":"closed","reason":"timeout","alerted":false}}`
  return textLines(50_000, line)
}

function csv(): Buffer {
  const line = () =>
    `2017-04-14 10:56:22,2017-04-14 10:56:42,20.292,${dotted(server())},${dotted(client())},443,${random(65_536)},TCP,...AP..F,0,0,4,191,0,0,0,0`
  return textLines(100_000, line, 'ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out\n')
}

/** Ethernet, IPv4 and TCP, of 1,000 bytes each, of which the capturer kept 96. */
function capture(): Buffer {
  const ends = Array.from({ length: 5000 }, () => [server(), client(), 1024 + random(60_000)] as const)
  const frames = Array.from({ length: 200_000 }, (_, i) => {
    const [from, to, port] = ends[random(ends.length)]!
    const w = writer(16 + 96)
    for (const value of [unixSeconds + Math.floor(i / 10_000), 0, 96, 1000]) w.u32(value)
    w.zeros(12)
    for (const value of [0x0800, 0x4500, 986, i & 0xffff, 0, 0x4006, 0]) w.u16(value)
    for (const value of [from, to]) w.u32(value)
    for (const value of [443, port]) w.u16(value)
    w.zeros(8)
    w.u16(0x5010)
    w.zeros(48)
    return w.done()
  })
  const head = writer(24)
  for (const value of [0xa1b2c3d4, 0x0002_0004, 0, 0, 96, 1]) head.u32(value)
  return Buffer.concat([head.done(), ...frames])
}

type Counted = { readonly records: number; readonly ipBytes: number; readonly bytes: number }

function decodeAll(messages: readonly Buffer[]): Counted {
  const decoder = createExportDecoder(new Notes())
  let records = 0
  let ipBytes = 0
  let bytes = 0
  for (const message of messages) {
    for (const record of decoder.decode(message, '192.0.2.1')) {
      records += 1
      ipBytes += record.ipBytes
    }
    bytes += message.length
  }
  return { records, ipBytes, bytes }
}

async function readAll(content: Buffer): Promise<Counted> {
  let records = 0
  let ipBytes = 0
  const chunks = async function* () {
    for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536)
  }
  for await (const { rows, columns } of readColumns('input', chunks(), null, createObserverBook())) {
    records += rows
    for (let row = 0; row < rows; row++) ipBytes += columns.ipBytes[row]!
  }
  return { records, ipBytes, bytes: content.length }
}

const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

const cases: Readonly<Record<string, () => () => Counted | Promise<Counted>>> = {
  'netflow-v5': () => {
    const messages = many(datagrams, netflowV5)
    return () => decodeAll(messages)
  },
  'netflow-v9': () => {
    const messages = many(datagrams, i => templated(9, i, 24, i === 0))
    return () => decodeAll(messages)
  },
  ipfix: () => {
    const messages = many(datagrams, i => templated(10, i, 24, i === 0))
    return () => decodeAll(messages)
  },
  'flow-capture-of-v9': () => {
    const frames = many(datagrams, i =>
      datagramFrame({
        arrivedUnixMs: unixSeconds * 1000,
        address: '192.0.2.1',
        port: 9,
        payload: templated(9, i, 24, i === 0),
      }),
    )
    const content = Buffer.concat([captureHeader(), ...frames, endFrame(frames.length)])
    return () => readAll(content)
  },
  pcap: () => {
    const content = capture()
    return () => readAll(content)
  },
  zeek: () => {
    const content = zeek()
    return () => readAll(content)
  },
  azure: () => {
    const content = azure()
    return () => readAll(content)
  },
  suricata: () => {
    const content = eve()
    return () => readAll(content)
  },
  csv: () => {
    const content = csv()
    return () => readAll(content)
  },
  'aws-default': () => {
    const content = awsLines('default')
    return () => readAll(content)
  },
  'aws-full': () => {
    const content = awsLines('full')
    return () => readAll(content)
  },
}

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, node ${process.version}, one core`)
for (const [name, make] of Object.entries(cases)) {
  if (values.only !== undefined && !name.startsWith(values.only)) continue
  const run = make()
  await run()
  let records = 0
  let bytes = 0
  let sum = 0
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  while (performance.now() - started < forMs) {
    const counted = await run()
    records += counted.records
    bytes += counted.bytes
    sum = counted.ipBytes
  }
  const wallSeconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  // By time of the processor, garbage collection and its threads included: other work on the machine takes none of it.
  const seconds = (user + system) / 1e6
  const rate = (records / seconds / 1e6).toFixed(2)
  const share = ((100 * seconds) / wallSeconds).toFixed(0)
  console.log(
    `${name.padEnd(20)} ${rate.padStart(6)} M records/s ${(bytes / seconds / 1e6).toFixed(0).padStart(5)} MB/s of processor time, which had ${share.padStart(3)} % of a core   (${sum} IP bytes a round)`,
  )
}
