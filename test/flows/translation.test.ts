/** Address translation: two legs of one connection, each with a name of its own, count once and at the right server. */
import { describe, expect, it } from 'vitest'
import type { Book } from '../../src/flows/reconcile/books.ts'
import {
  approvedTransfer,
  auditScenario,
  awsLog,
  createBook,
  ends,
  type LogRow,
  startUnixMs,
} from '../support/flow-scenario.ts'

const { indianServer: outer, germanServer } = ends
const inner = '10.0.0.5'
const megabyte = 1_000_000
const inventory = (natUntil = '') =>
  `cidr,server,country,role,valid_to\n${inner},app-1,IN,,\n10.0.0.6,app-2,IN,,\n${outer},nat-1,IN,nat,${natUntil}\n`

const behind = (payload: number, more: Partial<LogRow> = {}): LogRow => ({
  eni: 'eni-app',
  from: [inner, 40_001],
  to: [germanServer, 443],
  payload,
  ...more,
})
const inFront = (payload: number, more: Partial<LogRow> = {}): LogRow => ({
  eni: 'border',
  from: [outer, 61_000],
  to: [germanServer, 443],
  payload,
  ...more,
})

async function audit(rows: readonly LogRow[], books: readonly Book[] = [], list = inventory()) {
  const { report } = await auditScenario({ flows: [awsLog(rows)], books, inventory: list })
  const of = (server: string) => report.servers.find(row => row.server === server)
  return { app: of('app-1'), nat: of('nat-1'), report }
}

/** The sender knows its own address, the receiver the translator's. */
function translatedBooks(bytes: number, received = bytes) {
  const india = createBook('in-mumbai')
  const germany = createBook('de-frankfurt')
  approvedTransfer('i', india, 'in-mumbai', germany, 'de-frankfurt', bytes)
  const facts = { role: 'transfer', instruction: 'i' } as const
  india.connection({
    ...{ ...facts, local: [inner, 40_001], remote: [germanServer, 443] },
    ...{ bytesOut: bytes, bytesIn: 2000 },
  })
  germany.connection({
    ...{ ...facts, local: [germanServer, 443], remote: [outer, 61_000] },
    ...{ bytesOut: 2000, bytesIn: received },
  })
  return [india.book(), germany.book()]
}

describe('what is seen before and behind a translator', () => {
  it('leaves a translator what it sent itself, though what is behind it was recorded twice', async () => {
    const own = inFront(megabyte, { from: [outer, 62_000] })
    for (const again of [behind(megabyte), behind(megabyte, { eni: 'router', atSeconds: 3 })]) {
      const { nat } = await audit([behind(megabyte), again, inFront(megabyte), own])
      expect([nat!.bytesAbroad, nat!.bytesTranslated]).toEqual([nat!.bytesTranslated, nat!.bytesAbroad])
    }
  })

  it('covers what was cut in front by a record that lasted for hours behind', async () => {
    const cut = Array.from({ length: 30 }, (_, at) =>
      inFront(megabyte, { atSeconds: at * 600, lastsSeconds: 600 }),
    )
    const { nat, report } = await audit([behind(30 * megabyte, { lastsSeconds: 18_000 }), ...cut])
    expect(nat!.bytesAbroad).toBeLessThan(0.001 * megabyte)
    expect(report.totals.bytesAbroad).toBeLessThan(1.04 * 30 * megabyte)
  })

  it('counts once, at the server behind', async () => {
    const { app, nat, report } = await audit([behind(megabyte), inFront(megabyte)])
    expect(app!.unexplained).toBe(app!.bytesAbroad)
    expect(nat).toMatchObject({ bytesAbroad: 0, unexplained: 0, bytesTranslated: app!.bytesAbroad })
    expect(report.totals.bytesAbroad).toBe(app!.bytesAbroad)
  })

  it('leaves the translator with what nobody behind it sent', async () => {
    const { app, nat } = await audit([behind(megabyte), inFront(3 * megabyte)])
    expect(nat!.unexplained + app!.unexplained).toBeGreaterThanOrEqual(3 * megabyte)
    expect(nat!.unexplained).toBeGreaterThan(1.9 * megabyte)
  })

  it('covers each byte with one byte, of the same socket and the same time', async () => {
    const twice = await audit([
      behind(megabyte),
      inFront(megabyte),
      inFront(megabyte, { from: [outer, 61_001] }),
    ])
    expect(twice.nat!.unexplained).toBeGreaterThanOrEqual(megabyte)
    const port = await audit([behind(megabyte), inFront(megabyte, { to: [germanServer, 22] })])
    expect(port.nat!.unexplained).toBeGreaterThanOrEqual(megabyte)
    const later = await audit([behind(megabyte), inFront(megabyte, { atSeconds: 4 * 3600 })])
    expect(later.nat!.unexplained).toBeGreaterThanOrEqual(megabyte)
  })

  it('is not fooled by two observers of one leg behind', async () => {
    const { nat } = await audit([
      behind(megabyte),
      behind(megabyte, { eni: 'another' }),
      inFront(2 * megabyte),
    ])
    expect(nat!.unexplained).toBeGreaterThan(0.9 * megabyte)
  })

  it('accuses the translator when nothing behind it was recorded', async () => {
    const { nat } = await audit([inFront(3 * megabyte)])
    expect(nat!.unexplained).toBe(nat!.bytesAbroad)
    expect(nat!.innocence.isInnocent).toBe(false)
  })
})

describe('orders through a translator', () => {
  it('are instructed, whichever leg the records show', async () => {
    const books = translatedBooks(megabyte)
    const inside = await audit([behind(megabyte)], books)
    expect(inside.app).toMatchObject({ unexplained: 0, instructed: inside.app!.bytesAbroad })
    const outside = await audit([inFront(megabyte)], books)
    expect(outside.nat).toMatchObject({ unexplained: 0, instructed: outside.nat!.bytesAbroad })
    const both = await audit([behind(megabyte), inFront(megabyte)], books)
    expect(both.app).toMatchObject({ unexplained: 0, instructed: both.app!.bytesAbroad })
    expect(both.report.totals.instructed).toBe(both.app!.bytesAbroad)
    expect(both.report.coverage.enteredNotSeen).toEqual([])
  })

  it('explain their bytes once, though both legs go by them', async () => {
    const { app, nat } = await audit([behind(megabyte), inFront(3 * megabyte)], translatedBooks(megabyte))
    expect(app!.unexplained).toBe(0)
    expect(nat!.instructed).toBeLessThan(0.1 * megabyte)
    expect(nat!.unexplained).toBeGreaterThan(1.8 * megabyte)
  })

  it('are not joined across an address that is no translator, or no longer', async () => {
    const books = translatedBooks(megabyte)
    const plain = `cidr,server,country\n${inner},app-1,IN\n${outer},nat-1,IN\n`
    expect((await audit([behind(megabyte)], books, plain)).app!.instructed).toBe(0)
    const ended = inventory(new Date(startUnixMs - 86_400_000).toISOString())
    expect((await audit([behind(megabyte)], books, ended)).app!.instructed).toBe(0)
  })

  it('are not joined when the ends entered different amounts', async () => {
    const { app } = await audit([behind(megabyte)], translatedBooks(megabyte, megabyte / 2))
    expect(app!.instructed).toBe(0)
    expect(app!.findings.map(({ kind }) => kind)).toContain('one-sided')
  })
})
