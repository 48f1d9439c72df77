import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { auditCommand } from '../../src/cli/audit.ts'
import { parseCsvMapping } from '../../src/flows/decode/csv-mapping.ts'
import { flowLine, readFlows } from '../support/read-flows.ts'

const text = (...lines: readonly string[]) => Buffer.from(`${lines.join('\n')}\n`)

describe('tables whose columns are known', () => {
  it.each([
    [
      'nfdump -o csv',
      text(
        'ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,dir,ra',
        '2017-04-14 10:56:22,2017-04-14 10:56:42,20.292,10.0.0.5,203.0.113.9,443,40740,TCP,...AP..F,0,0,4,191,2,90,0,0,0,0.0.0.0',
        'Summary',
        'flows,bytes,packets,avg_bps,avg_pps,avg_bpp',
        '1,191,4,13380,4,400',
      ),
      ['10.0.0.5:443>203.0.113.9:40740/6 4/191', '203.0.113.9:40740>10.0.0.5:443/6 2/90'],
      '2017-04-14T10:56:22.000Z',
    ],
    [
      'pmacct',
      text(
        'SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,TIMESTAMP_START,TIMESTAMP_END,PACKETS,BYTES',
        '10.0.0.5,203.0.113.9,443,40740,tcp,2017-04-14 10:56:22.500000,2017-04-14 10:56:42.000000,4,191',
      ),
      ['10.0.0.5:443>203.0.113.9:40740/6 4/191'],
      '2017-04-14T10:56:22.500Z',
    ],
    [
      'tshark -T fields',
      text(
        'frame.time_epoch\tip.src\tip.dst\ttcp.srcport\ttcp.dstport\tudp.srcport\tip.proto\tip.len',
        '1492167382.5\t10.0.0.5\t203.0.113.9\t443\t40740\t\t6\t1500',
      ),
      ['10.0.0.5:443>203.0.113.9:40740/6 1/1500'],
      '2017-04-14T10:56:22.500Z',
    ],
    [
      'a firewall, with quotes and semicolons',
      text(
        '"Start Time";"Source address";"Destination address";"Source Port";"Destination Port";"IP Protocol";"Bytes";"Bytes Sent";"Bytes Received";"Packets Sent";"Packets Received";"Elapsed Time"',
        '"2017/04/14 10:56:22";"10.0.0.5";"203.0.113.9";"443";"40740";"tcp";"1691";"191";"1500";"4";"3";"20"',
      ),
      ['10.0.0.5:443>203.0.113.9:40740/6 4/191', '203.0.113.9:40740>10.0.0.5:443/6 3/1500'],
      '2017-04-14T10:56:22.000Z',
    ],
    [
      'a table that sums both directions, under lines of comment',
      text(
        '# made by hand',
        '# twice',
        'StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,TotPkts,TotBytes,SrcBytes,Label',
        '2011/08/10 09:46:53.047277,3.5,tcp,10.0.0.5,443,   ->,203.0.113.9,40740,CON,7,1691,191,flow=x',
      ),
      ['10.0.0.5:443>203.0.113.9:40740/6 0/191', '203.0.113.9:40740>10.0.0.5:443/6 7/1500'],
      '2011-08-10T09:46:53.047Z',
    ],
    [
      'columns for each family',
      text(
        'flowStartMilliseconds|flowEndMilliseconds|sourceIPv4Address|destinationIPv4Address|sourceIPv6Address|destinationIPv6Address|sourceTransportPort|destinationTransportPort|protocolIdentifier|octetDeltaCount|packetDeltaCount|samplingInterval',
        '1492167382500|1492167383500|0.0.0.0|0.0.0.0|2001:db8::1|2001:db8::2|443|9|17|100|2|10',
      ),
      ['2001:db8::1:443>2001:db8::2:9/17 20/1000'],
      '2017-04-14T10:56:22.500Z',
    ],
  ])('%s', async (_, bytes, expected, start) => {
    for (const size of [65_536, 9]) {
      const { records, input } = await readFlows(bytes, size)
      expect(input.formats).toEqual(['csv'])
      expect(records.map(flowLine)).toEqual(expected)
      expect(new Date(records[0]!.startUnixMs).toISOString()).toBe(start)
      expect(input.unread).toEqual([])
    }
  })

  it('in JSON: nfdump’s array, and lines with nested names', async () => {
    const nfdump = {
      type: 'FLOW',
      first: '2017-04-14T10:55:42.857',
      last: '2017-04-14T10:55:42.857',
      in_packets: 1,
      in_bytes: 80,
      proto: 17,
      src_port: 53_734,
      dst_port: 53,
      src4_addr: '192.168.1.103',
      dst4_addr: '192.168.1.254',
    }
    const array = await readFlows(Buffer.from(JSON.stringify([nfdump], null, '\t')))
    expect(array.input.formats).toEqual(['json'])
    expect(array.records.map(flowLine)).toEqual(['192.168.1.103:53734>192.168.1.254:53/17 1/80'])
    const nested = {
      '@timestamp': '2017-04-14T10:55:42.857Z',
      source: { ip: '10.0.0.5', port: 443, bytes: 100, packets: 2 },
      destination: { ip: '203.0.113.9', port: 9, bytes: 300, packets: 3 },
      network: { transport: 'tcp', bytes: 400 },
    }
    const lines = await readFlows(text(JSON.stringify(nested), JSON.stringify({ hello: 1 })))
    expect(lines.records.map(flowLine)).toEqual([
      '10.0.0.5:443>203.0.113.9:9/6 2/100',
      '203.0.113.9:9>10.0.0.5:443/6 3/300',
    ])
    expect(lines.input.unread).toEqual([{ reason: 'JSON: row that names no flow', count: 1, bytes: 0 }])
  })

  it('nfdump’s listings for people, with what they round', async () => {
    const { records, input } = await readFlows(
      text(
        'Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port     Flags Tos  Packets    Bytes      pps      bps    Bpp Flows',
        '2017-04-14 10:55:42.857     00:00:10.000 TCP      192.168.1.103:53734 ->    192.168.1.254:443   ...AP...   0      1.2 M    1.5 G        0        0     80     1',
        '2017-04-14 10:55:42.893     00:00:00.000 TCP       2001:db8::1.53     ->       2001:db8::2.9     ........   0        1      258        0        0    258     1',
        'Summary: total flows: 2, total bytes: 338, total packets: 2, avg bps: 75111, avg pps: 55, avg bpp: 169',
      ),
    )
    expect(input.formats).toEqual(['nfdump'])
    expect(records.map(flowLine)).toEqual([
      '192.168.1.103:53734>192.168.1.254:443/6 1200000/1500000000',
      '2001:db8::1:53>2001:db8::2:9/6 1/258',
    ])
    expect(records[0]!.endUnixMs - records[0]!.startUnixMs).toBe(10_000)
    expect(input.unread).toEqual([])
  })

  it('counts each of two packets that are alike, and begins another flow after a minute of silence', async () => {
    const packet = (seconds: number) => `${seconds}.5,10.0.0.5,203.0.113.9,443,40740,6,1500`
    const back = '1492167382.5,203.0.113.9,10.0.0.5,40740,443,6,52'
    const { records, input } = await readFlows(
      text(
        'frame.time_epoch,ip.src,ip.dst,tcp.srcport,tcp.dstport,ip.proto,ip.len',
        ...[0, 0, 0, 59, 58, 120].map(after => packet(1_492_167_382 + after)),
        back,
      ),
    )
    expect(records.map(flowLine).toSorted()).toEqual([
      '10.0.0.5:443>203.0.113.9:40740/6 1/1500',
      '10.0.0.5:443>203.0.113.9:40740/6 5/7500',
      '203.0.113.9:40740>10.0.0.5:443/6 1/52',
    ])
    const long = records.find(({ packets }) => packets === 5)!
    expect(long.endUnixMs - long.startUnixMs).toBe(59_000)
    expect(input.remarks).toEqual(['rows are dated by one moment: those of one connection are summed'])
  })

  it('makes no two sums that are alike, though rows are out of order: one would be taken for a copy', async () => {
    const row = (seconds: number) => `${1_700_000_000 + seconds},10.0.0.5,203.0.113.9,443,40740,6,1500`
    const rows = Array.from({ length: 40 }, (_, i) => row((i % 2) * 4000))
    const table = text('frame.time_epoch,ip.src,ip.dst,tcp.srcport,tcp.dstport,ip.proto,ip.len', ...rows)
    const { records } = await readFlows(table)
    const told = records.map(record => `${record.startUnixMs} ${record.endUnixMs} ${record.ipBytes}`)
    expect(new Set(told).size).toBe(told.length)
    expect(records.reduce((sum, { ipBytes }) => sum + ipBytes, 0)).toBe(40 * 1500)
    // Given twice, it counts once.
    expect((await readFlows(table)).records).toEqual(records)
  })

  it('takes a zero for a time that nobody knew', async () => {
    const { records } = await readFlows(
      text(
        'sa,da,bytes,first,last,td',
        '10.0.0.1,9.9.9.9,5,0,1700000060,60',
        '10.0.0.1,9.9.9.9,5,1700000000,0,60',
      ),
    )
    const times = { startUnixMs: 1_700_000_000_000, endUnixMs: 1_700_000_060_000 }
    expect(records).toMatchObject([times, times])
  })

  it('is no log of a cloud for names like those: what came back is counted', async () => {
    const header = 'srcaddr,dstaddr,srcport,dstport,protocol,packets,bytes,start,end'
    const row = '10.0.0.5,203.0.113.9,443.0,40740.0,6.0,4,191,1768471200,1768471260'
    const lines = ['10.0.0.5:443>203.0.113.9:40740/6 4/191', '203.0.113.9:40740>10.0.0.5:443/6 3/1500']
    for (const [more, cells] of [
      ['total_bytes,total_packets', '1691,7'],
      ['bytes_received,packets_received', '1500,3'],
    ]) {
      const csv = await readFlows(text(`${header},${more}`, `${row},${cells}`))
      expect(csv.records.map(flowLine).toSorted()).toEqual(lines)
      const names = `${header},${more}`.split(',')
      const object = Object.fromEntries(`${row},${cells}`.split(',').map((cell, i) => [names[i]!, cell]))
      const json = await readFlows(text(JSON.stringify(object)))
      expect(json.records.map(flowLine).toSorted()).toEqual(lines)
    }
    const alone = await readFlows(text(header, row.replaceAll('.0,', ',')))
    expect(alone.input.formats).toEqual(['aws'])
  })

  it('counts rows that it cannot read', async () => {
    const { records, input } = await readFlows(
      text(
        'src_ip,dst_ip,bytes,start',
        '10.0.0.1,host,5,1700000000',
        '10.0.0.1,10.0.0.2,x,1700000000',
        '10.0.0.1,10.0.0.2,5,yesterday',
        '10.0.0.1,10.0.0.2,5',
        '"10.0.0.1,10.0.0.2,5,1700000000',
        '10.0.0.1,10.0.0.2,99999999999999999999,1700000000',
        '10.0.0.1,10.0.0.2,9999999999999999,1700000000',
        '10.0.0.1,10.0.0.2,5,1700000000',
      ),
    )
    expect(records).toHaveLength(1)
    expect(input.unread.reduce((sum, { count }) => sum + count, 0)).toBe(7)
  })

  it('says so when times look relative', async () => {
    const { records, input } = await readFlows(
      text(
        '"No.","Time","Source","Destination","Protocol","Length","Info"',
        '"1","0.25","10.0.0.1","10.0.0.2","TCP","74","SYN"',
      ),
    )
    expect(records.map(flowLine)).toEqual(['10.0.0.1:0>10.0.0.2:0/6 1/60'])
    expect(input.remarks.join()).toContain('are its times relative')
  })

  it('refuses a table of something else', async () => {
    await expect(readFlows(text('name,age,city,street', 'a,1,b,c'))).rejects.toThrow('in no format')
  })
})

