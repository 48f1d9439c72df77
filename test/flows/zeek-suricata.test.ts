import { describe, expect, it } from 'vitest'
import { flowLine, readFlows } from '../support/read-flows.ts'

const columns =
  'ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents'

function zeek(path: string, names: string, rows: readonly string[], separator = '\t'): Buffer {
  const cells = (text: string) => text.split(' ').join(separator)
  return Buffer.from(
    [
      `#separator \\x${separator.charCodeAt(0).toString(16).padStart(2, '0')}`,
      cells('#set_separator ,'),
      cells('#empty_field (empty)'),
      cells('#unset_field -'),
      cells(`#path ${path}`),
      cells('#open 2019-02-28-12-07-35'),
      cells(`#fields ${names}`),
      cells('#types time string addr port addr port'),
      ...rows.map(cells),
      cells('#close 2019-02-28-12-08-35'),
      '',
    ].join('\n'),
  )
}

const row = (rest: string) => `1547188415.857497 CAcJw21BbVedgFnYH3 10.0.0.5 38704 203.0.113.9 443 ${rest}`
const rows = [
  row('tcp ssl 2.5 1000 50000 SF - - 0 ShADadfF 20 2052 45 52348 -'),
  row('tcp - - - - S0 - - 0 S 1 60 0 0 (empty)'),
  row('tcp - 1.0 100 100 SF - - 1400 ShADadg 3 220 3 220 -'),
  row('udp - 1.0 100 100 SF - - 0 Dd 3 220 3 220 CTunnel1'),
  '1547188416.0 C1 fe80::1 135 ff02::2 136 icmp - 0.5 64 0 OTH - - 0 - 2 160 0 0 -',
]
const lines = [
  '10.0.0.5:38704>203.0.113.9:443/6 20/2052',
  '203.0.113.9:443>10.0.0.5:38704/6 45/52348',
  '10.0.0.5:38704>203.0.113.9:443/6 1/60',
  '10.0.0.5:38704>203.0.113.9:443/6 3/220',
  '203.0.113.9:443>10.0.0.5:38704/6 3/220',
  'fe80::1:0>ff02::2:0/58 2/160',
]

describe('Zeek', () => {
  it('conn.log: both directions by their IP bytes, in any chunks and with any separator', async () => {
    for (const [separator, size] of [
      ['\t', 65_536],
      ['\t', 11],
      ['|', 65_536],
    ] as const) {
      const { records, input } = await readFlows(zeek('conn', columns, rows, separator), size)
      expect(input.formats).toEqual(['zeek'])
      expect(records.map(flowLine)).toEqual(lines)
      expect(records[0]).toMatchObject({
        startUnixMs: 1_547_188_415_857,
        endUnixMs: 1_547_188_418_357,
        original: { bytes: 2052, packets: 20, basis: 'ip' },
      })
      expect(input.unread).toEqual([])
      expect(input.lost).toEqual([
        { reason: 'Zeek conn.log: connections of which packets were missed', count: 1, bytes: 0 },
      ])
      expect(input.setAside).toEqual([
        { reason: 'Zeek conn.log: connection within a tunnel', count: 1, bytes: 440 },
      ])
    }
  })

  it('JSON, with dotted and with nested names', async () => {
    const names = columns.split(' ')
    const objects = rows.map(text =>
      Object.fromEntries(
        text.split(' ').flatMap((cell, i) => {
          if (cell === '-' || cell === '(empty)') return []
          return [[names[i]!, /^[\d.]+$/.test(cell) && !/_h$/.test(names[i]!) ? Number(cell) : cell]]
        }),
      ),
    )
    const dotted = await readFlows(Buffer.from(objects.map(object => JSON.stringify(object)).join('\n')))
    expect(dotted.input.formats).toEqual(['zeek-json'])
    expect(dotted.records.map(flowLine)).toEqual(lines)
    const nested = objects.map(object => ({
      ts: '2019-01-11T06:33:35.857497Z',
      id: {
        orig_h: object['id.orig_h'],
        orig_p: object['id.orig_p'],
        resp_h: object['id.resp_h'],
        resp_p: object['id.resp_p'],
      },
      _path: 'conn',
      proto: object.proto,
      orig_pkts: object.orig_pkts,
      orig_ip_bytes: object.orig_ip_bytes,
      resp_pkts: object.resp_pkts,
      resp_ip_bytes: object.resp_ip_bytes,
      tunnel_parents: object.tunnel_parents,
    }))
    const other = await readFlows(Buffer.from(nested.map(object => JSON.stringify(object)).join('\n')))
    expect(other.records.map(flowLine)).toEqual(lines)
    expect(other.records[0]!.startUnixMs).toBe(1_547_188_415_857)
  })

  it('estimates IP bytes from payload only when it has nothing better, and says so', async () => {
    const names =
      'ts id.orig_h id.orig_p id.resp_h id.resp_p proto duration orig_bytes resp_bytes orig_pkts resp_pkts conn_state'
    const { records, input } = await readFlows(
      zeek('conn', names, ['1547188415.8 10.0.0.5 1 203.0.113.9 443 tcp 1 1000 0 10 8 SF']),
    )
    expect(records.map(flowLine)).toEqual([
      '10.0.0.5:1>203.0.113.9:443/6 10/1400',
      '203.0.113.9:443>10.0.0.5:1/6 8/320',
    ])
    expect(records[0]!.original).toEqual({ bytes: 1000, packets: 10, basis: 'payload' })
    expect(input.remarks.join()).toContain('estimated from payload')
  })

  it('sets logs of names aside by name, and counts broken rows', async () => {
    const dns = await readFlows(
      zeek('dns', 'ts uid id.orig_h id.orig_p id.resp_h id.resp_p query', [row('example.com')]),
    )
    expect(dns.input.setAside).toEqual([{ reason: 'Zeek dns.log: names, not traffic', count: 1, bytes: 0 }])
    const broken = await readFlows(zeek('conn', columns, [row('tcp -'), rows[0]!]))
    expect(broken.records).toHaveLength(2)
    expect(broken.input.unread).toHaveLength(1)
  })
})

