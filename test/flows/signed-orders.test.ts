/** An order accounts for what its approvers signed, whatever two regions enter under it. */
import { describe, expect, it } from 'vitest'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { distinctEntries, runsOf } from '../../src/flows/reconcile/books.ts'
import { createSignedOrders } from '../../src/flows/reconcile/quorum.ts'
import { type Genesis, openGenesis } from '../../src/verify/genesis.ts'
import { changeFields, genesisOf, newKeys, order, setFields, verdictBy } from '../support/approvers.ts'
import {
  approvedTransfer,
  auditScenario,
  awsLog,
  createBook,
  ends,
  startUnixMs,
} from '../support/flow-scenario.ts'

const { indianServer, germanServer, elsewhere } = ends
const megabyte = 1_000_000
const iso = (seconds: number) => new Date(startUnixMs + seconds * 1000).toISOString()
const keys = newKeys(1)
const genesis = openGenesis(genesisOf({ approvers: keys, quorum: 1 }), nodeVerifyCrypto) as Genesis
const countries = new Map([
  ['in-mumbai', 'IN'],
  ['de-frankfurt', 'DE'],
])
const common = {
  expires: iso(3600),
  ledger: 'holdfast.test/log/in-mumbai',
  nonce: 'ab'.repeat(16),
  notBefore: iso(-7200),
  purpose: 'a test',
  tenant: genesis.tenant,
  v: 1,
}
const transfer = {
  ...common,
  from: { bucket: 'source', region: 'in-mumbai' },
  kind: 'transfer',
  limits: { bytes: null, objects: null },
  mechanism: null,
  mode: 'copy',
  scope: { prefix: '' },
  to: { bucket: 'target', region: 'de-frankfurt' },
}
const classification = {
  ...common,
  bucket: 'bucket-b',
  class: 'payment',
  kind: 'class',
  region: 'in-mumbai',
  was: 'general',
}

interface Entered {
  /** Whose the connection is, and whose what departed is, in the books. */
  readonly connectionOf?: string
  readonly departedOf?: string
  readonly approvedOf?: string
  /** Another tenant's connection names it, too, and is read first. */
  readonly isNamedByRival?: boolean
  /** When the region heard of it, in seconds. */
  readonly approvedAt?: number
  /** Of what departed, how much arrived. */
  readonly arrivedBytes?: number
  /** Into both books, before anything else, and after it. */
  readonly first?: (book: ReturnType<typeof createBook>) => void
  readonly last?: (
    id: string,
    bookOf: (region: string, tenant?: string) => ReturnType<typeof createBook>,
  ) => void
  /** The number of the first entry that the books have. */
  readonly from?: number
}

/** Ten megabytes that both ends enter under it, as departed and arrived, from `in-mumbai`. */
async function sentUnder(
  fields: object,
  to: 'de-frankfurt' | 'kr-seoul',
  {
    connectionOf = genesis.tenant,
    departedOf = genesis.tenant,
    approvedOf = genesis.tenant,
    isNamedByRival = false,
    approvedAt = -6900,
    arrivedBytes = 10 * megabyte,
    first = () => {},
    last = () => {},
    from = 0,
  }: Entered = {},
) {
  const signed = order(fields as never)
  const id = documentId(signed)
  const address = to === 'kr-seoul' ? elsewhere : germanServer
  const made = new Map<string, ReturnType<typeof createBook>>()
  const bookOf = (region: string, tenant: string = genesis.tenant) => {
    const book = made.get(`${region} ${tenant}`) ?? createBook(region, tenant)
    made.set(`${region} ${tenant}`, book)
    return book
  }
  const facts = { role: 'transfer', instruction: id } as const
  const remote = [address, 443] as const
  const sent: (readonly [string, number])[] = [[indianServer, 40_001]]
  const enterConnection = (tenant: string, local: readonly [string, number]): void => {
    const [sender, receiver] = [bookOf('in-mumbai', tenant), bookOf(to, tenant)]
    sender.connection({ ...facts, local, remote, bytesOut: 10 * megabyte, bytesIn: 2000 })
    receiver.connection({ ...facts, local: remote, remote: local, bytesOut: 2000, bytesIn: 10 * megabyte })
  }
  if (isNamedByRival) {
    sent.push([indianServer, 40_002])
    enterConnection('rival', sent[1]!)
  }
  const [here, there] = [bookOf('in-mumbai'), bookOf(to)]
  for (const book of [here, there]) first(book)
  const approval = verdictBy(keys[0]!, signed, genesis.tenant, 'approved', { time: iso(-6900) })
  for (const region of ['in-mumbai', to]) {
    const book = bookOf(region, approvedOf)
    book.enter('instruction.drafted', { instruction: id, envelope: printEnvelope(signed) }, -7000)
    book.enter('instruction.approved', { instruction: id, envelope: printEnvelope(approval) }, approvedAt)
  }
  for (const book of [here, there])
    if (approvedOf !== genesis.tenant) book.enter('instruction.approved', { instruction: id }, -6900)
  here.enter('instruction.state', { instruction: id, state: 'approved' }, -6900)
  const batch = (number: number, bytes: number) => ({
    ...{ instruction: id, batch: number, bytes },
    objects: [[`o-${number}`, bytes, 'aa']],
  })
  bookOf('in-mumbai', departedOf).enter('transfer.departed', { ...batch(0, arrivedBytes), peer: to })
  bookOf(to, departedOf).enter('transfer.arrived', { ...batch(0, arrivedBytes), peer: 'in-mumbai' })
  if (arrivedBytes < 10 * megabyte)
    here.enter('transfer.departed', { ...batch(1, 10 * megabyte - arrivedBytes), peer: to })
  enterConnection(connectionOf, sent[0]!)
  last(id, bookOf)
  const books = [...made.values()].map(each => {
    const { entries, ...book } = each.book()
    const numbered = entries.map(entry => ({ ...entry, seq: entry.seq + from }))
    return { ...book, covers: [from, from + entries.length] as const, entries: numbered }
  })
  const { report } = await auditScenario({
    flows: [awsLog(sent.map(local => ({ from: local, to: remote, payload: 10 * megabyte })))],
    books,
    orders: createSignedOrders(distinctEntries(books), runsOf(books), { genesis, countries }),
  })
  const kinds = report.servers[0]!.findings.map(({ kind }) => kind)
  return { server: report.servers[0]!, kinds, verdict: report.verdict }
}

