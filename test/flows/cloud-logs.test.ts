import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { flowLine, readFlows } from '../support/read-flows.ts'

const text = (...lines: readonly string[]) => Buffer.from(`${lines.join('\n')}\n`)

const aws = text(
  '2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK',
  '2 123456789010 eni-1235b8ca 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK',
  '2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA',
  '2 123456789010 eni-11111111 - - - - - - - 1431280876 1431280934 - SKIPDATA',
)

describe('AWS flow logs', () => {
  it('reads the default format without a header; refused, empty and skipped rows are told apart', async () => {
    const { records, input } = await readFlows(aws)
    expect(records.map(flowLine)).toEqual(['172.31.16.139:20641>172.31.16.21:22/6 20/4249'])
    expect(records[0]).toMatchObject({ exporter: 'eni-1235b8ca', startUnixMs: 1_418_530_010_000 })
    expect(input.setAside.map(({ reason }) => reason)).toEqual([
      'NODATA: a window without traffic',
      'rejected by a security group or access list: it did not pass',
    ])
    expect(input.lost).toEqual([
      { reason: 'SKIPDATA: windows that the cloud did not record', count: 1, bytes: 0 },
    ])
  })

  it('reads columns in any order by their header, and prefers the packet’s own addresses', async () => {
    const { records } = await readFlows(
      text(
        'srcaddr dstaddr pkt-srcaddr pkt-dstaddr bytes packets srcport dstport protocol start end flow-direction interface-id',
        '10.0.0.5 10.0.0.9 10.0.1.7 203.0.113.5 5000 10 443 51000 6 1700000000 1700000060 egress eni-a',
        '10.0.0.5 10.0.0.9 - - 60 1 443 51000 6 1700000000 1700000060 ingress eni-a',
      ),
    )
    expect(records.map(flowLine)).toEqual([
      '10.0.1.7:443>203.0.113.5:51000/6 10/5000',
      '10.0.0.5:443>10.0.0.9:51000/6 1/60',
    ])
    expect(records.map(({ direction }) => direction)).toEqual(['out', 'in'])
  })

  it('is known by its content, plain, gzip and zstd', async () => {
    const plain = await readFlows(aws)
    for (const [format, bytes] of [
      ['gzip', gzipSync(aws)],
      ['zstd', zstdCompressSync(aws)],
    ] as const) {
      const { records, input } = await readFlows(bytes, 7)
      expect(input.formats).toEqual([format, 'aws'])
      expect(records).toEqual(plain.records)
      expect(input.bytes).toBe(bytes.length)
    }
  })

  it('keeps what comes before damage in compressed data, and says so', async () => {
    const line = '2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 100 1418530010 1418530070 ACCEPT OK'
    const noisy = Array.from({ length: 20_000 }, (_, i) =>
      line.replace('eni-1', `eni-${(i * 7919) % 99_991}`),
    )
    const bytes = gzipSync(text(...noisy))
    const { records, input } = await readFlows(bytes.subarray(0, bytes.length / 2))
    expect(records.length).toBeGreaterThan(1000)
    expect(input.unread.some(({ reason }) => reason.startsWith('gzip data damaged or cut off'))).toBe(true)
  })

  it('counts rows that it cannot read', async () => {
    const { records, input } = await readFlows(
      text(
        'version srcaddr dstaddr bytes packets start end',
        '2 10.0.0.1 nonsense 1 1 1 1',
        '2 10.0.0.1 10.0.0.2 99999999999999999999 1 1 1',
        '2 10.0.0.1 10.0.0.2 -5 1 1 1',
        'too few',
        '2 10.0.0.1 10.0.0.2 9999999999999999 1 1 1',
        '2 10.0.0.1 10.0.0.2 5 1 1 1',
      ),
    )
    expect(records).toHaveLength(1)
    expect(input.unread.reduce((sum, { count }) => sum + count, 0)).toBe(5)
  })
})