describe('a mapping', () => {
  const mapping = `
columns:
  srcAddr: Quelle
  dstAddr: Ziel
  srcPort: QPort
  dstPort: ZPort
  protocol: Protokoll
  bytes: Menge
  packets: Pakete
  start: Beginn
  duration: Dauer
delimiter: ";"
time: ms
durationUnit: ms
basis: payload
samplingRate: 10
`

  it('reads a table of any names, units and basis', async () => {
    const bytes = text(
      'Beginn;Dauer;Quelle;QPort;Ziel;ZPort;Protokoll;Pakete;Menge',
      '1492167382500;1500;10.0.0.5;443;203.0.113.9;40740;UDP;2;100',
    )
    await expect(readFlows(bytes)).rejects.toThrow('in no format')
    const { records, input } = await readFlows(bytes, 65_536, parseCsvMapping(mapping))
    expect(records.map(flowLine)).toEqual(['10.0.0.5:443>203.0.113.9:40740/17 20/1560'])
    expect(records[0]).toMatchObject({
      original: { bytes: 100, packets: 2, basis: 'payload' },
      startUnixMs: 1_492_167_382_500,
      endUnixMs: 1_492_167_384_000,
      sampling: { rate: 10, from: 'record' },
    })
    expect(input.remarks.join()).toMatch(/mapping with SHA-256 [0-9a-f]{64}/)
  })

  it('names the columns of a table without a header, and may be JSON', async () => {
    const json = JSON.stringify({
      header: ['when', 'from', 'to', 'sum'],
      columns: { srcAddr: 'from', dstAddr: ['to'], bytes: 'sum', start: 'when' },
    })
    const bytes = text('2017-04-14T10:56:22Z,10.0.0.5,203.0.113.9,77')
    const { records } = await readFlows(bytes, 65_536, parseCsvMapping(json))
    expect(records.map(flowLine)).toEqual(['10.0.0.5:0>203.0.113.9:0/0 0/77'])
  })

  it('leaves what is recognised by itself alone', async () => {
    const aws = text('2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 100 1418530010 1418530070 ACCEPT OK')
    expect((await readFlows(aws, 65_536, parseCsvMapping(mapping))).input.formats).toEqual(['aws'])
  })

  it('is given on the command line, and a wrong one is refused by name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-tables-'))
    const file = (name: string, content: string | Buffer) => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    const run = async (map: string) => {
      let [stdout, stderr] = ['', '']
      const flows = file(
        'flows.txt',
        text('Beginn;Dauer;Quelle;Ziel;Menge;Pakete', '1492167382500;1500;10.0.0.5;8.8.8.8;100;2'),
      )
      const servers = file('servers.csv', 'cidr,server,country\n10.0.0.5,app,IN\n')
      const code = await auditCommand(
        [flows, '--servers', servers, '--csv-map', file('map.yaml', map), '--json'],
        {
          stdout: { write: out => (stdout += out) },
          stderr: { write: out => (stderr += out) },
          env: {},
          isTty: false,
        },
      )
      return { code, stdout, stderr }
    }
    const good = await run(mapping)
    expect(good.stderr).toBe('')
    expect(JSON.parse(good.stdout)).toMatchObject({ totals: { bytesAbroad: 1400 } })
    const bad = await run('columns: {}')
    expect(bad).toMatchObject({ code: 2, stdout: '' })
    expect(bad.stderr).toContain('map.yaml: the mapping: "columns" lacks srcAddr')
    rmSync(folder, { recursive: true })
  })

  it('that is wrong is refused with everything that is wrong', () => {
    expect(() => parseCsvMapping('columns: {srcAddr: a, dstadr: b, bytes: 5}\ntime: weeks\nzone: 1')).toThrow(
      /"zone" is not one of.*"columns\.dstadr" is not one of.*"columns\.bytes" is neither.*lacks dstAddr and bytes and start \(or end\).*"time" is not one of/,
    )
    expect(() => parseCsvMapping('just text')).toThrow('no object')
    expect(() => parseCsvMapping('a: [')).toThrow('neither YAML nor JSON')
  })
})
