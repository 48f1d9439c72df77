import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { flowLine, readFlows } from '../support/read-flows.ts'

const json = (value: unknown, space?: number) => Buffer.from(JSON.stringify(value, null, space))

const vnet = (...tuples: readonly string[]) => ({
  records: [
    {
      time: '2022-09-14T09:00:52.5625085Z',
      flowLogVersion: 4,
      macAddress: '112233445566',
      category: 'FlowLogFlowEvent',
      operationName: 'FlowLogFlowEvent',
      flowRecords: { flows: [{ aclID: 'a', flowGroups: [{ rule: 'DefaultRule', flowTuples: tuples }] }] },
    },
  ],
})

const nsg = (version: number, ...tuples: readonly string[]) => ({
  records: [
    {
      time: '2018-11-13T12:00:35.3899262Z',
      category: 'NetworkSecurityGroupFlowEvent',
      properties: {
        Version: version,
        flows: [{ rule: 'r', flows: [{ mac: '000D3AF87856', flowTuples: tuples }] }],
      },
    },
  ],
})

describe('Azure flow logs', () => {
  it('of virtual networks count both directions, each tuple since the one before it', async () => {
    const { records, input } = await readFlows(
      json(
        vnet(
          '1663146003599,10.0.0.6,192.0.2.180,23956,443,6,O,B,NX,0,0,0,0',
          '1663146003606,10.0.0.6,192.0.2.180,23956,443,6,O,C,NX,21,5200,40,61000',
          '1663146303606,10.0.0.6,192.0.2.180,23956,443,6,O,E,NX,3,140,0,0',
          '1663146003700,203.0.113.9,10.0.0.6,51000,22,6,I,D,NX,0,0,0,0',
          '1663146003800,2001:db8::9,10.0.0.6,51000,53,17,I,C,X,1,80,1,200',
        ),
      ),
    )
    expect(input.formats).toEqual(['azure'])
    expect(records.map(flowLine)).toEqual([
      '10.0.0.6:23956>192.0.2.180:443/6 21/5200',
      '192.0.2.180:443>10.0.0.6:23956/6 40/61000',
      '10.0.0.6:23956>192.0.2.180:443/6 3/140',
      '2001:db8::9:51000>10.0.0.6:53/17 1/80',
      '10.0.0.6:53>2001:db8::9:51000/17 1/200',
    ])
    expect(records.map(({ direction }) => direction)).toEqual(['out', 'in', 'out', 'in', 'out'])
    expect(records[0]).toMatchObject({ exporter: '112233445566', startUnixMs: 1_663_146_003_599 })
    expect(records[2]).toMatchObject({ startUnixMs: 1_663_146_003_606, endUnixMs: 1_663_146_303_606 })
    expect(input.setAside.map(({ reason }) => reason)).toEqual([
      'a flow’s beginning, without bytes',
      'denied by a rule: it did not pass',
    ])
    expect(input.unread).toEqual([])
  })

  it('of network security groups: version 2 counts, version 1 does not and says so', async () => {
    const { records, input } = await readFlows(
      json(
        nsg(
          2,
          '1542110377,10.5.16.4,13.67.143.118,59831,443,T,O,A,B,,,,',
          '1542110402,10.5.16.4,13.67.143.118,59831,443,T,O,A,E,1021,588096,8005,4610880',
          '1542110402,94.102.49.190,10.5.16.4,28746,443,U,I,D,B,,,,',
        ),
      ),
    )
    expect(records.map(flowLine)).toEqual([
      '10.5.16.4:59831>13.67.143.118:443/6 1021/588096',
      '13.67.143.118:443>10.5.16.4:59831/6 8005/4610880',
    ])
    expect(records[0]).toMatchObject({ exporter: '000D3AF87856', startUnixMs: 1_542_110_377_000 })
    expect(input.unread).toEqual([])
    const first = await readFlows(json(nsg(1, '1487282421,42.119.146.95,10.1.0.4,51529,5358,T,I,D')))
    expect(first.records).toEqual([])
    expect(first.input.setAside[0]!.reason).toContain('version 1: it counts no bytes')
  })

  it('are read in chunks of any size, pretty-printed, end to end, compressed, and up to a cut', async () => {
    const rows = Array.from(
      { length: 500 },
      (_, i) => `${1_663_146_003_606 + i},10.0.0.6,192.0.2.180,${i + 1000},443,6,O,E,NX,1,${i + 40},0,0`,
    )
    const document = json(vnet(...rows), 2)
    const whole = await readFlows(document)
    expect(whole.records).toHaveLength(500)
    for (const size of [1, 7, 977]) expect((await readFlows(document, size)).records).toEqual(whole.records)
    expect((await readFlows(gzipSync(document))).records).toEqual(whole.records)
    expect((await readFlows(Buffer.concat([document, document]))).records).toHaveLength(1000)
    const cut = await readFlows(document.subarray(0, document.length / 2))
    expect(cut.records.length).toBeGreaterThan(200)
    expect(cut.input.unread.map(({ reason }) => reason)).toContain(
      'Azure flow log: cut off before the end of its JSON',
    )
  })

  it('counts tuples that make no sense', async () => {
    const { records, input } = await readFlows(
      json(
        vnet(
          'x,10.0.0.6,192.0.2.180,1,443,6,O,E,NX,1,1,1,1',
          '1663146003606,host,192.0.2.180,1,443,6,O,E,NX,1,1,1,1',
          '1663146003606,10.0.0.6,192.0.2.180,1,443,6,O,E,NX,1,-1,1,1',
          '1663146003606,10.0.0.6',
        ),
      ),
    )
    expect(records).toEqual([])
    expect(input.unread).toEqual([
      { reason: 'Azure flow log: tuple that cannot be read', count: 4, bytes: expect.any(Number) },
    ])
  })
})

