import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isoTime } from '../../src/core/time.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  booksOf,
  draft,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'

let test: TestApp
let customer: Customer
const bodies = new Map<string, Buffer>()

const verifiedBooks = (region: string) => booksOf(customer.credentials, region)

async function keysOf(bucket: string): Promise<string[]> {
  const xml = await (await customer.s3('GET', `/${bucket}?list-type=2`)).text()
  return [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => match[1]!)
}

beforeAll(async () => {
  test = await startTestApp()
  customer = await test.customer('acme', 3, 2)
  for (const [bucket, body] of [
    ['source', ''],
    ['target', frankfurt],
    ['moved', frankfurt],
    ['stopped', frankfurt],
  ] as const) {
    expect((await customer.s3('PUT', `/${bucket}`, body)).status).toBe(200)
  }
  for (const [key, size] of [
    ['a/small', 100],
    ['a/empty', 0],
    ['a/large', 300_000],
    ['b/other', 5000],
  ] as const) {
    const body = randomBytes(size)
    bodies.set(key, body)
    const headers = { 'content-type': 'text/x-test', 'x-amz-meta-note': key }
    expect((await customer.s3('PUT', `/source/${key}`, body, headers)).status).toBe(200)
  }
})
afterAll(() => test?.[Symbol.asyncDispose]())

