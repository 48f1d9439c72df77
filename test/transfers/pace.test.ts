/** A transfer that is paused, resumed, limited and watched while it runs. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createThrottle } from '../../src/transfers/pace.ts'
import { createMeter } from '../../src/transfers/progress.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import {
  api,
  booksOf,
  draft,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const main = new URL('../../src/main.ts', import.meta.url).pathname
const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const objects = 5
const slow = 256 * 1024

let test: TestApp
let acme: Customer
let rival: Customer
beforeAll(async () => {
  test = await startTestApp()
  acme = await test.customer('acme', 1, 1)
  rival = await test.customer('rival', 1, 1)
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
  for (let i = 0; i < objects; i++) await acme.s3('PUT', `/source/some/${i}`, randomBytes(300_000))
})
afterAll(() => test?.[Symbol.asyncDispose]())

async function drafted(prefix = 'some/') {
  const envelope = draft(instructionFields(acme, { scope: { prefix } }))
  const id = await instruct(acme, envelope)
  const sayTo = (kind: 'approved' | 'revoked') =>
    say(acme, verdict(kind, envelope, acme.tenant, acme.approvers[0]!), id)
  return { id, approve: () => sayTo('approved'), revoke: () => sayTo('revoked') }
}
const transfer = async (id: string) => (await api(acme, 'GET', `/transfers/${id}`)).json
const entered = async (id: string) =>
  (await booksOf(acme.credentials, 'in-mumbai'))
    .filter(
      ({ type, body }) =>
        /^transfer\.(paused|resumed|limited)$/.test(type) && (body as any).instruction === id,
    )
    .map(({ type }) => type.slice('transfer.'.length))

describe('a transfer', () => {
  it('waits while it is paused, over a restart too, and goes on when it is resumed', async () => {
    const { id, approve } = await drafted()
    const paused = await api(acme, 'POST', `/transfers/${id}/pause`)
    expect([paused.status, paused.json.paused]).toEqual([200, true])
    // The same again changes nothing, and is entered nowhere.
    await api(acme, 'POST', `/transfers/${id}/pause`)
    await approve()
    const counted = async () => (await transfer(id)).ofObjects
    await expect.poll(counted).toBe(objects)
    await test.restart()
    await new Promise(resolve => setTimeout(resolve, 1000))
    expect(await transfer(id)).toMatchObject({ objects: 0, paused: true, remainingSeconds: null })
    expect((await api(acme, 'POST', `/transfers/${id}/resume`)).json.paused).toBe(false)
    expect(await settled(acme, id)).toMatchObject({ state: 'completed', objects })
    expect(await transfer(id)).toMatchObject({ ofObjects: objects, verified: objects, voided: 0 })
    await expect.poll(() => entered(id)).toEqual(['paused', 'resumed'])
    const late = await api(acme, 'POST', `/transfers/${id}/pause`)
    expect(late.status).toBe(409)
  })

  it('that is paused ends at once when it is revoked', async () => {
    const { id, approve, revoke } = await drafted()
    await api(acme, 'POST', `/transfers/${id}/pause`)
    await approve()
    await revoke()
    expect(await settled(acme, id)).toMatchObject({ state: 'revoked', objects: 0 })
  })

  it('is paused in the middle, and what had arrived stays counted', async () => {
    const { id, approve } = await drafted()
    await api(acme, 'POST', `/transfers/${id}/limit`, { bytesPerSecond: slow })
    await approve()
    const moving = async () => (await transfer(id)).bytesPerSecond
    await expect.poll(moving).toBeGreaterThan(0)
    await api(acme, 'POST', `/transfers/${id}/pause`)
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect((await transfer(id)).state).toBe('running')
    await api(acme, 'POST', `/transfers/${id}/limit`, { bytesPerSecond: null })
    await api(acme, 'POST', `/transfers/${id}/resume`)
    expect(await settled(acme, id)).toMatchObject({ state: 'completed', objects })
    await expect.poll(() => entered(id)).toEqual(['limited', 'paused', 'limited', 'resumed'])
  })

  it('is shown and steered on the command line', async () => {
    const { id, approve } = await drafted()
    const holdfast = async (...args: string[]) =>
      JSON.parse(
        (await run(process.execPath, [main, ...args, '--json'], { env: { HOLDFAST_CUSTOMER: acme.folder } }))
          .stdout,
      )
    expect(await holdfast('transfers', 'pause', id)).toMatchObject({ paused: true })
    expect(await holdfast('transfers', 'limit', id, '--bytes-per-second', '5000000')).toMatchObject({
      limitBytesPerSecond: 5_000_000,
    })
    await approve()
    await holdfast('transfers', 'resume', id)
    const ended = await holdfast('transfers', id, '--follow')
    expect(ended).toMatchObject({ id, state: 'completed', objects, ofObjects: objects, verified: objects })
    expect(ended).toMatchObject({ voided: 0, paused: false, ofBytes: ended.bytes, bytesPerSecond: null })
  })

  it('of another tenant is not there', async () => {
    const { id } = await drafted()
    for (const [method, what, body] of [
      ['GET', ''],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/limit', { bytesPerSecond: null }],
    ] as const)
      expect((await api(rival, method, `/transfers/${id}${what}`, body)).status).toBe(404)
    const slower = await api(acme, 'POST', `/transfers/${id}/limit`, { bytesPerSecond: 1 })
    expect(slower.status).toBe(400)
  })
})

describe('a throttle', () => {
  it('gives all who take from it together so many bytes a second', async () => {
    let now = 0
    const throttle = createThrottle(
      () => now,
      async ms => void (now = Math.max(now, now + ms)),
    )
    for (let i = 0; i < 100; i++) await throttle.take(1000, 10_000)
    // Ten seconds' worth, a second of it at once.
    expect(now).toBeGreaterThanOrEqual(9000)
    expect(now).toBeLessThanOrEqual(10_000)
    const before = now
    for (let i = 0; i < 100; i++) await throttle.take(1e9, null)
    expect(now).toBe(before)
  })
})

it('a meter forgets what is longer ago than its window', () => {
  let now = 1_000_000
  const meter = createMeter(() => now)
  for (let second = 0; second < 20; second++) {
    meter.count(1000)
    now += 1000
  }
  expect(meter.bytesPerSecond()).toBeGreaterThan(900)
  expect(meter.bytesPerSecond()).toBeLessThan(1200)
  now += 60_000
  expect(meter.bytesPerSecond()).toBe(0)
})