const gcp = (reporter: string, bytes: string) => ({
  insertId: 'x',
  jsonPayload: {
    connection: {
      src_ip: '10.128.0.2',
      src_port: 443,
      dest_ip: '203.0.113.9',
      dest_port: 51_000,
      protocol: 6,
    },
    bytes_sent: bytes,
    packets_sent: '12',
    start_time: '2024-05-01T10:00:00.123456789Z',
    end_time: '2024-05-01T10:00:05.5Z',
    reporter,
  },
  resource: { type: 'gce_subnetwork', labels: { subnetwork_name: 'prod', project_id: 'p' } },
  logName: 'projects/p/logs/compute.googleapis.com%2Fvpc_flows',
  timestamp: '2024-05-01T10:00:06Z',
})

describe('GCP flow logs', () => {
  const other = { jsonPayload: { message: 'hello' }, logName: 'projects/p/logs/other' }
  const entries = [other, gcp('SRC', '9000'), gcp('DEST', '8000')]
  const expected = [
    '10.128.0.2:443>203.0.113.9:51000/6 12/9000',
    '10.128.0.2:443>203.0.113.9:51000/6 12/8000',
  ]

  it.each([
    ['JSON lines', Buffer.from(entries.map(entry => JSON.stringify(entry)).join('\n'))],
    ['one array', json(entries)],
    ['one array, pretty-printed', json(entries, 2)],
    ['objects end to end', Buffer.from(entries.map(entry => JSON.stringify(entry, null, 2)).join('\n'))],
  ])('as %s', async (_, bytes) => {
    for (const size of [65_536, 13]) {
      const { records, input } = await readFlows(bytes, size)
      expect(input.formats).toEqual(['gcp'])
      expect(records.map(flowLine)).toEqual(expected)
      expect(records.map(({ exporter, direction }) => `${exporter} ${direction}`)).toEqual([
        'prod SRC out',
        'prod DEST in',
      ])
      expect(records[0]).toMatchObject({ startUnixMs: 1_714_557_600_123, endUnixMs: 1_714_557_605_500 })
      expect(input.setAside).toEqual([{ reason: 'GCP flow log: entry of another log', count: 1, bytes: 0 }])
      expect(input.unread).toEqual([])
      expect(input.remarks.join()).toContain('samples packets itself')
    }
  })

  it('passes over an element larger than any, and reads on', async () => {
    const huge = { ...gcp('SRC', '1'), padding: 'x'.repeat(3_000_000) }
    const { records, input } = await readFlows(json([gcp('SRC', '9000'), huge, gcp('DEST', '8000')]))
    expect(records.map(flowLine)).toEqual(expected)
    expect(input.unread.map(({ reason }) => reason)).toEqual([
      'GCP flow log: element that is too long or not JSON',
    ])
  })
})