/** From the approver of these orders alone to these. */
function changedTo(...approvers: ReturnType<typeof newKeys>) {
  const set = setFields({ approvers, quorum: 1 })
  const change = order(changeFields(genesis.tenant, 1, genesis.tenant, set))
  const approvals = [printEnvelope(verdictBy(keys[0]!, change, genesis.tenant, 'approved', {}))]
  const chain = [{ envelope: printEnvelope(change), approvals }]
  return (book: ReturnType<typeof createBook>): void =>
    void book.enter('approvers.changed', { instruction: documentId(change), number: 1, chain }, -7100)
}

describe('what was signed', () => {
  it('instructs what it is an order for', async () => {
    const { server, kinds } = await sentUnder(transfer, 'de-frankfurt')
    expect([server.instructed, kinds]).toEqual([server.bytesAbroad, []])
  })

  it.each([
    ['an order to another region', transfer, 'kr-seoul'],
    [
      'an order that expired, whoever entered that or not',
      { ...transfer, expires: iso(-3600) },
      'de-frankfurt',
    ],
    ['no order to send anything', classification, 'kr-seoul'],
    ['an order whose time has not come', { ...transfer, notBefore: iso(600) }, 'de-frankfurt'],
  ] as const)('instructs nothing: %s', async (_, fields, to) => {
    const { server, kinds, verdict } = await sentUnder(fields, to)
    expect(server.instructed).toBe(0)
    expect(kinds).toContain('not-approved')
    expect(verdict.state).not.toBe('accounted-for')
  })

  it.each([
    ['the connection is another tenant’s', { connectionOf: 'rival' }],
    ['what departed is another tenant’s', { departedOf: 'rival' }],
    ['it was approved in another tenant’s book', { approvedOf: 'rival' }],
    ['the region heard of it afterwards, whatever it had entered', { approvedAt: 5000 }],
    ['whoever signed was an approver no more', { first: changedTo(...newKeys(1)) }],
    [
      'whoever signed was an approver no more, and the region joins again',
      {
        first: (book: ReturnType<typeof createBook>) => {
          changedTo(...newKeys(1))(book)
          book.enter('tenant.joined', { chain: [], country: 'IN' }, -7050)
          book.enter('approvers.changed', { instruction: 'x', number: 0, chain: [] }, -7050)
        },
      },
    ],
    ['the books begin where nobody knows who may sign', { from: 5 }],
  ])('instructs nothing where %s', async (_, entered) => {
    const { server, kinds, verdict } = await sentUnder(transfer, 'de-frankfurt', entered)
    expect(server.instructed).toBe(0)
    expect(kinds).toContain('not-approved')
    expect(verdict.state).not.toBe('accounted-for')
  })

  it('is known by books that begin later, where they show who may sign', async () => {
    const { server } = await sentUnder(transfer, 'de-frankfurt', {
      from: 5,
      first: changedTo(keys[0]!, ...newKeys(1)),
    })
    expect(server.instructed).toBe(server.bytesAbroad)
  })

  it('is worth what arrived; what only departed is the sender’s word', async () => {
    const { server } = await sentUnder(transfer, 'de-frankfurt', { arrivedBytes: megabyte })
    expect(server.instructed).toBeLessThan(2.3 * megabyte)
    expect(server.claimed).toBeGreaterThan(7 * megabyte)
  })

  it('is not widened by thousands of objects without a byte', async () => {
    const objects = Array.from({ length: 13_000 }, (_, at) => [`e-${at}`, 0, 'ee'])
    const { server } = await sentUnder(
      { ...transfer, limits: { bytes: megabyte, objects: 10 } },
      'de-frankfurt',
      {
        last(id, bookOf) {
          const batch = { instruction: id, batch: 7, objects, bytes: 0 }
          bookOf('in-mumbai').enter('transfer.departed', { ...batch, peer: 'de-frankfurt' })
          bookOf('de-frankfurt').enter('transfer.arrived', { ...batch, peer: 'in-mumbai' })
        },
      },
    )
    expect(server.unexplained).toBeGreaterThan(7 * megabyte)
  })

  it('stands whatever a third region enters of the same socket', async () => {
    const { server } = await sentUnder(transfer, 'de-frankfurt', {
      last(_id, bookOf) {
        bookOf('kr-seoul', 'rival').connection({
          ...{ local: [indianServer, 40_001], remote: [germanServer, 443], bytesOut: 1000 * megabyte },
        })
      },
    })
    expect(server.instructed).toBe(server.bytesAbroad)
  })

  it('is not used up by another tenant’s connection that names it', async () => {
    const { server, kinds } = await sentUnder(transfer, 'de-frankfurt', { isNamedByRival: true })
    expect(server.instructed).toBeGreaterThan(10 * megabyte)
    expect(server.unexplained).toBeGreaterThan(8 * megabyte)
    expect(kinds).toContain('not-approved')
  })

  it('instructs no more than its limit', async () => {
    const limits = { bytes: megabyte, objects: null }
    const { server, kinds } = await sentUnder({ ...transfer, limits }, 'de-frankfurt')
    expect(server.instructed).toBeLessThan(2.7 * megabyte)
    expect(server.unexplained).toBeGreaterThan(7 * megabyte)
    expect(kinds).toContain('beyond-entered-objects')
  })
})

