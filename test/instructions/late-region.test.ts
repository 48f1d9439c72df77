/** A region that a tenant joins after its approvers have changed: its books begin with the changes there were. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Json } from '../../src/core/canonical-json.ts'
import type { RegionId } from '../../src/core/ids.ts'
import { nodeVerifyCrypto as crypto } from '../../src/crypto/node-verify-crypto.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  asJson,
  changeFields,
  genesisOf,
  newKeys,
  order,
  setFields,
  verdictBy,
} from '../support/approvers.ts'

let test: TestApp
beforeAll(async () => {
  test = await startTestApp()
})
afterAll(() => test?.[Symbol.asyncDispose]())

const keys = newKeys(3)
const genesis = genesisOf({ approvers: keys.slice(0, 2), quorum: 2 })
const tenant = documentId(genesis)
const change = order(changeFields(tenant, 1, tenant, setFields({ approvers: keys.slice(2), quorum: 1 })))
const chainOf = (approvers: number): Json => [
  {
    approvals: keys.slice(0, approvers).map(key => asJson(verdictBy(key, change, tenant))),
    envelope: asJson(change),
    note: 'not of the format',
  },
]

async function joined(chain: Json, chainKey: string): Promise<Response> {
  const operatorToken = readFileSync(join(test.folder, 'data', 'operator.token'), 'utf8').trim()
  const { certificate } = test.app.regions.get('in-mumbai' as RegionId)!.identity
  const secret = { accessKeyId: 'HFK1', secretAccessKey: 'x'.repeat(40) }
  return fetch(`${test.api}/api/v1/tenants`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      genesis: asJson(genesis),
      home: 'in-mumbai',
      chain,
      chainKeys: { 'in-mumbai': chainKey },
      holder: { host: '127.0.0.1', port: 1, certificate, keyId: 'k', credentials: { 'in-mumbai': secret } },
    }),
  })
}

it('is refused with a change that nobody ordered', async () => {
  const answer = await joined(chainOf(1), randomBytes(32).toString('hex'))
  expect([answer.status, await answer.text()]).toEqual([
    422,
    expect.stringMatching(/change 1 of the approvers: 1 of 2/),
  ])
})

it('says in its first entry by whom all that follows is judged', async () => {
  const chainKey = randomBytes(32).toString('hex')
  const answer = await joined(chainOf(2), chainKey)
  expect(answer.status).toBe(201)
  const { apiToken } = (await answer.json()) as { apiToken: string }
  const region = test.app.regions.get('in-mumbai' as RegionId)!
  const trust = parseTrust(
    JSON.stringify({
      format: 'holdfast/trust/v1',
      tenant,
      genesis: asJson(genesis),
      regions: {
        'in-mumbai': { origin: region.logKey.name, vkey: region.logKey.vkey, chainKey, country: 'IN' },
      },
    }),
    crypto,
  )
  if (typeof trust === 'string') throw new Error(trust)
  const entries = async () => {
    for (;;) {
      const statement = await fetch(`${test.api}/api/v1/regions/in-mumbai/statement`, {
        headers: { authorization: `Bearer ${apiToken}` },
      })
      const verdict = verifyStatement(new Uint8Array(await statement.arrayBuffer()), trust, crypto)
      if (!verdict.verified) throw new Error(verdict.failures.join())
      // Published within a second.
      if (verdict.entries.length > 0) return verdict.entries
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  const { type, body } = (await entries())[0]!
  expect(type).toBe('tenant.joined')
  // Of what was sent only what the format has stands in the books.
  const [link, ...more] = body.chain as { approvals: Json[]; envelope: Json }[]
  expect(more).toEqual([])
  expect(Object.keys(link!)).toEqual(['approvals', 'envelope'])
  expect(link!.envelope).toEqual(asJson(change))
})
