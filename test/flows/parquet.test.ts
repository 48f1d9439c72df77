/** Flow records in Parquet, as clouds and people store them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { textOfWords } from '../../src/flows/address-words.ts'
import type { ReadInput } from '../../src/flows/decode/read-input.ts'
import { isParquet, readParquet } from '../../src/flows/engine/parquet.ts'
import { createObserverBook } from '../../src/flows/observer.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-parquet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function write(name: string, sql: string): Promise<string> {
  const path = join(folder, name)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  return path
}

async function read(path: string) {
  const observers = createObserverBook()
  const reading = readParquet('x.parquet', path, null, observers, { memoryMiB: 200, threads: 1 })
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
