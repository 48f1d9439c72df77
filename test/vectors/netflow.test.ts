import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createExportDecoder } from '../../src/flows/decode/export-decoder.ts'
import { Notes } from '../../src/flows/decode/notes.ts'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import { flowLine } from '../support/read-flows.ts'
import { sharedVectors } from '../support/shared-vectors.ts'

const folder = sharedVectors('netflow')

type Case = {
  /** Datagrams of one exporter, templates first. */
  readonly files: readonly string[]
  readonly flows: number
  readonly ipBytes: number
  readonly first?: string
  readonly start?: string
  readonly end?: string
  readonly sampling?: FlowRecord['sampling']
  readonly unread?: readonly string[]
  readonly setAside?: readonly string[]
  /** What the source of the vectors publishes of them: records by their place among the flows. */
  readonly published?: { readonly [index: number]: string }
  /** Its times of the flow at a place, start and end. Of version 9 it prints each a second late. */
  readonly publishedTimes?: { readonly index: number; readonly start: string; readonly end: string }
}

const options = 'options record (what the exporter says of itself)'
const noBytes = 'record of no bytes'

/** Values compared, when this was written, with what another collector (nfcapd) makes of the same datagrams. */
const cases: readonly Case[] = [
  {
    files: ['ipfix_test_barracuda_tpl', 'ipfix_test_barracuda_data256'],
    published: { 3: '10.98.243.20:53>10.99.168.140:50294/17 1/113' },
    flows: 4,
    ipBytes: 388,
    first: '10.99.252.50:53>10.99.130.239:65105/17 1/81',
    setAside: [noBytes],
  },
  {
    files: [
      'ipfix_test_juniper_mx240_junos151r6s3_opttpl512',
      'ipfix_test_juniper_mx240_junos151r6s3_data512',
    ],
    flows: 0,
    ipBytes: 0,
    setAside: [options],
  },
  {
    files: ['ipfix_test_mikrotik_tpl', 'ipfix_test_mikrotik_data258'],
    published: { 0: '10.10.8.197:123>192.168.128.17:123/17 2/152' },
    flows: 28,
    ipBytes: 95_010,
    first: '10.10.8.197:123>192.168.128.17:123/17 2/152',
  },
  {
    files: ['ipfix_test_mikrotik_tpl', 'ipfix_test_mikrotik_data259'],
    published: { 17: 'fe80::ff:fe00:1201:5678>fe80::ff:fe00:1201:5678/17 2/370' },
    flows: 18,
    ipBytes: 8225,
    first: 'fe80::ff:fe00:401:5678>',
  },
  {
    files: ['ipfix_test_openbsd_pflow_tpl', 'ipfix_test_openbsd_pflow_data'],
    published: { 25: '192.168.0.1:80>192.168.0.17:64026/6 8/6425' },
    publishedTimes: { index: 25, start: '2016-07-21T13:29:59.000Z', end: '2016-07-21T13:30:01.000Z' },
    flows: 26,
    ipBytes: 99_323,
    first: '192.168.0.17:64020>192.168.0.1:80/6 7/373',
    start: '2016-07-21T13:29:59.000Z',
    end: '2016-07-21T13:29:59.000Z',
  },
  {
    files: ['ipfix_test_vmware_vds_tpl', 'ipfix_test_vmware_vds_data264'],
    published: { 0: '172.18.65.21:61209>172.18.65.211:5985/6 2/100' },
    publishedTimes: { index: 0, start: '2016-12-22T12:17:37.000Z', end: '2016-12-22T12:17:37.000Z' },
    flows: 1,
    ipBytes: 100,
    first: '172.18.65.21:61209>172.18.65.211:5985/6 2/100',
    start: '2016-12-22T12:17:37.000Z',
  },
  {
    files: ['netflow5'],
    published: { 0: '10.0.2.2:54435>10.0.2.15:22/6 5/230', 1: '10.0.2.15:22>10.0.2.2:54435/6 4/304' },
    flows: 2,
    ipBytes: 534,
    first: '10.0.2.2:54435>10.0.2.15:22/6 5/230',
    end: '2015-05-02T18:38:07.476Z',
    // The file holds more datagrams than one; as one datagram it is two records and bytes that nobody announced.
    unread: ['NetFlow v5: bytes after the last record'],
  },
  {
    files: ['netflow5_test_juniper_mx80'],
    // The source prints what was sampled (2 packets, 104 bytes) and the rate of 1000 beside it.
    published: { 28: '66.249.92.75:37387>192.168.0.1:80/6 2000/104000' },
    flows: 29,
    ipBytes: 3_989_000,
    first: '10.0.0.1:443>192.168.0.2:61608/6 1000/1500000',
    sampling: { rate: 1000, from: 'header' },
  },
  {
    files: ['netflow5_test_invalid01'],
    flows: 0,
    ipBytes: 0,
    unread: ['NetFlow v5: a count that no datagram can hold'],
  },
  {
    files: ['netflow9_test_cisco_aci_tpl256-258', 'netflow9_test_cisco_aci_data256'],
    flows: 3,
    ipBytes: 297,
    first: '10.154.231.145:179>10.154.231.146:49411/6 2/99',
    start: '2018-10-15T11:28:04.019Z',
    end: '2018-10-15T11:28:23.066Z',
  },
  {
    files: ['netflow9_test_cisco_asa_1_tpl', 'netflow9_test_cisco_asa_1_data'],
    published: { 1: '192.168.23.22:17549>164.164.37.11:0/1 0/56' },
    flows: 14,
    ipBytes: 888,
    first: '192.168.14.1:0>2.2.2.11:17549/1 0/56',
    start: '2015-10-09T09:47:47.569Z',
  },
  {
    files: ['netflow9_test_fortigate_fortios_521_tpl', 'netflow9_test_fortigate_fortios_521_data256'],
    flows: 0,
    ipBytes: 0,
    setAside: [options],
  },
  {
    files: ['netflow9_test_fortigate_fortios_521_tpl', 'netflow9_test_fortigate_fortios_521_data257'],
    published: { 0: '192.168.99.7:61910>31.13.87.36:443/6 3/152' },
    publishedTimes: { index: 0, start: '2017-07-25T04:44:29.522Z', end: '2017-07-25T04:44:38.522Z' },
    flows: 1,
    ipBytes: 152,
    first: '192.168.99.7:61910>31.13.87.36:443/6 3/152',
    start: '2017-07-25T04:44:28.522Z',
    end: '2017-07-25T04:44:37.522Z',
  },
  {
    files: ['netflow9_test_huawei_netstream_tpl', 'netflow9_test_huawei_netstream_data'],
    published: { 0: '10.108.219.53:45587>10.111.112.204:2598/6 4/200' },
    publishedTimes: { index: 0, start: '2018-01-29T02:56:52.940Z', end: '2018-01-29T03:02:20.000Z' },
    flows: 1,
    ipBytes: 200,
    first: '10.108.219.53:45587>10.111.112.204:2598/6 4/200',
    start: '2018-01-29T02:56:51.940Z',
    end: '2018-01-29T03:02:19.000Z',
    setAside: [noBytes],
  },
  {
    files: ['netflow9_test_invalid01'],
    flows: 2,
    ipBytes: 19_400,
    first: '2001:44b8:1118:7200::10:123>2001:44b8:4030:cd91:8075:bae:d39d:2621:123/17 100/9600',
    sampling: { rate: 100, from: 'options' },
    setAside: [options],
  },
  {
    files: ['netflow9_test_macaddr_tpl', 'netflow9_test_macaddr_data'],
    flows: 0,
    ipBytes: 0,
    setAside: ['record without a byte counter (an event, not traffic)', options],
  },
  {
    files: ['netflow9_test_nprobe_tpl', 'netflow9_test_nprobe_data'],
    published: { 0: '172.16.32.201:22>172.16.32.1:65058/6 2/200' },
    flows: 1,
    ipBytes: 200,
    first: '172.16.32.201:22>172.16.32.1:65058/6 2/200',
    start: '2015-10-08T19:05:55.010Z',
    setAside: [options],
  },
  {
    files: ['netflow9_test_nprobe_dpi'],
    published: { 0: '0.0.0.0:0>0.0.0.0:0/0 1/82' },
    flows: 1,
    ipBytes: 82,
    unread: ['bytes after the last record of a set that are not padding'],
  },
  {
    files: ['netflow9_test_softflowd_tpl_data'],
    published: { 0: '172.16.32.100:123>172.16.32.248:123/17 1/76' },
    flows: 7,
    ipBytes: 1128,
    first: '172.16.32.100:123>172.16.32.248:123/17 1/76',
    start: '2015-10-08T19:03:46.140Z',
    end: '2015-10-08T19:03:46.141Z',
  },
  {
    files: ['netflow9_test_ubnt_edgerouter_tpl', 'netflow9_test_ubnt_edgerouter_data1024'],
    flows: 8,
    ipBytes: 15_783,
    first: '10.1.0.135:53>10.4.0.251:17232/17 2/174',
    start: '2016-09-10T16:17:25.825Z',
  },
  {
    files: ['netflow9_test_ubnt_edgerouter_tpl', 'netflow9_test_ubnt_edgerouter_data1025'],
    published: { 7: '192.168.1.102:47690>10.2.0.95:443/6 21/3668' },
    publishedTimes: { index: 7, start: '2016-09-10T15:02:54.375Z', end: '2016-09-10T15:23:45.363Z' },
    flows: 8,
    ipBytes: 4635,
    first: '192.168.1.98:55105>10.0.0.73:443/6 5/260',
    end: '2016-09-10T15:23:38.951Z',
  },
  {
    files: ['netflow9_test_valid01'],
    published: { 0: '172.16.32.100:123>172.16.32.248:123/17 1/76' },
    flows: 7,
    ipBytes: 1128,
    first: '172.16.32.100:123>172.16.32.248:123/17 1/76',
  },
]

