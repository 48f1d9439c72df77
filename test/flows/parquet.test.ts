/** Flow records in Parquet, as clouds and people store them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { textOfWords } from '../../src/flows/address-words.ts'
import { type CsvMapping, parseCsvMapping } from '../../src/flows/decode/csv-mapping.ts'
import type { ReadInput } from '../../src/flows/decode/read-input.ts'
import { isParquet, readParquet } from '../../src/flows/engine/parquet.ts'
import { createObserverBook } from '../../src/flows/observer.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-parquet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function write(name: string, sql: string, more = ''): Promise<string> {
  const path = join(folder, name)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet${more})`)
  connection.closeSync()
  instance.closeSync()
  return path
}

async function read(path: string, mapping: CsvMapping | null = null) {
  const observers = createObserverBook()
  const reading = readParquet('x.parquet', path, mapping, observers, { memoryMiB: 200, threads: 1 })
  const records: object[] = []
  for (;;) {
    const step = await reading.next()
    if (step.done === true) return { records, input: step.value as ReadInput }
    const { columns, rows } = step.value
    for (let row = 0; row < rows; row++)
      records.push({
        src: `${textOfWords(columns.src, row)} ${columns.srcPort[row]}`,
        dst: `${textOfWords(columns.dst, row)} ${columns.dstPort[row]}`,
        protocol: columns.protocol[row],
        ipBytes: columns.ipBytes[row],
        packets: columns.packets[row],
        from: columns.startUnixMs[row],
        until: columns.endUnixMs[row],
        observer: observers.names.get(columns.observer[row]!),
      })
  }
}

const byBytes = (a: object, b: object) =>
  (a as { ipBytes: number }).ipBytes - (b as { ipBytes: number }).ipBytes

describe('Parquet', () => {
  let aws = ''
  beforeAll(async () => {
    aws = await write(
      'aws.parquet',
      `SELECT * FROM (VALUES
        (2, 'eni-1', '10.0.0.5', '8.8.8.8', '52.66.0.1', NULL, 40000, 443, 6, 10, 9000::BIGINT, 1768471200::BIGINT, 1768471260::BIGINT, 'ACCEPT', 'OK', 'egress'),
        (2, 'eni-1', '10.0.0.5', '2001:db8::1', NULL, NULL, 40000, 443, 17, 1, 100, 1768471200, 1768471260, 'ACCEPT', 'OK', 'ingress'),
        (2, 'eni-1', '10.0.0.5', '8.8.8.8', NULL, NULL, 40000, 443, 6, 1, 60, 1768471200, 1768471260, 'REJECT', 'OK', NULL),
        (2, 'eni-1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1768471200, 1768471260, NULL, 'NODATA', NULL),
        (2, 'eni-1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1768471200, 1768471260, NULL, 'SKIPDATA', NULL),
        (2, 'eni-1', '10.0.0.5', '8.8.8.8', NULL, NULL, 1, 2, 6, 1, 2::BIGINT ** 55, 1768471200, 1768471260, 'ACCEPT', 'OK', NULL),
        (2, 'eni-1', '10.0.0.5', 'here', NULL, NULL, 1, 2, 6, 1, 500, 1768471200, 1768471260, 'ACCEPT', 'OK', NULL),
        (2, 'eni-1', '10.0.0.5', NULL, NULL, NULL, 1, 2, 6, 1, 500, 1768471200, 1768471260, 'ACCEPT', 'OK', NULL)
      ) AS t(version, interface_id, srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, srcport, dstport, protocol, packets, bytes, "start", "end", action, log_status, flow_direction)`,
    )
  })

  it('is known by its content', async () => {
    writeFileSync(join(folder, 'text'), 'PAR')
    expect([await isParquet(aws), await isParquet(join(folder, 'text'))]).toEqual([true, false])
  })

  it('reads what AWS delivers, and counts what it leaves out', async () => {
    const { records, input } = await read(aws)
    expect(records).toHaveLength(2)
    expect(records).toContainEqual({
      src: '52.66.0.1 40000',
      dst: '8.8.8.8 443',
      protocol: 6,
      ipBytes: 9000,
      packets: 10,
      from: 1_768_471_200_000,
      until: 1_768_471_260_000,
      observer: 'eni-1 out',
    })
    expect(records).toContainEqual(
      expect.objectContaining({ dst: '2001:db8::1 443', protocol: 17, observer: 'eni-1 in' }),
    )
    const reasons = [...input.unread, ...input.setAside, ...input.lost].map(
      ({ reason, count }) => `${count} ${reason.split(':').at(-1)!.trim()}`,
    )
    expect(reasons.sort()).toEqual([
      '1 a window without traffic',
      '1 counter too large to be true',
      '1 it did not pass',
      '1 row without addresses, bytes or times that can be read',
      '1 what stands for an address is none; its rows are left out',
      '1 windows that the cloud did not record',
    ])
    expect(input).toMatchObject({ formats: ['parquet'], records: 2, fromUnixMs: 1_768_471_200_000 })
    expect(input.sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  it('reads a row the same, whatever others are in the file', async () => {
    const clean = `SELECT 'eni-' || (i % 3) AS interface_id, '10.0.0.' || (i % 50) AS srcaddr, '8.8.8.' || (i % 100) AS dstaddr,
      (i % 60000)::BIGINT AS srcport, 443::BIGINT AS dstport, 6::BIGINT AS protocol, (1 + i % 9)::BIGINT AS packets,
      (100 + i)::BIGINT AS bytes, (1768471200 + i)::BIGINT AS "start", (1768471260 + i)::BIGINT AS "end",
      'ACCEPT' AS action, 'OK' AS log_status FROM range(5000) AS t(i)`
    const odd = [
      // Another unit of time, refused packets, a window that was skipped, blanks, nothing at all.
      `'eni-9', '10.9.9.9', '8.8.8.8', 1, 2, 17, 1, 999, 1768471200000, 1768471260000, 'ACCEPT', 'OK'`,
      `'eni-9', '10.9.9.9', '8.8.8.8', 1, 2, 17, 1, 999, 1768471200, 1768471260, 'REJECT', 'OK'`,
      `'eni-9', '-', '-', NULL, NULL, NULL, NULL, NULL, 1768471200, 1768471260, '-', 'SKIPDATA'`,
      `NULL, '10.9.9.9', '8.8.8.8', NULL, NULL, NULL, NULL, 999, NULL, 1768471260, NULL, NULL`,
      `'eni-9', '10.9.9.9', '', 1, 2, 17, 1, 999, 1768471200, 1768471260, 'ACCEPT', 'OK'`,
    ]
    const alone = await read(await write('clean.parquet', clean))
    const rows = odd.map(row => `SELECT ${row}`).join(' UNION ALL ')
    const mixed = await read(await write('mixed.parquet', `${clean} UNION ALL ${rows}`))
    const lines = (records: readonly object[]) => records.map(record => JSON.stringify(record)).sort()
    const ofOdd = lines(mixed.records).filter(line => line.includes('10.9.9.9'))
    expect(lines(mixed.records).filter(line => !line.includes('10.9.9.9'))).toEqual(lines(alone.records))
    expect(alone.records).toHaveLength(5000)
    expect(ofOdd.map(line => (JSON.parse(line) as { from: number }).from).toSorted()).toEqual([
      1_768_471_200_000, 1_768_471_260_000,
    ])
  })

  it('reads timestamps, both directions of a row, and names of protocols', async () => {
    const path = await write(
      'own.parquet',
      `SELECT TIMESTAMP '2026-01-15 10:00:00.5' AS start_time, 1.5::DOUBLE AS duration, '10.0.0.1' AS src_ip, '9.9.9.9' AS dst_ip,
        53::USMALLINT AS src_port, 5353 AS dst_port, 'UDP' AS proto, 1000 AS bytes_out, 2 AS packets_out, 300 AS bytes_in, 1 AS packets_in`,
    )
    const { records } = await read(path)
    const start = Date.UTC(2026, 0, 15, 10, 0, 0, 500)
    const times = { protocol: 17, from: start, until: start + 1500, observer: 'x.parquet' }
    expect(records).toEqual([
      { src: '10.0.0.1 53', dst: '9.9.9.9 5353', ipBytes: 1000, packets: 2, ...times },
      { src: '9.9.9.9 5353', dst: '10.0.0.1 53', ipBytes: 300, packets: 1, ...times },
    ])
  })

  it('takes no time that there cannot be for an end, a start or a duration', async () => {
    const start = 1_768_471_200_000
    const row = (bytes: number, times: string) =>
      `SELECT ${bytes} AS bytes, ${bytes} AS sp, '10.0.0.1' AS sa, '9.9.9.9' AS da, 1 AS packets, ${times}`
    const until = async (name: string, ...rows: readonly string[]) => {
      const { records } = await read(await write(`${name}.parquet`, rows.join(' UNION ALL ')))
      return (records as { ipBytes: number; from: number; until: number }[])
        .toSorted((a, b) => a.ipBytes - b.ipBytes)
        .map(record => [record.from - start, record.until - start])
    }
    const end = (value: string) => `1768471200::DOUBLE AS first, ${value}::DOUBLE AS last`
    expect(
      await until(
        'ends',
        row(1, end('1768471260')),
        row(2, end(`'nan'`)),
        row(3, end(`'inf'`)),
        row(4, end('1e300')),
        row(5, end('0')),
        row(6, end('1768471100')),
        row(7, end('-1')),
        row(8, '0::DOUBLE AS first, 1768471260::DOUBLE AS last'),
      ),
    ).toEqual([[0, 60_000], ...Array.from({ length: 6 }, () => [0, 0]), [60_000, 60_000]])
    const whole = (first: string, last: string) => `${first}::BIGINT AS first, ${last}::BIGINT AS last`
    expect(
      await until(
        'whole',
        row(1, whole('1768471200', '1768471260')),
        row(2, whole('1768471200', '0')),
        row(3, whole('1768471200', '9e18')),
        row(4, whole('0', '1768471260')),
      ),
    ).toEqual([
      [0, 60_000],
      [0, 0],
      [0, Number(9_000_000_000_000) - start],
      [60_000, 60_000],
    ])
    const lasts = (value: string) => `1768471200 AS ts, ${value} AS duration`
    expect(
      await until(
        'durations',
        row(1, lasts('1.5::DOUBLE')),
        row(2, lasts(`'nan'::DOUBLE`)),
        row(3, lasts('1e300')),
        row(4, lasts('-5')),
      ),
    ).toEqual([[0, 1500], ...Array.from({ length: 3 }, () => [0, 0])])
    const dated = (last: string) => `TIMESTAMP '2026-01-15 10:00:00' AS first, ${last}::TIMESTAMP AS last`
    expect(
      await until(
        'dated',
        row(1, dated(`'2026-01-15 10:01'`)),
        row(2, dated(`'infinity'`)),
        row(3, dated(`'1960-01-01'`)),
      ),
    ).toEqual([
      [0, 60_000],
      [0, 0],
      [0, 0],
    ])
  })

  it('reads sums of both ways, durations and protocols as a table of text is read', async () => {
    const row = `'10.0.0.1' AS sa, '9.9.9.9' AS da, 1768471200 AS first`
    const both = await write(
      'both.parquet',
      `SELECT ${row}, 6.0::DOUBLE AS proto, 191 AS bytes, 4 AS packets, 1691 AS total_bytes, 7 AS total_packets, INTERVAL '1 minute' AS duration`,
    )
    const times = { protocol: 6, from: 1_768_471_200_000, until: 1_768_471_260_000 }
    const { records } = await read(both)
    expect(records).toHaveLength(2)
    expect(records).toContainEqual(
      expect.objectContaining({ ...times, src: '10.0.0.1 0', ipBytes: 191, packets: 4 }),
    )
    expect(records).toContainEqual(
      expect.objectContaining({ ...times, src: '9.9.9.9 0', ipBytes: 1500, packets: 3 }),
    )
    const one = await write(
      'one.parquet',
      `SELECT ${row}, '6.0' AS proto, 1691 AS total_bytes, 7 AS total_packets, '0:01:00' AS duration`,
    )
    const sum = await read(one)
    expect(sum.records).toMatchObject([{ ...times, src: '10.0.0.1 0', ipBytes: 1691, packets: 7 }])
    expect(sum.input.remarks).toEqual([expect.stringMatching(/both directions in one number/)])
  })

  it('sums rows that are dated by one moment, alike or not, and only those', async () => {
    const packet = (after: number) =>
      `SELECT 1768471200 + ${after} AS ts, '10.0.0.1' AS sa, '9.9.9.9' AS da, 6 AS proto, 1500 AS bytes, 1 AS packets`
    const packets = [0, 0, 0, 0, 0, 60].map(packet).join(' UNION ALL ')
    const alone = await read(await write('moments.parquet', packets))
    expect(alone.records.map(record => ({ ...record })).toSorted(byBytes)).toMatchObject([
      { ipBytes: 1500, packets: 1, from: 1_768_471_260_000, until: 1_768_471_260_000 },
      { ipBytes: 7500, packets: 5, from: 1_768_471_200_000, until: 1_768_471_200_000 },
    ])
    expect(alone.input.remarks).toEqual([expect.stringMatching(/one moment/)])
    const ended = `SELECT *, NULL::BIGINT AS te FROM (${packets}) UNION ALL SELECT *, 1768471260 AS te FROM (${packet(0)} UNION ALL ${packet(0)})`
    const mixed = await read(await write('some-moments.parquet', ended))
    expect(mixed.records.map(record => ({ ...record })).toSorted(byBytes)).toMatchObject([
      ...[{ until: 1_768_471_260_000 }, { until: 1_768_471_260_000 }, { until: 1_768_471_260_000 }],
      { ipBytes: 7500, packets: 5, until: 1_768_471_200_000 },
    ])
  })

  it('counts each row that names no address', async () => {
    const row = (from: string, to: string) =>
      `SELECT 1768471200 AS ts, ${from} AS sa, ${to} AS da, 5 AS bytes, 1 AS packets`
    const rows = [
      ...Array.from({ length: 3 }, () => row(`'here'`, `'9.9.9.9'`)),
      row(`'here'`, `'there'`),
      row(`'10.0.0.1'`, `'9.9.9.9'`),
    ]
    const { records, input } = await read(await write('nowhere.parquet', rows.join(' UNION ALL ')))
    expect(records).toHaveLength(1)
    expect(input.unread.map(({ count }) => count)).toEqual([4])
  })

  it('keeps what a file says of itself apart from what is found in it', async () => {
    const reason = 'Parquet: row without addresses, bytes or times that can be read'
    const noted = (notes: unknown) => `, KV_METADATA {holdfast_notes: '${JSON.stringify(notes)}'}`
    const rows = `SELECT 1768471200 AS ts, '10.0.0.1' AS sa, NULL AS da, 5 AS bytes`
    const notes = (count: number) => ({
      unread: [{ reason, count, bytes: 0 }],
      setAside: [],
      lost: [],
      remarks: Array.from({ length: 300 }, (_, i) => `remark ${i}`),
    })
    const own = { reason, count: 1, bytes: 0 }
    const honest = await read(await write('noted.parquet', rows, noted(notes(7))))
    expect(honest.input.unread).toEqual([own, { reason: `the file says: ${reason}`, count: 7, bytes: 0 }])
    expect(honest.input.remarks).toHaveLength(256)
    for (const count of [-1, 1.5, 2 ** 60]) {
      const { input } = await read(await write('cancels.parquet', rows, noted(notes(count))))
      expect(input.unread).toEqual([own])
      expect(input.remarks).toEqual([])
    }
  })

  it('counts a row without a time, and says so when times look relative', async () => {
    const row = (ts: string) =>
      `SELECT ${ts} AS ts, '10.0.0.1' AS sa, '9.9.9.9' AS da, 5 AS bytes, 1 AS packets`
    const none = await read(await write('untimed.parquet', `${row('1768471200')} UNION ALL ${row('NULL')}`))
    expect(none.records).toMatchObject([{ from: 1_768_471_200_000 }])
    expect(none.input.unread).toMatchObject([{ count: 1 }])
    const relative = await read(await write('relative.parquet', `${row('0')} UNION ALL ${row('7.5')}`))
    expect(relative.records).toHaveLength(2)
    expect(relative.input.remarks).toContainEqual(expect.stringMatching(/before 1990/))
  })

  it('sets aside a row that counts nothing', async () => {
    const row = (bytes: number) =>
      `SELECT 1768471200 AS ts, '10.0.0.1' AS sa, '9.9.9.9' AS da, ${bytes} AS bytes, 0 AS packets`
    const { records, input } = await read(await write('empty.parquet', `${row(0)} UNION ALL ${row(5)}`))
    expect(records).toHaveLength(1)
    expect(input.setAside).toEqual([{ reason: 'record of no bytes', count: 1, bytes: 0 }])
  })

  it('tries the next column where the first says nothing that can be read', async () => {
    const mapping = parseCsvMapping(
      'columns: {srcAddr: a, dstAddr: b, bytes: [n, m], start: [t, u], packets: [p, q]}',
    )
    const path = await write(
      'turns.parquet',
      `SELECT '10.0.0.1' AS a, '9.9.9.9' AS b, 'many' AS n, 70 AS m, 'today' AS t, 1768471200 AS u, 'nan'::DOUBLE AS p, 3 AS q`,
    )
    expect((await read(path, mapping)).records).toMatchObject([
      { ipBytes: 70, packets: 3, from: 1_768_471_200_000 },
    ])
  })

  it('reads addresses of both families, whichever column has zeros in it', async () => {
    const row = (...addresses: readonly string[]) =>
      `SELECT 1768471200 AS first, 1768471260 AS last, 60 AS bytes, ${['ipv4_src_addr', 'ipv6_src_addr', 'ipv4_dst_addr', 'ipv6_dst_addr'].map((name, i) => `'${addresses[i]}' AS ${name}`).join()}`
    const path = await write(
      'families.parquet',
      `${row('0.0.0.0', '2001:db8::1', '0.0.0.0', '2001:db8::2')} UNION ALL ${row('10.0.0.1', '::', '9.9.9.9', '::')}`,
    )
    const { records } = await read(path)
    expect(records).toHaveLength(2)
    expect(records).toContainEqual(expect.objectContaining({ src: '2001:db8::1 0', dst: '2001:db8::2 0' }))
    expect(records).toContainEqual(expect.objectContaining({ src: '10.0.0.1 0', dst: '9.9.9.9 0' }))
  })

  it('brings payload to IP bytes by the headers that there must be', async () => {
    const path = await write(
      'payload.parquet',
      `SELECT 1768471200 AS ts, '10.0.0.1' AS src_ip, '9.9.9.9' AS dst_ip, 6 AS proto, 1000 AS payload_bytes, 2 AS packets`,
    )
    expect((await read(path)).records).toMatchObject([{ ipBytes: 1000 + 2 * 40 }])
  })

  it('refuses what is damaged, and what is no flows, with a reason', async () => {
    const cut = join(folder, 'cut.parquet')
    writeFileSync(cut, 'PAR1 and no more')
    await expect(read(cut)).rejects.toThrow(/Parquet that cannot be read/)
    await expect(read(cut)).rejects.not.toThrow(/SELECT/)
    const whole = await write(
      'whole.parquet',
      `SELECT 1768471200 AS ts, '10.0.0.1' AS sa, '9.9.9.9' AS da, 5 AS bytes`,
    )
    writeFileSync(cut, readFileSync(whole).subarray(0, 300))
    await expect(read(cut)).rejects.toThrow(/^x\.parquet is Parquet that cannot be read: [^\n]*$/)
    const people = await write('people.parquet', `SELECT 'Asha' AS name, 30 AS age`)
    await expect(read(people)).rejects.toThrow(/columns name no flows/)
  })

  it('takes nothing out of the names of folders, and no name for a pattern', async () => {
    mkdirSync(join(folder, 'date=2026-01-15', 'bytes=7'), { recursive: true })
    const row = (bytes: number) =>
      `SELECT 1768471200 AS ts, '10.0.0.1' AS sa, '9.9.9.9' AS da, ${bytes} AS bytes, 1 AS ipkt`
    await write('date=2026-01-15/bytes=7/a1.parquet', row(60))
    const odd = await write('date=2026-01-15/bytes=7/a[1].parquet', row(80))
    const { records } = await read(odd)
    expect(records).toMatchObject([{ ipBytes: 80, from: 1_768_471_200_000 }])
    await write('x*.parquet', row(90))
    expect((await read(await write('x?.parquet', row(70)))).records).toMatchObject([{ ipBytes: 70 }])
    await expect(read(await write('x\\?.parquet', row(70)))).rejects.toThrow(/rename it/)
  })

  it('takes names of files for names, whatever is in them', async () => {
    const { records } = await read(
      await write(
        "it''s.parquet",
        `SELECT 1768471200 AS ts, '10.0.0.1' AS sa, '9.9.9.9' AS da, 60 AS ibyt, 1 AS ipkt`,
      ).then(() => join(folder, "it's.parquet")),
    )
    expect(records).toHaveLength(1)
  })
})