describe('a connection that lasted', () => {
  const lasting = async (hours: number, enter: (books: readonly ReturnType<typeof createBook>[]) => void) => {
    const [here, there] = [createBook('in-mumbai'), createBook('de-frankfurt')]
    approvedTransfer('i', here, 'in-mumbai', there, 'de-frankfurt', hours * megabyte)
    enter([here, there])
    const flows = []
    for (let hour = 0; hour < hours; hour++) {
      const times = { atSeconds: hour * 3600, lastsSeconds: 3600 }
      const facts = { ...times, role: 'transfer', instruction: 'i', id: 'c', more: hour < hours - 1 } as const
      const [local, remote] = [[indianServer, 40_001] as const, [germanServer, 443] as const]
      here.connection({ ...facts, local, remote, bytesOut: megabyte, bytesIn: 200 })
      there.connection({ ...facts, local: remote, remote: local, bytesOut: 200, bytesIn: megabyte })
      flows.push({ ...times, from: local, to: remote, payload: megabyte })
    }
    const { report } = await auditScenario({ flows: [awsLog(flows)], books: [here.book(), there.book()] })
    return { server: report.servers[0]!, kinds: report.servers[0]!.findings.map(({ kind }) => kind) }
  }

  it('is instructed as long as the order stood', async () => {
    const whole = await lasting(5, () => {})
    expect([whole.server.instructed, whole.kinds]).toEqual([whole.server.bytesAbroad, []])
    const { server, kinds } = await lasting(5, books => {
      for (const book of books)
        book.enter('instruction.revoked', { instruction: 'i', envelope: {} }, 2 * 3600 - 900)
    })
    expect(server.instructed).toBeGreaterThan(2 * megabyte)
    expect(server.instructed).toBeLessThan(2.2 * megabyte)
    expect(kinds).toContain('not-approved')
  })
})

