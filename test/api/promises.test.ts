/** What the control API enters is promised with its answer, all of it and nothing else. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { customerFiles } from '../../src/cli/customer-folder.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { verifyPromise } from '../../src/verify/promise.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { booksOf, draft, instructionFields, verdict } from '../support/instructions.ts'

const regions = ['in-mumbai', 'de-frankfurt', 'sg-singapore']

describe('the control API promises what it enters', () => {
  let app: TestApp
  let acme: Customer
  let trust: Trust
  /** Entry ids by region that promises of the answers so far have named. */
  const promised = new Map<string, string[]>(regions.map(region => [region, []]))

  const take = (header: string | null): string[] => {
    const texts = header?.split(/[,\n]/).filter(Boolean) ?? []
    return texts.flatMap(text => {
      const checked = verifyPromise(text, trust, nodeVerifyCrypto)
      if (!checked.verified) throw new Error(checked.failures.join('; '))
      const ids = checked.promise.entries.map(({ id }) => id)
      promised.get(checked.promise.region)!.push(...ids)
      return ids
    })
  }
  const post = async (path: string, body: unknown, token = acme.credentials.apiToken) => {
    const response = await fetch(`${app.api}/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const ids = take(response.headers.get('x-holdfast-promise'))
    expect(response.headers.get('x-holdfast-entry')?.split(',').sort() ?? []).toEqual([...ids].sort())
    return { status: response.status, ids }
  }

  beforeAll(async () => {
    app = await startTestApp()
    acme = await app.customer('acme', 2, 2)
    const opened = parseTrust(readFileSync(acme.credentials.trust, 'utf8'), nodeVerifyCrypto)
    if (typeof opened === 'string') throw new Error(opened)
    trust = opened
    const { promises } = customerFiles(acme.folder)
    for (const name of readdirSync(promises)) take(readFileSync(join(promises, name), 'utf8'))
    const place = (region: string) =>
      `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
    for (const [bucket, region] of [
      ['source', 'in-mumbai'],
      ['target', 'de-frankfurt'],
    ] as const)
      take((await acme.s3('PUT', `/${bucket}`, place(region))).headers.get('x-holdfast-promise'))
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  it('to a tenant that joins, in every region', () => {
    for (const region of regions) expect(promised.get(region)!.length).toBeGreaterThanOrEqual(2)
  })

  it('with an instruction and every verdict, at both ends, and once', async () => {
    const order = draft(instructionFields(acme, { scope: { prefix: 'nothing/' } }))
    const envelope = printEnvelope(order)
    expect(await post('/instructions', { envelope })).toMatchObject({ status: 201, ids: { length: 2 } })
    expect(await post('/instructions', { envelope })).toEqual({ status: 201, ids: [] })
    const path = `/instructions/${documentId(order)}/verdicts`
    const [first, second] = acme.approvers.map(key => ({
      envelope: printEnvelope(verdict('approved', order, acme.tenant, key)),
    }))
    expect(await post(path, first)).toMatchObject({ status: 200, ids: { length: 2 } })
    expect(await post(path, first)).toEqual({ status: 200, ids: [] })
    // The approvals that make the quorum, and the states that follow from them.
    expect(await post(path, second)).toMatchObject({ status: 200, ids: { length: 4 } })
    const wrong = await post(path, { envelope: printEnvelope(order) })
    expect(wrong.status).toBeGreaterThanOrEqual(400)
    expect(wrong.ids).toEqual([])
  })

  it('with a webhook, and when it goes', async () => {
    const hook = { region: 'sg-singapore', name: 'told', url: 'http://127.0.0.1:9/' }
    expect(await post('/webhooks', hook)).toMatchObject({ status: 201, ids: { length: 1 } })
    expect(await post('/webhooks', hook)).toEqual({ status: 409, ids: [] })
    expect(await post('/webhooks/sg-singapore/told/delete', {})).toMatchObject({
      status: 200,
      ids: { length: 1 },
    })
  })

  it('with a limit that the operator sets', async () => {
    const token = readFileSync(join(app.folder, 'data', 'operator.token'), 'utf8').trim()
    const quota = { tenant: acme.tenant, objects: 100, bytes: null }
    expect(await post('/quotas', quota, token)).toMatchObject({ status: 200, ids: { length: 3 } })
    expect(await post('/quotas', { ...quota, bucket: 'source' }, token)).toMatchObject({
      status: 200,
      ids: { length: 1 },
    })
  })

  it('and every promise is kept', async () => {
    for (const region of regions) {
      const wanted = promised.get(region)!
      expect(new Set(wanted).size).toBe(wanted.length)
      await expect
        .poll(async () => {
          const there = new Set((await booksOf(acme.credentials, region)).map(({ id }) => id))
          return wanted.filter(id => !there.has(id as never))
        })
        .toEqual([])
    }
  })
})