describe('Suricata eve.json', () => {
  const event = (type: string, rest: object) =>
    JSON.stringify({
      timestamp: '2017-04-07T22:24:37.251547+0100',
      flow_id: 586_497_171_462_735,
      in_iface: 'eth0',
      event_type: type,
      src_ip: '10.0.0.5',
      src_port: 59_002,
      dest_ip: '203.0.113.9',
      dest_port: 443,
      proto: 'TCP',
      ...rest,
    })
  const times = { start: '2017-04-07T22:22:37.251547+0100', end: '2017-04-07T22:23:37.251547+0100' }
  const flow = {
    pkts_toserver: 10,
    pkts_toclient: 20,
    bytes_toserver: 1540,
    bytes_toclient: 28_280,
    ...times,
  }

  it('reads flow and netflow events, whose bytes are frames', async () => {
    const text = [
      event('dns', { dns: { type: 'query', rrname: 'example.com' } }),
      event('tls', { tls: { sni: 'example.com' } }),
      event('stats', { stats: { capture: { kernel_packets: 100, kernel_drops: 7 } } }),
      event('flow', { flow }),
      event('netflow', { netflow: { pkts: 10, bytes: 1540, ...times } }),
      event('flow', { flow, tunnel: { src_ip: '10.0.0.1' } }),
      event('alert', {}),
    ]
    const { records, input } = await readFlows(Buffer.from(text.join('\n')))
    expect(input.formats).toEqual(['suricata'])
    expect(records.map(flowLine)).toEqual([
      '10.0.0.5:59002>203.0.113.9:443/6 10/1400',
      '203.0.113.9:443>10.0.0.5:59002/6 20/28000',
      '10.0.0.5:59002>203.0.113.9:443/6 10/1400',
    ])
    expect(records.map(({ exporter }) => exporter)).toEqual(['eth0', 'eth0', 'eth0 netflow'])
    expect(records[0]).toMatchObject({
      startUnixMs: Date.parse('2017-04-07T21:22:37.251Z'),
      original: { bytes: 1540, packets: 10, basis: 'frame' },
    })
    expect(input.lost).toEqual([
      { reason: 'Suricata eve: packets that the capturer says it dropped', count: 7, bytes: 0 },
    ])
    expect(input.setAside.map(({ reason }) => reason).toSorted()).toEqual([
      'Suricata eve: alert event',
      'Suricata eve: dns event (names, not traffic)',
      'Suricata eve: flow within a tunnel: the outer one counts',
      'Suricata eve: tls event (names, not traffic)',
    ])
  })

  it('reads on after a broken line', async () => {
    const text = `{"timestamp": "bro\n${event('flow', { flow })}\n{"event_type":"flow","timestamp":"x"}\n`
    const { records, input } = await readFlows(Buffer.from(text))
    expect(records).toHaveLength(2)
    expect(input.unread.reduce((sum, { count }) => sum + count, 0)).toBe(2)
  })
})
