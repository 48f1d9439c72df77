import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
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

beforeAll(async () => {
  // Only intervals: the hour is the test's, everything else goes on by itself.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  // Long enough for an hour to pass while the connections are open.
  test = await startTestApp({ moveUndoMs: 15_000 })
  customer = await test.customer('acme', 1, 1)
  await customer.s3('PUT', '/source')
  await customer.s3('PUT', '/target', frankfurt)
  await customer.s3('PUT', '/source/key', 'value')
})
afterEach(() => vi.useRealTimers())
afterAll(() => test?.[Symbol.asyncDispose]())

async function connections(region: string): Promise<any[]> {
  const entries = await booksOf(customer.credentials, region)
  return entries
    .filter(({ type, body }) => type === 'connection' && body.role === 'transfer')
    .map(({ body }) => body)
}

it('a connection between regions that lasts is entered every hour at both ends', async () => {
  const envelope = draft(instructionFields(customer, { mode: 'move' }))
  const id = await instruct(customer, envelope)
  await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
  const arrived = async () =>
    (await booksOf(customer.credentials, 'de-frankfurt')).some(({ type }) => type === 'transfer.arrived')
  await expect.poll(arrived).toBe(true)
  expect([await connections('in-mumbai'), await connections('de-frankfurt')]).toEqual([[], []])
  vi.advanceTimersByTime(3600e3)
  for (const region of ['in-mumbai', 'de-frankfurt']) {
    const entered = async () =>
      (await connections(region)).map(({ more, instruction }) => [more, instruction])
    await expect.poll(entered).toContainEqual([true, id])
  }
  expect((await settled(customer, id)).state).toBe('completed')
  // Each record has the bytes since the one before, and the ends agree on all of them.
  const sum = async (region: string, field: 'bytesOut' | 'bytesIn'): Promise<number> =>
    (await connections(region)).reduce((total, body) => total + body[field], 0)
  const ends = async () => (await connections('de-frankfurt')).filter(({ more }) => !more).length
  await expect.poll(ends).toBeGreaterThan(0)
  await expect
    .poll(async () => (await sum('in-mumbai', 'bytesOut')) - (await sum('de-frankfurt', 'bytesIn')))
    .toBe(0)
})
