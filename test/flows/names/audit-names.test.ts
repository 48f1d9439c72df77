import { describe, expect, it } from 'vitest'
import { parseServiceLists } from '../../../src/flows/names/service-list.ts'
import { csvReport } from '../../../src/flows/report/csv.ts'
import { htmlReport } from '../../../src/flows/report/html.ts'
import { terminalReport } from '../../../src/flows/report/terminal.ts'
import { address, ipfix, set, template, u } from '../../support/export-messages.ts'
import { auditScenario, awsLog, ends, startUnixMs } from '../../support/flow-scenario.ts'
import {
  aRecord,
  dnsAnswer,
  helloMessage,
  inRecords,
  serverName,
  tcpPacket,
  udpPacket,
} from '../../support/names.ts'
import { pcap } from '../../support/packets.ts'

const { indianServer, germanServer, elsewhere } = ends
const raw = 101
const row = (to: string, dstPort: number, srcPort: number, payload: number) =>
  ({ from: [indianServer, srcPort], to: [to, dstPort], payload }) as const
const flows = awsLog([
  row(germanServer, 443, 40_001, 50_000_000),
  row(germanServer, 443, 40_002, 30_000_000),
  row(elsewhere, 443, 40_003, 10_000_000),
])
const services = parseServiceLists([
  {
    name: 'apps.csv',
    text: 'domain,service,tags\nshop.example,Shop <b>,blocked & "listed"\ncdn.example,CDN,\n',
  },
])

/** Frames dated as the scenario is. */
function dated(frames: readonly Buffer[]): Buffer {
  const file = pcap(raw, frames)
  let at = 24
  for (const frame of frames) {
    file.writeUInt32BE(startUnixMs / 1000, at)
    at += 16 + frame.length
  }
  return file
}

const hello = (name: string, srcPort: number, to = germanServer) =>
  tcpPacket({ from: indianServer, to, srcPort, dstPort: 443 }, inRecords(helloMessage([serverName(name)])))
const answer = (name: string, address: string) =>
  udpPacket(
    { from: '10.0.0.53', to: indianServer, srcPort: 53, dstPort: 40_000 },
    dnsAnswer(name, [aRecord(u(2, 0xc00c), address)]),
  )
const capture = dated([
  hello('www.shop.example', 40_001),
  hello('img.cdn.example', 40_002),
  answer('far.example', elsewhere),
])