describe('one region’s word', () => {
  const bytes = 500 * megabyte
  const local = [indianServer, 40_001] as const
  const remote = [germanServer, 443] as const
  it.each([
    ['a transfer of no instruction', { role: 'transfer' }],
    ['a transfer of an instruction that nobody drafted', { role: 'transfer', instruction: 'zzz' }],
    ['what regions tell each other', { role: 'knowledge' }],
  ] as const)('accounts for little: %s', async (_, facts) => {
    const here = createBook('in-mumbai')
    here.connection({ ...facts, local, remote, bytesOut: bytes })
    const flows = [awsLog([{ from: local, to: remote, payload: bytes }])]
    const { report } = await auditScenario({ flows, books: [here.book()] })
    expect(report.servers[0]!.unexplained).toBeGreaterThan(0.99 * bytes)
    expect(report.servers[0]!.findings.map(({ kind }) => kind)).toContain('beyond-entered-objects')
  })

  it('accounts for reads once, by the closing that its own book has', async () => {
    const here = createBook('in-mumbai')
    const rival = createBook('de-frankfurt', 'acme')
    here.read('c', 10 * megabyte)
    const [opening] = here.book().entries
    rival.enter('read.closed', { opening: opening!.id, bytes: 0, outcome: 'complete' })
    const sent = [40_001, 40_002, 40_003].map(port => [indianServer, port] as const)
    for (const from of sent) here.connection({ id: 'c', local: from, remote, bytesOut: 10 * megabyte })
    const flows = [awsLog(sent.map(from => ({ from, to: remote, payload: 10 * megabyte })))]
    const { report } = await auditScenario({ flows, books: [rival.book(), here.book()] })
    expect(report.servers[0]!.claimed).toBeGreaterThan(10 * megabyte)
    expect(report.servers[0]!.claimed).toBeLessThan(12 * megabyte)
  })

  it('of hours is of those that it enters, not of all since 1970', async () => {
    const here = createBook('in-mumbai')
    const years = { atSeconds: -startUnixMs / 1000, lastsSeconds: startUnixMs / 1000 + 10 }
    here.connection({ ...years, role: 'knowledge', local, remote, bytesOut: bytes })
    const flows = [awsLog([{ from: local, to: remote, payload: bytes }])]
    const { report } = await auditScenario({ flows, books: [here.book()] })
    expect(report.servers[0]!.unexplained).toBeGreaterThan(0.98 * bytes)
  })

  it('under an order that is none is told of with all its bytes', async () => {
    const here = createBook('in-mumbai')
    const there = createBook('de-frankfurt')
    const ports = [40_001, 40_002, 40_003]
    approvedTransfer('i', here, 'in-mumbai', there, 'de-frankfurt', 30 * megabyte)
    for (const port of ports) {
      const facts = { role: 'transfer', instruction: 'i', remote, local: [indianServer, port] } as const
      here.connection({ ...facts, bytesOut: 10 * megabyte })
    }
    const flows = [
      awsLog(ports.map(port => ({ from: [indianServer, port], to: remote, payload: 10 * megabyte }))),
    ]
    const { report } = await auditScenario({ flows, books: [here.book(), there.book()], orders: () => null })
    const found = report.servers[0]!.findings.filter(({ kind }) => kind === 'one-sided')
    expect(found.reduce((sum, each) => sum + each.bytes, 0)).toBe(30 * megabyte)
  })

  it('accounts for uploads to it as far as it entered them', async () => {
    for (const [stored, least, most] of [
      [0, 0.99, 1.04],
      [bytes / 2, 0.45, 0.55],
      [bytes, 0, 0],
    ] as const) {
      const there = createBook('de-frankfurt')
      there.connection({ local: remote, remote: local, bytesOut: 2000, bytesIn: bytes })
      if (stored > 0)
        there.enter('object.put', { bucket: 'b', key: 'k', sizeBytes: stored, copiedFrom: null })
      const flows = [awsLog([{ from: local, to: remote, payload: bytes }])]
      const { report } = await auditScenario({ flows, books: [there.book()] })
      const share = report.servers[0] === undefined ? 0 : report.servers[0].unexplained / bytes
      expect(share).toBeGreaterThanOrEqual(least)
      expect(share).toBeLessThanOrEqual(most)
    }
  })

  it('is no word when its statements contradict each other, in whatever order they are given', async () => {
    const [one, other] = [createBook('in-mumbai'), createBook('in-mumbai')]
    one.connection({ local, remote, bytesOut: 1000 })
    other.connection({ local: [indianServer, 40_002], remote, bytesOut: 1000 })
    for (const books of [
      [one.book(), other.book()],
      [other.book(), one.book()],
    ])
      await expect(auditScenario({ flows: [awsLog([])], books })).rejects.toMatchObject({
        code: 'not-verified',
      })
  })
})
