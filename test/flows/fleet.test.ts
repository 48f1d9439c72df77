/** Fleets whose truth is known: who sends abroad is found, whoever does not is left in peace, and the split is right. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { judge } from '../../bench/fleet/judge.ts'
import { writeParquet } from '../../src/flows/engine/write-parquet.ts'
import { parseEarlier } from '../../src/flows/report/compare.ts'
import { csvReport } from '../../src/flows/report/csv.ts'
import { ocsfReport } from '../../src/flows/report/ocsf.ts'
import { stixReport } from '../../src/flows/report/stix.ts'
import { terminalReport } from '../../src/flows/report/terminal.ts'
import { auditFleet } from '../support/fleet-audit.ts'

const shape = { servers: 60, senders: 18, days: 16, flows: 120_000 }

describe.each([3, 11])('a fleet from seed %i', seed => {
  let made: Awaited<ReturnType<typeof auditFleet>>
  beforeAll(async () => {
    made = await auditFleet({ seed, ...shape })
  })

  it('names everybody who sends abroad and nobody else, and splits what was ordered from what was not', () => {
    const { missed, accused, worstSplit } = judge(made.fleet, made.report)
    expect({ missed, accused }).toEqual({ missed: [], accused: [] })
    expect(worstSplit).toBeLessThan(0.01)
  })

  it('adds up: grades to bytes, destinations to servers, servers to totals', () => {
    const { servers, totals } = made.report
    for (const row of servers) {
      expect(row.instructed + row.claimed + row.unexplained + row.disputed).toBe(row.bytesAbroad)
      expect(row.destinations.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(row.bytesAbroad)
      const { abroad } = row.activity
      expect(abroad.reduce((sum, bytes) => sum + bytes, 0)).toBe(row.bytesAbroad)
    }
    expect(servers.reduce((sum, row) => sum + row.unexplained, 0)).toBe(totals.unexplained)
  })

  it('says what is conspicuous about those that hide', () => {
    const kindsOf = (way: string) =>
      made.report.servers
        .filter(({ server }) => made.fleet.truth.get(server)?.way === way)
        .map(({ detections }) => detections.filter(({ score }) => score >= 50).map(({ kind }) => kind))
    for (const kinds of kindsOf('beacon')) expect(kinds).toContain('beacon')
    for (const kinds of kindsOf('dns')) expect(kinds).toContain('dns-tunnel')
    for (const kinds of kindsOf('drip')) expect(kinds.some(kind => /drip|beacon|ratio/.test(kind))).toBe(true)
  })
})

describe('what comes out', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-outputs-'))
  let made: Awaited<ReturnType<typeof auditFleet>>
  beforeAll(async () => {
    made = await auditFleet({ seed: 5, ...shape, flows: 30_000 })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is a table, of which Parquet says the same', async () => {
    const csv = csvReport(made.report)
    const path = join(folder, "it's.parquet")
    await writeParquet(path, csv)
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const rows = await connection.runAndReadAll(
      `SELECT CAST(sum(unexplained) AS DOUBLE) AS open, count(*) AS n, any_value(typeof(bytes)) AS type FROM '${path.replaceAll("'", "''")}'`,
    )
    const [row] = rows.getRowObjects()
    expect(row).toMatchObject({ open: made.report.totals.unexplained, type: 'BIGINT' })
    expect(Number(row!.n)).toBe(csv.trimEnd().split('\r\n').length - 1)
    connection.closeSync()
    instance.closeSync()
  })

  it('never is a formula, whatever a server is called', () => {
    const [server] = made.report.servers
    const csv = csvReport({ ...made.report, servers: [{ ...server!, server: '=HYPERLINK("x"),1' }] })
    expect(csv.split('\r\n')[1]).toMatch(/^"'=HYPERLINK\(""x""\),1",IN,/)
  })

  it('is OCSF events that say what, where and how sure', () => {
    const events = ocsfReport(made.report)
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    const beacon = events.find(({ finding_info }) => finding_info.types[0] === 'beacon')
    expect(beacon).toMatchObject({
      class_uid: 2004,
      type_uid: 200_401,
      category_uid: 2,
      status_id: 1,
      finding_info: {
        attacks: expect.arrayContaining([expect.objectContaining({ technique: expect.anything() })]),
      },
      evidences: [{ src_endpoint: { hostname: expect.stringMatching(/^srv-/) } }],
    })
    for (const event of events) {
      expect(event.finding_info.uid).toBeTruthy()
      expect(event.severity_id).toBeGreaterThan(0)
    }
    expect(new Set(events.map(({ finding_info }) => finding_info.uid)).size).toBe(events.length)
  })

  it('is a STIX bundle whose references all lead somewhere, the same each time', () => {
    const text = stixReport(made.report)
    expect(stixReport(made.report)).toBe(text)
    const { objects } = JSON.parse(text)
    const ids = new Set(objects.map(({ id }: { id: string }) => id))
    expect(ids.size).toBe(objects.length)
    for (const object of objects) {
      expect(object.id).toMatch(
        new RegExp(`^${object.type}--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-`),
      )
      for (const [key, value] of Object.entries(object))
        if (/_refs?$/.test(key)) for (const ref of [value].flat()) expect(ids).toContain(ref)
    }
    expect(objects.map(({ type }: { type: string }) => type)).toContain('sighting')
  })

  it('says what changed since an earlier period', async () => {
    const earlier = structuredClone(JSON.parse(JSON.stringify(made.report)))
    const [first, second] = earlier.servers
    first.bytesAbroad /= 10
    second.destinations = []
    const gone = { ...first, server: 'gone', bytesAbroad: 5_000_000, destinations: [] }
    earlier.servers = [first, second, gone]
    const { report } = await auditFleet(
      { seed: 5, ...shape, flows: 30_000 },
      { earlier: parseEarlier('earlier.json', JSON.stringify(earlier)) },
    )
    const kinds = new Map(report.comparison!.servers.map(({ server, kind }) => [server, kind]))
    expect([kinds.get(first.server), kinds.get(second.server), kinds.get('gone')]).toEqual([
      'more',
      undefined,
      'gone',
    ])
    expect(report.comparison!.newDestinations.length).toBeGreaterThan(0)
    expect(terminalReport(report, false)).toMatch(/gone stopped: 0 B abroad, 5.00 MB before/)
    expect(() => parseEarlier('x', '{"format":"holdfast/audit/v1"}')).toThrow(/no report of an audit/)
    expect(() => parseEarlier('x', '{')).toThrow(/no JSON/)
  })

  it('is the same whatever the order of the inputs', async () => {
    const seed = { seed: 5, ...shape, flows: 30_000 }
    const again = await auditFleet(seed)
    const { flows: _, ...inputs } = again.report.inputs
    void inputs
    expect(again.report.servers).toEqual(made.report.servers)
    expect(again.evidence).toEqual(made.evidence)
  })
})