describe('an audit of flow logs, with a capture that shows names', () => {
  it('says to which service the bytes went, how that is known, and explains nothing by it', async () => {
    const { report } = await auditScenario({ flows: [flows, capture], services })
    const [server] = report.servers
    const names = server!.destinations.flatMap(destination => destination.names)
    expect(
      names.map(({ name, sources, service, tags, isExact }) => ({ name, sources, service, tags, isExact })),
    ).toEqual([
      {
        name: 'www.shop.example',
        sources: ['sni'],
        service: 'Shop <b>',
        tags: ['blocked & "listed"'],
        isExact: true,
      },
      { name: 'img.cdn.example', sources: ['sni'], service: 'CDN', tags: [], isExact: true },
      { name: 'far.example', sources: ['dns'], service: null, tags: [], isExact: false },
    ])
    expect(names[0]!.bytes).toBeGreaterThan(50_000_000)
    expect(names.every(({ bytes, unexplained }) => bytes === unexplained)).toBe(true)
    expect(server!.unexplained).toBe(server!.bytesAbroad)
    const sum = names.reduce((all, { bytes }) => all + bytes, 0)
    expect(report.services!.namedBytes).toBe(sum)
    expect(report.services!.byTag).toMatchObject([
      {
        tag: 'blocked & "listed"',
        bytes: names[0]!.bytes,
        services: ['Shop <b>'],
        servers: [{ server: 'app-1' }],
      },
    ])
    expect(report.services!.byService.map(({ service }) => service)).toEqual(['Shop <b>', 'CDN'])
    expect(server!.destinations.flatMap(({ addresses }) => addresses.map(({ name }) => name))).toEqual([
      'www.shop.example',
      'far.example',
    ])
  })

  it('says how much of a name could be another’s, where a connection’s own handshake was not seen', async () => {
    const more = awsLog([row(germanServer, 443, 40_009, 7_000_000)])
    const { report } = await auditScenario({ flows: [flows, more, capture], services })
    const names = report.servers[0]!.destinations.flatMap(destination => destination.names)
    const doubtful = names.filter(({ sharedBytes }) => sharedBytes > 0)
    expect(doubtful).toMatchObject([{ isExact: false }])
    const [own] = (await auditScenario({ flows: [more] })).report.servers
    expect(doubtful[0]!.sharedBytes).toBe(own!.bytesAbroad)
    const sums = report.services!.byService.map(({ sharedBytes }) => sharedBytes)
    expect(Math.max(...sums)).toBe(own!.bytesAbroad)
    expect(terminalReport(report, false)).toContain('could be of another name')
    expect(htmlReport(report)).toContain('perhaps other')
  })

  it('prints names as hostile text', async () => {
    const { report } = await auditScenario({ flows: [flows, capture], services })
    const page = htmlReport(report)
    expect(page).toContain('Shop &lt;b&gt;')
    expect(page).not.toContain('Shop <b>')
    expect(page).toContain('www.shop.example')
    expect(page).toContain('it can be false, and explains nothing')
    const text = terminalReport(report, false)
    expect(text).toContain('www.shop.example [Shop <b>, blocked & "listed"]')
    expect(text).toContain('tag blocked & "listed": ')
    const [head, ...rows] = csvReport(report).split('\r\n')
    expect(head).toMatch(/,names,name_sources,services,tags$/)
    expect(rows[0]).toContain('www.shop.example img.cdn.example,sni,')
  })

  it('names the flows of an exporter that saw no names itself', async () => {
    const fields = [
      ...[8, 12, 7, 11, 4, 1, 2].map((id, i) => [id, [4, 4, 2, 2, 1, 8, 4][i]!]),
      ...[
        [152, 8],
        [153, 8],
      ],
    ]
    const flow = (to: string, srcPort: number, atMs: number) =>
      Buffer.concat([
        ...[
          address(indianServer),
          address(to),
          u(2, srcPort),
          u(2, 443),
          u(1, 6),
          u(8, 9_000_000),
          u(4, 6000),
        ],
        ...[u(8, startUnixMs + atMs), u(8, startUnixMs + atMs + 5000)],
      ])
    const hour = 3_600_000
    const message = ipfix(
      0,
      1,
      set(2, template(256, fields)),
      set(256, flow(germanServer, 40_001, 0), flow(elsewhere, 50_000, 1000), flow(elsewhere, 50_001, hour)),
    )
    const { report } = await auditScenario({ flows: [message, capture] })
    const [server] = report.servers
    const names = server!.destinations.flatMap(destination => destination.names)
    // The answer held for ten minutes: what began after an hour has no name by it.
    expect(names.map(({ name, connections }) => `${name} ${connections}`).sort()).toEqual([
      'far.example 1',
      // Of the capture's own packet alone.
      'img.cdn.example 1',
      'www.shop.example 1',
    ])
    expect(report.services!.namedBytes).toBeGreaterThan(18_000_000)
    expect(server!.bytesAbroad - report.services!.namedBytes).toBe(9_000_000)
  })

  it('says nothing of services where no input shows a name', async () => {
    const { report } = await auditScenario({ flows: [flows], services })
    expect(report.services).toBeNull()
    expect(report.servers[0]!.destinations.every(({ names }) => names.length === 0)).toBe(true)
    expect(htmlReport(report)).not.toContain('id="services"')
  })

  it('reads Zeek’s logs of names beside flow records of others', async () => {
    const at = startUnixMs / 1000 + 0.5
    const tsv = (path: string, fields: string, ...rows: string[]) =>
      Buffer.from(
        `${[`#separator \\x09`, '#unset_field\t-', `#path\t${path}`, `#fields\t${fields.split(' ').join('\t')}`, ...rows.map(cells => cells.split(' ').join('\t'))].join('\n')}\n`,
      )
    const conn = 'ts uid id.orig_h id.orig_p id.resp_h id.resp_p'
    const logs = [
      tsv(
        'ssl',
        `${conn} server_name`,
        `${at} C1 ${indianServer} 40001 ${germanServer} 443 www.shop.example`,
      ),
      tsv(
        'dns',
        `${conn} query answers TTLs`,
        `${at} C2 ${indianServer} 41000 10.0.0.53 53 far.example alias.example,${elsewhere} 60.0,60.0`,
      ),
      Buffer.from(
        `${JSON.stringify({ ts: at, uid: 'C3', 'id.orig_h': indianServer, 'id.orig_p': 40_002, 'id.resp_h': germanServer, 'id.resp_p': 443, method: 'GET', host: 'img.cdn.example:443' })}\n`,
      ),
    ]
    const { report } = await auditScenario({ flows: [flows, ...logs], services })
    const names = report.servers[0]!.destinations.flatMap(destination => destination.names)
    expect(names.map(({ name, sources }) => [name, ...sources])).toEqual([
      ['www.shop.example', 'sni-log'],
      ['img.cdn.example', 'http-log'],
      ['far.example', 'dns-log'],
    ])
    expect(report.coverage.setAside.map(({ reason }) => reason)).toContain('Zeek ssl.log: names, not traffic')
  })

  it('reads Suricata’s events of names, of each version', async () => {
    const timestamp = '2026-01-15T10:00:00.500000+0000'
    const base = {
      timestamp,
      flow_id: 1,
      src_ip: indianServer,
      dest_ip: germanServer,
      dest_port: 443,
      proto: 'TCP',
    }
    const dns = {
      ...base,
      event_type: 'dns',
      dest_ip: '10.0.0.53',
      src_port: 41_000,
      dest_port: 53,
      proto: 'UDP',
    }
    const events = [
      { ...base, event_type: 'tls', src_port: 40_001, tls: { sni: 'www.shop.example', version: 'TLS 1.3' } },
      { ...base, event_type: 'tls', src_port: 40_002, tls: { sni: '\u001b[31m', version: 'TLS 1.3' } },
      {
        ...dns,
        dns: {
          version: 2,
          type: 'answer',
          rrname: 'v2.example',
          rrtype: 'A',
          answers: [{ rrname: 'v2.example', rrtype: 'A', ttl: 60, rdata: germanServer }],
        },
      },
      {
        ...dns,
        src_ip: '10.0.0.53',
        dest_ip: indianServer,
        src_port: 53,
        dest_port: 41_000,
        dns: {
          version: 3,
          type: 'response',
          queries: [{ rrname: 'v3.example' }],
          grouped: { A: [elsewhere] },
        },
      },
    ]
    const eve = Buffer.from(events.map(event => `${JSON.stringify(event)}\n`).join(''))
    const { report } = await auditScenario({ flows: [flows, eve], services })
    const names = report.servers[0]!.destinations.flatMap(destination => destination.names)
    expect(names.map(({ name, sources }) => [name, ...sources])).toEqual([
      ['www.shop.example', 'sni-log'],
      ['v3.example', 'dns-log'],
    ])
    expect(report.services!.namesRefused).toBe(1)
  })
})
