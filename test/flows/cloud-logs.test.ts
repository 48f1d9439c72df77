import { gzipSync, zstdCompressSync } from 'node:zlib'
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
    const thrice = gzipSync(gzipSync(gzipSync(aws)))
    await expect(readFlows(thrice)).rejects.toThrow('compressed more than 2 times')
  })
})