describe('AWS flow logs of every version', () => {
  const row: Readonly<Record<string, string>> = {
    version: '8',
    'account-id': '123456789012',
    'interface-id': 'eni-0a1',
    srcaddr: '10.0.0.5',
    dstaddr: '10.0.0.9',
    srcport: '443',
    dstport: '51000',
    protocol: '6',
    packets: '10',
    bytes: '5000',
    start: '1700000000',
    end: '1700000060',
    action: 'ACCEPT',
    'log-status': 'OK',
    'vpc-id': 'vpc-1',
    'subnet-id': 'subnet-1',
    'instance-id': 'i-1',
    'tcp-flags': '19',
    type: 'IPv4',
    'pkt-srcaddr': '10.0.1.7',
    'pkt-dstaddr': '203.0.113.5',
    region: 'ap-south-1',
    'az-id': 'aps1-az1',
    'sublocation-type': '-',
    'sublocation-id': '-',
    'pkt-src-aws-service': '-',
    'pkt-dst-aws-service': 'AMAZON',
    'flow-direction': 'egress',
    'traffic-path': '8',
    'ecs-cluster-arn': 'arn:aws:ecs:ap-south-1:123456789012:cluster/c',
    'ecs-cluster-name': 'c',
    'ecs-container-instance-arn': '-',
    'ecs-container-instance-id': '-',
    'ecs-container-id': '-',
    'ecs-second-container-id': '-',
    'ecs-service-name': 's',
    'ecs-task-definition-arn': '-',
    'ecs-task-arn': '-',
    'ecs-task-id': '-',
    'reject-reason': '-',
    'resource-id': 'r-1',
    'encryption-status': '0',
  }
  const expected = ['10.0.1.7:443>203.0.113.5:51000/6 10/5000']

  it('have their fields in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(Object.keys(row), { minLength: 42 }), async names => {
        const lines = [names.join(' '), names.map(name => row[name]).join(' ')]
        const { records, input } = await readFlows(text(...lines))
        expect(records.map(flowLine)).toEqual(expected)
        expect(records[0]).toMatchObject({ direction: 'out', exporter: 'eni-0a1' })
        expect(input.unread).toEqual([])
      }),
      { numRuns: 50 },
    )
  })

  it('are read from files put end to end, each with a header of its own, compressed one by one', async () => {
    const file = (names: readonly string[]) => text(names.join(' '), names.map(name => row[name]).join(' '))
    const names = Object.keys(row)
    const bytes = Buffer.concat([gzipSync(file(names)), gzipSync(file(names.toReversed()))])
    const { records, input } = await readFlows(bytes, 100)
    expect(records.map(flowLine)).toEqual([...expected, ...expected])
    expect(input.unread).toEqual([])
  })

  it('come out of CloudWatch with times before them, and as events in JSON', async () => {
    const line = '2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 100 1418530010 1418530070 ACCEPT OK'
    const flow = ['10.0.0.1:1>10.0.0.2:2/6 1/100']
    const exported = await readFlows(text(`2014-12-14T04:06:50.000Z ${line}`))
    expect(exported.records.map(flowLine)).toEqual(flow)
    const document = JSON.stringify({
      messageType: 'DATA_MESSAGE',
      logEvents: [
        { id: '1', timestamp: 1, message: line },
        { id: '2', timestamp: 1, message: '2 123456789012 eni-1 - - - - - - - 1 2 - SKIPDATA' },
      ],
    })
    const events = await readFlows(Buffer.from(document + document), 50)
    expect(events.input.formats).toEqual(['aws-events'])
    expect(events.records.map(flowLine)).toEqual([...flow, ...flow])
    expect(events.input.lost[0]!.count).toBe(2)
  })

  it('may have any line ends', async () => {
    const { records } = await readFlows(
      Buffer.from(
        'srcaddr dstaddr bytes packets start end\r\n10.0.0.1 10.0.0.2 5 1 1700000000 1700000001\r\n',
      ),
    )
    expect(records.map(flowLine)).toEqual(['10.0.0.1:0>10.0.0.2:0/0 1/5'])
  })
})

describe('Alibaba Cloud flow logs', () => {
  const row =
    '1 vsw-1 i-1 vpc-1 1234 eni-9 ap-south-1 10.0.0.1 443 47.88.1.1 51000 6 out 12 9000 1700000000 1700000060 OK ACCEPT 18 -'

  it('reads the documented order, a header, and JSON lines', async () => {
    const expected = ['10.0.0.1:443>47.88.1.1:51000/6 12/9000']
    const plain = await readFlows(text(row))
    expect(plain.input.formats).toEqual(['alibaba'])
    expect(plain.records.map(flowLine)).toEqual(expected)
    expect(plain.records[0]).toMatchObject({ direction: 'out', exporter: 'eni-9' })
    const csv = await readFlows(
      text(
        'eni-id,srcaddr,srcport,dstaddr,dstport,protocol,direction,packets,bytes,start,end,log-status,action',
        'eni-9,10.0.0.1,443,47.88.1.1,51000,6,out,12,9000,1700000000,1700000060,OK,ACCEPT',
      ),
    )
    expect(csv.input.formats).toEqual(['alibaba'])
    expect(csv.records.map(flowLine)).toEqual(expected)
    const json = await readFlows(
      text(
        '{"eni-id":"eni-9","srcaddr":"10.0.0.1","srcport":"443","dstaddr":"47.88.1.1","dstport":"51000","protocol":"6","direction":"out","packets":"12","bytes":"9000","start":"1700000000","end":"1700000060","log-status":"OK","action":"ACCEPT"}',
        '{"broken',
      ),
    )
    expect(json.records.map(flowLine)).toEqual(expected)
    expect(json.input.unread).toHaveLength(1)
  })
})

describe('what is no flow record', () => {
  it('is refused by name', async () => {
    await expect(readFlows(text('hello'))).rejects.toThrow('input is in no format that the audit reads')
    await expect(readFlows(Buffer.alloc(0))).rejects.toThrow('input is empty')
    await expect(readFlows(Buffer.from('BZh91AY&SY'))).rejects.toThrow(
      'input is compressed with bzip2: unpack it',
    )
    await expect(readFlows(Buffer.from('0ca50100', 'hex'))).rejects.toThrow('nfdump -r FILE -o csv')
    const thrice = gzipSync(gzipSync(gzipSync(aws)))
    await expect(readFlows(thrice)).rejects.toThrow('compressed more than 2 times')
  })
})
