/** What a destination entered as arrived, it must have: every object answers for its bytes before a transfer ends well. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
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

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'

let test: TestApp
let acme: Customer
beforeAll(async () => {
  test = await startTestApp({ moveUndoMs: 10_000 })
  acme = await test.customer('acme', 1, 1)
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
})
afterAll(() => test?.[Symbol.asyncDispose]())

async function started(prefix: string, mode: string): Promise<string> {
  for (const name of ['one', 'two', 'three'])
    await acme.s3('PUT', `/source/${prefix}${name}`, randomBytes(90_000))
  const envelope = draft(instructionFields(acme, { mode, scope: { prefix } }))
  const id = await instruct(acme, envelope)
  await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
  return id
}

async function keysUnder(bucket: string, prefix: string): Promise<string[]> {
  const xml = await (await acme.s3('GET', `/${bucket}?list-type=2&prefix=${prefix}`)).text()
  return [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => match[1]!.slice(prefix.length))
}

describe('a destination that entered what it does not have', () => {
  let blobs: BlobStore
  let honest: BlobStore['read']
  beforeAll(() => {
    ;({ blobs } = test.app.regions.get('de-frankfurt' as RegionId)!)
    honest = blobs.read
    // What it reads from its disk is not what it was sent: every second read.
    let reads = 0
    blobs.read = async (id, range) => {
      const reader = await honest.call(blobs, id, range)
      if (reads++ % 2 === 0) return reader
      return {
        async next() {
          const chunk = await reader.next()
          return chunk === null ? null : Buffer.alloc(chunk.length)
        },
        [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
      }
    }
  })
  afterAll(() => {
    blobs.read = honest
  })

  it.each(['copy', 'move'])('is found out by a %s, which names it and deletes nothing', async mode => {
    const prefix = `lost-${mode}/`
    const ended = await settled(acme, await started(prefix, mode))
    expect(ended).toMatchObject({ state: 'failed', objects: 3 })
    expect(ended.reason).toMatch(/de-frankfurt entered the arrival of what it does not have .*: lost-/)
    expect(await keysUnder('source', prefix)).toHaveLength(3)
    expect((await api(acme, 'GET', `/transfers/${ended.id}`)).json.verified).toBeLessThan(3)
  })
})

it('a move keeps all that is still here when something was deleted at the other end meanwhile', async () => {
  const id = await started('gone/', 'move')
  const arrived = async () => (await api(acme, 'GET', `/instructions/${id}`)).json.objects
  await expect.poll(arrived).toBe(3)
  expect((await acme.s3('DELETE', '/target/gone/two')).status).toBe(204)
  const ended = await settled(acme, id)
  expect(ended.state).toBe('failed')
  expect(ended.reason).toMatch(/: gone\/two\./)
  expect(await keysUnder('source', 'gone/')).toHaveLength(3)
})

it('a transfer says how many answered for their bytes', async () => {
  const ended = await settled(acme, await started('fine/', 'copy'))
  expect(ended).toMatchObject({ state: 'completed', objects: 3 })
  expect((await api(acme, 'GET', `/transfers/${ended.id}`)).json).toMatchObject({ verified: 3, voided: 0 })
  const ends = async () =>
    (await booksOf(acme.credentials, 'in-mumbai'))
      .map(({ type, body }) => ({ type, body: body as any }))
      .filter(({ type, body }) => type === 'instruction.state' && body.instruction === ended.id)
      .map(({ body }) => [body.state, body.verified])
  await expect.poll(ends).toContainEqual(['completed', 3])
})
