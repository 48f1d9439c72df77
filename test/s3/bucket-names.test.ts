import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'

let test: TestApp
let customer: Customer
beforeAll(async () => {
  test = await startTestApp()
  customer = await test.customer('acme', 1, 1)
})
afterAll(() => test?.[Symbol.asyncDispose]())

const at = (region: string): string =>
  `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`

it('of many who ask for one name at once in three regions, one gets it', async () => {
  for (let round = 0; round < 5; round++) {
    const asked = ['in-mumbai', 'de-frankfurt', 'sg-singapore', 'in-mumbai', 'de-frankfurt', 'sg-singapore']
    const answers = await Promise.all(asked.map(region => customer.s3('PUT', `/raced-${round}`, at(region))))
    expect(answers.filter(answer => answer.status === 200)).toHaveLength(1)
    const others = await Promise.all(
      answers.filter(answer => answer.status !== 200).map(answer => answer.text()),
    )
    for (const text of others) expect(text).toContain('<Code>BucketAlreadyOwnedByYou</Code>')
    const list = await (await customer.s3('GET', '/')).text()
    expect(list.split(`<Name>raced-${round}</Name>`)).toHaveLength(2)
  }
})

it('the key holder’s journal names the region that asked', async () => {
  await customer.s3('PUT', '/abroad', at('de-frankfurt'))
  const lines = readFileSync(join(customer.folder, 'journal.jsonl'), 'utf8').trimEnd().split('\n')
  const last = JSON.parse(lines.at(-1)!) as { requester: string; reason: string }
  expect([last.requester, last.reason]).toEqual(['de-frankfurt', 'bucket-created'])
})