describe.skipIf(folder === null)('vectors: datagrams of many vendors’ exporters', () => {
  const datagram = (name: string) => readFileSync(join(folder!, `${name}.dat`))

  it.each(cases.map(one => ({ name: one.files.at(-1)!, ...one })))('$name', one => {
    const notes = new Notes()
    const decoder = createExportDecoder(notes)
    const records = one.files.flatMap(name => decoder.decode(datagram(name), 'exporter'))
    decoder.end()
    const { unread, setAside } = notes.summary()
    expect(records.length).toBe(one.flows)
    expect(records.reduce((sum, { ipBytes }) => sum + ipBytes, 0)).toBe(one.ipBytes)
    if (one.first !== undefined) expect(flowLine(records[0]!)).toContain(one.first)
    if (one.start !== undefined) expect(new Date(records[0]!.startUnixMs).toISOString()).toBe(one.start)
    if (one.end !== undefined) expect(new Date(records[0]!.endUnixMs).toISOString()).toBe(one.end)
    if (one.sampling !== undefined) expect(records[0]!.sampling).toEqual(one.sampling)
    for (const [index, line] of Object.entries(one.published ?? {})) {
      expect(flowLine(records[Number(index)]!)).toBe(line)
    }
    if (one.publishedTimes !== undefined) {
      const { index, start, end } = one.publishedTimes
      const lateMs = one.files[0]!.startsWith('netflow9') ? 1000 : 0
      expect(records[index]!.startUnixMs).toBe(Date.parse(start) - lateMs)
      expect(records[index]!.endUnixMs).toBe(Date.parse(end) - lateMs)
    }
    expect(unread.map(({ reason }) => reason)).toEqual(one.unread ?? [])
    const expected = setAside
      .map(({ reason }) => reason)
      .filter(reason => !reason.includes('number seen before'))
    expect(expected).toEqual(one.setAside ?? [])
  })

  it('covers every datagram', () => {
    const named = new Set(cases.flatMap(({ files }) => files))
    const present = readdirSync(folder!).map(name => name.replace(/\.dat$/, ''))
    expect(present.filter(name => !named.has(name))).toEqual([])
  })

  it('gives the same flows when data come before their templates', () => {
    for (const { files, ipBytes } of cases.filter(one => one.files.length === 2)) {
      const notes = new Notes()
      const decoder = createExportDecoder(notes)
      const records = files.toReversed().flatMap(name => decoder.decode(datagram(name), 'exporter'))
      decoder.end()
      expect(records.reduce((sum, record) => sum + record.ipBytes, 0)).toBe(ipBytes)
      expect(notes.summary().unread.map(({ reason }) => reason)).toEqual([])
    }
  })
})
