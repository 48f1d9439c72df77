/** A standing transfer copies what is there and what comes, in the order in which it came, until it expires. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  api,
  booksOf,
  draft,
  type InstructionFields,
  instruct,
  instructionFields,
  say,
  verdict,
} from '../support/instructions.ts'

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'

describe('a standing transfer', () => {
  let test: TestApp
  let acme: Customer
  let bucket = 0
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 1, 1)
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  const standing = (name: string, change: InstructionFields = {}) => {
    const { mode: _, ...fields } = instructionFields(acme, {
      kind: 'standing-transfer',
      from: { bucket: name, region: 'in-mumbai' },
      to: { bucket: `${name}-copy`, region: 'de-frankfurt' },
      ...change,
    })
    return draft(fields)
  }
  const buckets = async (): Promise<string> => {
    const name = `data-${bucket++}`
    await acme.s3('PUT', `/${name}`)
    await acme.s3('PUT', `/${name}-copy`, frankfurt)
    return name
  }
  const begin = async (name: string, change: InstructionFields = {}): Promise<string> => {
    const envelope = standing(name, change)
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    return id
  }
  const contentOf = async (name: string, key: string): Promise<string | number> => {
    const answer = await acme.s3('GET', `/${name}-copy/${key}`)
    return answer.status === 200 ? answer.text() : answer.status
  }
  const put = (name: string, key: string, body: string) => acme.s3('PUT', `/${name}/${key}`, body)
  const arrivals = async (id: string): Promise<string[]> =>
    (await booksOf(acme.credentials, 'de-frankfurt'))
      .filter(({ type, body }) => type === 'transfer.arrived' && body.instruction === id)
      .flatMap(({ body }) => (body.objects as unknown as [string][]).map(([origin]) => origin))

  it('copies what is there, then what comes within seconds, each once', async () => {
    const name = await buckets()
    for (const key of ['a', 'b', 'c']) await put(name, key, `first ${key}`)
    const id = await begin(name)
    await expect.poll(() => contentOf(name, 'c')).toBe('first c')
    for (const [key, body] of [
      ['d', 'new'],
      ['a', 'second a'],
      ['a', 'third a'],
    ] as const)
      await put(name, key, body)
    await expect.poll(() => contentOf(name, 'a')).toBe('third a')
    expect(await contentOf(name, 'd')).toBe('new')
    const origins = await arrivals(id)
    expect(new Set(origins).size).toBe(origins.length)
    expect((await api(acme, 'GET', `/instructions/${id}`)).json.state).toBe('running')
    // Deletions do not follow.
    await acme.s3('DELETE', `/${name}/b`)
    await put(name, 'e', 'after')
    await expect.poll(() => contentOf(name, 'e')).toBe('after')
    expect(await contentOf(name, 'b')).toBe('first b')
  })

  it('keeps to its prefix and its limits, and to nobody else’s buckets', async () => {
    const name = await buckets()
    const other = await buckets()
    const id = await begin(name, { scope: { prefix: 'in/' }, limits: { objects: 2, bytes: null } })
    await put(other, 'in/x', 'of another bucket')
    await put(name, 'out/x', 'out of scope')
    await put(name, 'in/x', 'one')
    await expect.poll(() => contentOf(name, 'in/x')).toBe('one')
    expect([await contentOf(name, 'out/x'), await contentOf(other, 'in/x')]).toEqual([404, 404])
    await put(name, 'in/y', 'two')
    await put(name, 'in/z', 'three')
    const stateOf = async () => (await api(acme, 'GET', `/instructions/${id}`)).json
    await expect.poll(async () => (await stateOf()).state).toBe('failed')
    expect((await stateOf()).reason).toMatch(/more than the 2/)
    expect(await contentOf(name, 'in/z')).toBe(404)
  })

  it('catches up after a restart with what was written meanwhile', async () => {
    const name = await buckets()
    await put(name, 'a', 'before')
    await begin(name)
    await expect.poll(() => contentOf(name, 'a')).toBe('before')
    for (let at = 0; at < 30; at++) {
      await put(name, `k${at}`, `value ${at}`)
      if (at === 10 || at === 20) await test.restart()
    }
    for (const at of [0, 11, 21, 29]) await expect.poll(() => contentOf(name, `k${at}`)).toBe(`value ${at}`)
  })

  it('ends when it expires, and when it is revoked', async () => {
    const name = await buckets()
    const short = await begin(name, { expires: isoTime(Date.now() + 20_000) })
    await put(name, 'a', 'in time')
    await expect.poll(() => contentOf(name, 'a')).toBe('in time')
    const stateOf = async (id: string) => (await api(acme, 'GET', `/instructions/${id}`)).json.state
    await expect.poll(() => stateOf(short)).toBe('expired')
    await put(name, 'b', 'too late')
    const envelope = standing(name)
    const id = await instruct(acme, envelope)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    await expect.poll(() => contentOf(name, 'b')).toBe('too late')
    await say(acme, verdict('revoked', envelope, acme.tenant, acme.approvers[0]!), id)
    await put(name, 'c', 'after the revocation')
    await new Promise(resolve => setTimeout(resolve, 2000))
    expect([await stateOf(id), await contentOf(name, 'c')]).toEqual(['revoked', 404])
  })

  it('keeps no row for what it has sent and verified', async () => {
    const name = await buckets()
    const id = await begin(name)
    for (let at = 0; at < 5; at++) {
      await put(name, `k${at}`, 'x')
      await expect.poll(() => contentOf(name, `k${at}`)).toBe('x')
    }
    const lag = async () => (await api(acme, 'GET', `/transfers/${id}`)).json.lagSeconds
    await expect.poll(lag).toBe(0)
    // Paused, it falls behind, says so, and catches up.
    await api(acme, 'POST', `/transfers/${id}/pause`)
    await put(name, 'later', 'x')
    await expect.poll(lag).toBeGreaterThan(1)
    expect(await contentOf(name, 'later')).toBe(404)
    await api(acme, 'POST', `/transfers/${id}/resume`)
    await expect.poll(() => contentOf(name, 'later')).toBe('x')
    await expect.poll(lag).toBe(0)
    const { catalog } = test.app.regions.get('in-mumbai' as RegionId)!
    const rows = async () =>
      (await catalog.scan('batches', { from: Buffer.from(id), to: Buffer.from(`${id}\uffff`), limit: 1000 }))
        .length
    await expect.poll(rows).toBe(0)
  })
})
