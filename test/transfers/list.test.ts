/** An instruction that is bound to the list of a dry run moves exactly that, or nothing. */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OriginId } from '../../src/core/ids.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { type ListedItem, listDigest, pageDigest, pagesOf } from '../../src/transfers/list.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  api,
  booksOf,
  booksOnceEnded,
  draft,
  type InstructionFields,
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
  test = await startTestApp()
  acme = await test.customer('acme', 1, 1)
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
})
afterAll(() => test?.[Symbol.asyncDispose]())

const put = async (key: string, body = 'body'): Promise<void> =>
  void expect((await acme.s3('PUT', `/source/${key}`, body)).status).toBe(200)

async function listOf(prefix: string): Promise<{ list: string; objects: number }> {
  const envelope = printEnvelope(draft(instructionFields(acme, { scope: { prefix } })))
  return (await api(acme, 'POST', '/instructions/dry-run', { envelope })).json
}

/** Drafted, and run once `approve` is called. */
async function ordered(prefix: string, list: string, change: InstructionFields = {}) {
  const envelope = draft(instructionFields(acme, { scope: { list, prefix }, ...change }))
  const id = await instruct(acme, envelope)
  const approve = async () => {
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    return settled(acme, id)
  }
  return { id, approve }
}

async function keysUnder(bucket: string, prefix: string): Promise<string[]> {
  const xml = await (await acme.s3('GET', `/${bucket}?list-type=2&prefix=${prefix}`)).text()
  return [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => match[1]!.slice(prefix.length))
}

describe('a transfer that is bound to a list', () => {
  it('moves what was listed, and says how much it is to be', async () => {
    for (const name of ['a', 'b', 'c']) await put(`same/${name}`)
    const { list, objects } = await listOf('same/')
    expect(objects).toBe(3)
    const { id, approve } = await ordered('same/', list, { mode: 'move' })
    expect(await approve()).toMatchObject({ state: 'completed', objects: 3 })
    expect(await keysUnder('target', 'same/')).toEqual(['a', 'b', 'c'])
    expect(await keysUnder('source', 'same/')).toEqual([])
    expect((await api(acme, 'GET', `/transfers/${id}`)).json).toMatchObject({ ofObjects: 3, verified: 3 })
  })

  const changes: [string, (prefix: string) => Promise<unknown>][] = [
    ['one was added', prefix => put(`${prefix}added`)],
    ['one was deleted', prefix => acme.s3('DELETE', `/source/${prefix}b`)],
    ['one was written again', prefix => put(`${prefix}b`)],
  ]
  it.each(changes)('moves nothing when %s since', async (name, change) => {
    const prefix = `${name.replaceAll(' ', '-')}/`
    for (const key of ['a', 'b', 'c']) await put(prefix + key)
    const { list } = await listOf(prefix)
    const { id, approve } = await ordered(prefix, list)
    await change(prefix)
    const ended = await approve()
    expect(ended).toMatchObject({ state: 'failed', objects: 0 })
    expect(ended.reason).toMatch(/not what was listed/)
    expect(await keysUnder('target', prefix)).toEqual([])
    const departed = (await booksOnceEnded(acme, 'in-mumbai', id)).filter(
      ({ type, body }) => type === 'transfer.departed' && (body as any).instruction === id,
    )
    expect(departed).toEqual([])
  })

  it('of nothing moves nothing', async () => {
    const { list } = await listOf('nothing/')
    const { approve } = await ordered('nothing/', list)
    expect(await approve()).toMatchObject({ state: 'completed', objects: 0 })
  })

  it('keeps to its plan whatever happens to the bucket meanwhile', async () => {
    for (const key of ['a', 'b', 'c']) await put(`plan/${key}`)
    const { list } = await listOf('plan/')
    const { id, approve } = await ordered('plan/', list)
    // Planned, and held back until the bucket has changed.
    await api(acme, 'POST', `/transfers/${id}/pause`)
    const done = approve()
    const planned = async () => (await api(acme, 'GET', `/transfers/${id}`)).json.ofObjects
    await expect.poll(planned).toBe(3)
    await put('plan/added')
    await acme.s3('DELETE', '/source/plan/b')
    await put('plan/c', 'another')
    await api(acme, 'POST', `/transfers/${id}/resume`)
    expect(await done).toMatchObject({ state: 'completed', objects: 1 })
    expect(await keysUnder('target', 'plan/')).toEqual(['a'])
    expect((await api(acme, 'GET', `/transfers/${id}`)).json).toMatchObject({ voided: 2, verified: 1 })
    const voided = async () =>
      (await booksOf(acme.credentials, 'in-mumbai'))
        .filter(({ type, body }) => type === 'transfer.voided' && (body as any).instruction === id)
        .flatMap(({ body }) => (body as any).objects.map(([, reason]: [string, string]) => reason))
    const reason = 'replaced or deleted at the source since it departed'
    await expect.poll(voided).toEqual([reason, reason])
  })
})

describe('a list', () => {
  const item = fc.record({
    key: fc.string({ minLength: 1, maxLength: 1024 }),
    originId: fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map(bytes => Buffer.from(bytes).toString('hex')),
    ciphertextBytes: fc.integer({ min: 0, max: 200 << 20 }),
    ciphertextSha256: fc.constant('ab'.repeat(32)),
  }) as fc.Arbitrary<ListedItem>

  async function pages(items: readonly ListedItem[]): Promise<ListedItem[][]> {
    async function* all() {
      yield* items
    }
    const cut: ListedItem[][] = []
    for await (const page of pagesOf(all())) cut.push(page)
    return cut
  }

  it('is cut into pages that are whole, in order, and within their limits', () =>
    fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 60 }), async items => {
        const cut = await pages(items)
        expect(cut.flat()).toEqual(items)
        for (const page of cut) {
          const bytes = page.reduce((sum, { ciphertextBytes }) => sum + ciphertextBytes, 0)
          expect(page.length === 1 || bytes <= 256 << 20).toBe(true)
        }
        expect(await pages(items)).toEqual(cut)
      }),
    ))

  it('has another digest when anything in it is other, missing, added or elsewhere', async () => {
    const items = Array.from({ length: 5000 }, (_, i) => ({
      key: `key-${i}`,
      originId: randomBytes(16).toString('hex') as OriginId,
      ciphertextBytes: i,
      ciphertextSha256: randomBytes(32).toString('hex'),
    }))
    const digest = async (of: readonly ListedItem[]) => listDigest((await pages(of)).map(pageDigest))
    const list = await digest(items)
    expect((await pages(items)).map(({ length }) => length)).toEqual([2048, 2048, 904])
    const [first, second, ...rest] = items
    const others = [
      items.slice(1),
      [second!, first!, ...rest],
      [...items, first!],
      [{ ...first!, key: 'key' }, second!, ...rest],
      [{ ...first!, ciphertextBytes: 1 }, second!, ...rest],
      [{ ...first!, originId: second!.originId }, second!, ...rest],
      [{ ...first!, ciphertextSha256: second!.ciphertextSha256 }, second!, ...rest],
      [],
    ]
    for (const other of others) expect(await digest(other)).not.toBe(list)
    expect(await digest(items)).toBe(list)
  })
})