describe('a transfer', () => {
  it('moves nothing before the quorum, and runs by itself with it', async () => {
    const envelope = draft(instructionFields(customer, { scope: { prefix: 'a/' } }))
    const id = await instruct(customer, envelope)
    const [first, second] = customer.approvers
    const half = await say(customer, verdict('approved', envelope, customer.tenant, first!), id)
    expect(half.json).toMatchObject({ state: 'drafted', approvals: 1, quorum: 2 })
    // The same approver again is still one.
    const again = await say(customer, verdict('approved', envelope, customer.tenant, first!), id)
    expect(again.json).toMatchObject({ state: 'drafted', approvals: 1 })
    expect(await keysOf('target')).toEqual([])
    await say(customer, verdict('approved', envelope, customer.tenant, second!), id)
    const done = await settled(customer, id)
    expect(done).toMatchObject({ state: 'completed', objects: 3 })
    expect(await keysOf('target')).toEqual(['a/empty', 'a/large', 'a/small'])
    for (const key of ['a/small', 'a/empty', 'a/large']) {
      const response = await customer.s3('GET', `/target/${key}`)
      expect(Buffer.from(await response.arrayBuffer()).equals(bodies.get(key)!)).toBe(true)
      expect(response.headers.get('content-type')).toBe('text/x-test')
      expect(response.headers.get('x-amz-meta-note')).toBe(key)
    }
    expect(await keysOf('source')).toContain('a/small')
  })

  it('stands in both books, and they agree to the last digest', async () => {
    const [source, destination] = [await verifiedBooks('in-mumbai'), await verifiedBooks('de-frankfurt')]
    const departed = source.find(entry => entry.type === 'transfer.departed')!.body as any
    const arrived = destination.find(entry => entry.type === 'transfer.arrived')!.body as any
    expect(arrived.objects).toEqual(departed.objects)
    expect(arrived.manifestSha256).toBe(departed.manifestSha256)
    expect(arrived.peer).toBe('in-mumbai')
    expect(departed.peer).toBe('de-frankfurt')
    for (const book of [source, destination]) {
      expect(book.filter(entry => entry.type === 'instruction.approved')).toHaveLength(2)
    }
    // The destination hears of the end after it; closing the sockets is asynchronous too.
    const isEnd = (entry: { type: string; body: unknown }) =>
      entry.type === 'instruction.state' && (entry.body as any).state === 'completed'
    const heard = async () => (await verifiedBooks('de-frankfurt')).some(isEnd)
    await expect.poll(heard).toBe(true)
    const counted = async (region: string, field: string): Promise<number> =>
      (await verifiedBooks(region))
        .filter(entry => entry.type === 'connection')
        .reduce((sum, entry) => sum + (entry.body as any)[field], 0)
    await expect.poll(() => counted('in-mumbai', 'bytesOut')).toBeGreaterThan(300_000)
    const underway = async () =>
      (await counted('in-mumbai', 'bytesOut')) - (await counted('de-frankfurt', 'bytesIn'))
    await expect.poll(underway).toBe(0)
  })

  it('as a move deletes at the source only what has arrived', async () => {
    await customer.s3('PUT', '/source/c/one', 'first')
    await customer.s3('PUT', '/source/c/two', 'second')
    const fields = { mode: 'move', scope: { prefix: 'c/' }, to: { bucket: 'moved', region: 'de-frankfurt' } }
    const envelope = draft(instructionFields(customer, fields))
    const id = await instruct(customer, envelope)
    for (const key of customer.approvers.slice(1))
      await say(customer, verdict('approved', envelope, customer.tenant, key), id)
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects: 2 })
    expect(await keysOf('moved')).toEqual(['c/one', 'c/two'])
    expect((await keysOf('source')).filter(key => key.startsWith('c/'))).toEqual([])
    const deletions = async () =>
      (await verifiedBooks('in-mumbai'))
        .filter(entry => entry.type === 'object.deleted')
        .map(entry => entry.body as any)
        .map(body => [body.key, body.instruction])
    const expected = [
      ['c/one', id],
      ['c/two', id],
    ]
    await expect.poll(deletions).toEqual(expected)
  })

  it('enters what an arrival takes the place of', async () => {
    await customer.s3('PUT', '/source/over/one', 'new')
    const put = await customer.s3('PUT', '/target/over/one', 'old')
    expect(put.status).toBe(200)
    const envelope = draft(instructionFields(customer, { scope: { prefix: 'over/' } }))
    const id = await instruct(customer, envelope)
    for (const key of customer.approvers.slice(1))
      await say(customer, verdict('approved', envelope, customer.tenant, key), id)
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects: 1 })
    const told = async () => {
      const books = await verifiedBooks('de-frankfurt')
      const old = books.find(({ type, body }) => type === 'object.put' && (body as any).key === 'over/one')
      return books
        .filter(({ type }) => type === 'object.deleted')
        .map(({ body }) => body as any)
        .map(body => [body.key, body.instruction, body.originId === (old?.body as any)?.originId])
    }
    await expect.poll(told).toContainEqual(['over/one', id, true])
  })

  it('survives a restart of the provider between approval and end', async () => {
    for (let i = 0; i < 30; i++) await customer.s3('PUT', `/source/d/${i}`, randomBytes(20_000))
    const envelope = draft(instructionFields(customer, { scope: { prefix: 'd/' } }))
    const id = await instruct(customer, envelope)
    for (const key of customer.approvers.slice(0, 2))
      await say(customer, verdict('approved', envelope, customer.tenant, key), id)
    await test.restart()
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects: 30 })
    expect((await keysOf('target')).filter(key => key.startsWith('d/'))).toHaveLength(30)
    const arrivals = (await verifiedBooks('de-frankfurt')).filter(
      entry => entry.type === 'transfer.arrived' && (entry.body as any).instruction === id,
    )
    expect(arrivals.flatMap(entry => (entry.body as any).objects)).toHaveLength(30)
  })

  it('does not move after a revocation, and a revocation cannot be taken back', async () => {
    const envelope = draft(instructionFields(customer, { to: { bucket: 'stopped', region: 'de-frankfurt' } }))
    const id = await instruct(customer, envelope)
    const [first, second, third] = customer.approvers
    await say(customer, verdict('approved', envelope, customer.tenant, first!), id)
    const revoked = await say(customer, verdict('revoked', envelope, customer.tenant, third!), id)
    expect(revoked.json.state).toBe('revoked')
    await say(customer, verdict('approved', envelope, customer.tenant, second!), id)
    expect(await settled(customer, id)).toMatchObject({ state: 'revoked', objects: 0 })
    expect(await keysOf('stopped')).toEqual([])
  })

  it('does not move after its expiry', async () => {
    const expires = Date.now() + 8000
    const fields = { expires: isoTime(expires), to: { bucket: 'stopped', region: 'de-frankfurt' } }
    const envelope = draft(instructionFields(customer, fields))
    const id = await instruct(customer, envelope)
    await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
    await expect.poll(Date.now).toBeGreaterThan(expires)
    const late = await say(
      customer,
      verdict('approved', envelope, customer.tenant, customer.approvers[1]!),
      id,
    )
    expect(late.status).toBe(409)
    expect(await settled(customer, id)).toMatchObject({ state: 'expired', objects: 0, approvals: 1 })
    expect(await keysOf('stopped')).toEqual([])
  })

  it('whose scope holds more than its limits moves nothing at all', async () => {
    for (const limits of [
      { bytes: null, objects: 1 },
      { bytes: 1000, objects: null },
    ]) {
      const envelope = draft(
        instructionFields(customer, { limits, to: { bucket: 'stopped', region: 'de-frankfurt' } }),
      )
      const id = await instruct(customer, envelope)
      for (const key of customer.approvers.slice(0, 2))
        await say(customer, verdict('approved', envelope, customer.tenant, key), id)
      const ended = await settled(customer, id)
      expect(ended.state).toBe('failed')
      expect(ended.reason).toMatch(/more than the \d+ that the instruction allows/)
    }
    expect(await keysOf('stopped')).toEqual([])
  })
})

it('shows on /metrics what was asked, refused and entered', async () => {
  await customer.s3('PUT', '/source/counted', 'one more')
  const refused = await customer.s3('PUT', '/target/copy', '', { 'x-amz-copy-source': '/source/a/small' })
  expect(refused.status).toBe(403)
  const metrics = async () => (await fetch(`${customer.credentials.api}/metrics`)).text()
  const text = await metrics()
  expect(text).toMatch(/holdfast_requests_total\{operation="PutObject",status="200"\} [1-9]/)
  expect(text).toMatch(/holdfast_refusals_total\{rule="copy-leaves-the-country"\} [1-9]/)
  const entered = /holdfast_entries_total\{region="in-mumbai"\} [1-9]/
  await expect.poll(metrics).toMatch(entered)
  expect((await fetch(`${customer.credentials.api}/readyz`)).status).toBe(200)
})
