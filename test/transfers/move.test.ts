/** Moves whose objects stay at the source for a while after they have arrived. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isoTime } from '../../src/core/time.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { api, draft, instruct, instructionFields, say, settled, verdict } from '../support/instructions.ts'

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const moveUndoMs = 8000

let test: TestApp
let customer: Customer

beforeAll(async () => {
  test = await startTestApp({ moveUndoMs })
  customer = await test.customer('acme', 2, 1)
  await customer.s3('PUT', '/source')
  await customer.s3('PUT', '/target', frankfurt)
})
afterAll(() => test?.[Symbol.asyncDispose]())

async function keysUnder(bucket: string, prefix: string): Promise<string[]> {
  const xml = await (await customer.s3('GET', `/${bucket}?list-type=2&prefix=${prefix}`)).text()
  return [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => match[1]!)
}

/** An approved move of two objects under `prefix`, once both have arrived and neither is deleted. */
async function arrived(prefix: string, lifeMs: number) {
  for (const name of ['one', 'two']) await customer.s3('PUT', `/source/${prefix}${name}`, name)
  const expires = Date.now() + lifeMs
  const fields = { mode: 'move', scope: { prefix }, expires: isoTime(expires) }
  const envelope = draft(instructionFields(customer, fields))
  const id = await instruct(customer, envelope)
  await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
  const here = async () => (await api(customer, 'GET', `/instructions/${id}`)).json.objects
  await expect.poll(here).toBe(2)
  expect(await keysUnder('source', prefix)).toHaveLength(2)
  return { envelope, id, expires }
}

describe('a move with an undo window', () => {
  it.each(['running', 'restarted'])(
    'deletes what arrived in time though it expires in the window, %s',
    async how => {
      const prefix = `${how}/`
      const { id, expires } = await arrived(prefix, 6000)
      await expect.poll(Date.now).toBeGreaterThan(expires)
      expect(await keysUnder('source', prefix)).toHaveLength(2)
      if (how === 'restarted') await test.restart()
      const ended = await settled(customer, id)
      expect(ended).toMatchObject({ state: 'completed', objects: 2 })
      const ends = async () =>
        (await api(customer, 'GET', `/instructions/${id}`)).json.ends.map((end: any) => end.state)
      await expect.poll(ends).toEqual(['completed', 'completed'])
      expect(await keysUnder('source', prefix)).toEqual([])
      expect(await keysUnder('target', prefix)).toEqual([`${prefix}one`, `${prefix}two`])
    },
  )

  it('deletes nothing after a revocation in the window', async () => {
    const { envelope, id } = await arrived('kept/', 3600e3)
    await say(customer, verdict('revoked', envelope, customer.tenant, customer.approvers[1]!), id)
    expect((await settled(customer, id)).state).toBe('revoked')
    await new Promise(resolve => setTimeout(resolve, moveUndoMs + 500))
    expect(await keysUnder('source', 'kept/')).toHaveLength(2)
    expect(await keysUnder('target', 'kept/')).toHaveLength(2)
  })
})
