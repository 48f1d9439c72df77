/** What a region's book says of instructions, and what it lets be said to them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InstructionId, RegionId, TenantId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { createInstructionBook, type InstructionBook } from '../../src/instructions/instruction-book.ts'
import type { VerdictKind } from '../../src/verify/verdict-document.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  api,
  booksOf,
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
const mumbai = 'in-mumbai' as RegionId

let test: TestApp
let acme: Customer
let rival: Customer

beforeAll(async () => {
  test = await startTestApp()
  acme = await test.customer('acme', 3, 2)
  rival = await test.customer('rival', 1, 1)
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
})
afterAll(() => test?.[Symbol.asyncDispose]())

/** What the source has entered of one instruction: types, or states. */
async function entriesOf(id: string): Promise<string[]> {
  return (await booksOf(acme.credentials, 'in-mumbai'))
    .map(({ type, body }) => ({ type, body: body as any }))
    .filter(({ body }) => body.instruction === id)
    .map(entry => (entry.type === 'instruction.state' ? entry.body.state : entry.type))
}

const tell = (
  envelope: ReturnType<typeof draft>,
  id: string,
  kind: VerdictKind,
  approver: number,
  change: InstructionFields = {},
) => say(acme, verdict(kind, envelope, acme.tenant, acme.approvers[approver]!, change), id)

describe('a draft that has expired', () => {
  const shortLived = async () => {
    const expires = Date.now() + 500
    const envelope = draft(instructionFields(acme, { expires: isoTime(expires) }))
    const id = await instruct(acme, envelope)
    await expect.poll(Date.now).toBeGreaterThanOrEqual(expires)
    return { envelope, id }
  }

  it('is entered as expired when somebody looks at it, once', async () => {
    const { id } = await shortLived()
    for (let i = 0; i < 2; i++) {
      const { json } = await api(acme, 'GET', `/instructions/${id}`)
      expect(json.state).toBe('expired')
      expect(json.ends.map((end: any) => end.state)).toEqual(['expired', 'expired'])
    }
    await expect.poll(() => entriesOf(id)).toEqual(['instruction.drafted', 'expired'])
  })

  it('when somebody lists it', async () => {
    const { id } = await shortLived()
    const { json } = await api(acme, 'GET', '/instructions')
    expect(json.instructions.find((row: any) => row.id === id).state).toBe('expired')
  })

  it('and when something is said to it, which is refused', async () => {
    const { envelope, id } = await shortLived()
    const { status, json } = await tell(envelope, id, 'approved', 0, { time: isoTime(Date.now() - 600) })
    expect([status, json.message]).toEqual([409, expect.stringMatching(/has ended \(expired\)/)])
    await expect.poll(() => entriesOf(id)).toEqual(['instruction.drafted', 'expired'])
  })
})

describe('a verdict', () => {
  it.each<[string, VerdictKind, number]>([
    ['rejected', 'rejected', 1],
    ['revoked', 'revoked', 1],
    ['completed', 'approved', 2],
  ])('after the end (%s) is refused and entered nowhere', async (state, kind, sayers) => {
    const envelope = draft(instructionFields(acme, { scope: { prefix: 'nothing/' } }))
    const id = await instruct(acme, envelope)
    for (let i = 0; i < sayers; i++) await tell(envelope, id, kind, i)
    expect((await settled(acme, id)).state).toBe(state)
    for (const late of ['approved', 'rejected', 'revoked'] as const) {
      const { status, json } = await tell(envelope, id, late, 2)
      expect([status, json.error]).toEqual([409, 'conflict'])
    }
    // Word for word what was said in time is no new verdict.
    expect((await tell(envelope, id, kind, 0)).status).toBe(200)
    const said = async () => (await entriesOf(id)).filter(type => type.startsWith('instruction.')).length
    await expect.poll(() => entriesOf(id)).toContain(state)
    expect(await said()).toBe(1 + sayers)
  })

  it('reaches the source though the destination has ended already', async () => {
    const envelope = draft(instructionFields(acme))
    const id = await instruct(acme, envelope)
    const { id: region, catalog, drafts } = test.app.regions.get('de-frankfurt' as RegionId)!
    const destination = createInstructionBook({
      id: region,
      catalog,
      drafts,
      countries: new Map(),
      clock: Date.now,
    })
    // As if the process had been killed between the two.
    await destination.say(verdict('revoked', envelope, acme.tenant, acme.approvers[0]!))
    const { status, json } = await tell(envelope, id, 'revoked', 1)
    expect([status, json.state]).toEqual([200, 'revoked'])
  })

  it('counts before the instruction is valid, and not when it is dated far ahead', async () => {
    const envelope = draft(
      instructionFields(acme, {
        notBefore: isoTime(Date.now() + 3600e3),
        expires: isoTime(Date.now() + 7200e3),
      }),
    )
    const id = await instruct(acme, envelope)
    const ahead = await tell(envelope, id, 'approved', 0, { time: isoTime(Date.now() + 16 * 60e3) })
    expect([ahead.status, ahead.json.message]).toEqual([422, expect.stringMatching(/15 minutes ahead/)])
    await tell(envelope, id, 'approved', 0)
    const nearly = await tell(envelope, id, 'approved', 1, { time: isoTime(Date.now() + 14 * 60e3) })
    expect(nearly.json).toMatchObject({ state: 'approved', approvals: 2 })
  })
})

describe('a book with thousands of instructions', () => {
  const drafts = 1500
  let book: InstructionBook
  let region: ReturnType<TestApp['app']['regions']['get']> & object
  const ids: string[] = []

  beforeAll(async () => {
    region = test.app.regions.get(mumbai)!
    book = createInstructionBook({ ...region, countries: new Map(), clock: Date.now })
    const drafted = Array.from({ length: drafts }, () =>
      book.draft(
        draft(
          instructionFields(acme, {
            notBefore: isoTime(Date.now() + 3600e3),
            expires: isoTime(Date.now() + 7200e3),
          }),
        ),
      ),
    )
    ids.push(...(await Promise.all(drafted)).map(({ row }) => row.id))
  })

  it('lists them all to their tenant, and reads none for another', async () => {
    const listed = new Set((await book.list(acme.tenant)).map(row => row.id as string))
    expect(ids.filter(id => !listed.has(id))).toEqual([])
    let reads = 0
    const catalog = new Proxy(region.catalog, {
      get:
        (target, name: 'get' | 'scan' | 'commit') =>
        async (...args: unknown[]) => {
          const answer = await (target[name] as (...args: unknown[]) => Promise<unknown>)(...args)
          reads += Array.isArray(answer) ? answer.length : 1
          return answer
        },
    })
    const others = createInstructionBook({ ...region, catalog, countries: new Map(), clock: Date.now })
    expect(await others.list(rival.tenant as TenantId)).toEqual([])
    expect(reads).toBe(0)
  })

  it('goes on with the active ones, wherever they are among them', async () => {
    const last = ids.sort().at(-1) as InstructionId
    const known = (await book.find(last))!
    await book.move(known, { state: 'approved' })
    expect(await book.active()).toContain(last)
  })
})
