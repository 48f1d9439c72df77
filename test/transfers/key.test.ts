/** A bucket gets another key, or loses all that it has, on the quorum's instruction and in no other way. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { customerFiles } from '../../src/cli/customer-folder.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import {
  booksOf,
  draft,
  type InstructionFields,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const main = new URL('../../src/main.ts', import.meta.url).pathname
const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'

describe('an instruction of kind key', () => {
  let test: TestApp
  let acme: Customer
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 2, 2)
    await acme.s3('PUT', '/records')
    await acme.s3('PUT', '/source')
    await acme.s3('PUT', '/target', frankfurt)
    await acme.s3('PUT', '/records/before', 'under the first key')
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  const order = (act: string, change: InstructionFields = {}) => {
    const { from, to, limits, mechanism, mode, scope, ...common } = instructionFields(acme)
    void [from, to, limits, mechanism, mode, scope]
    return draft({ ...common, kind: 'key', bucket: 'records', region: 'in-mumbai', act, ...change })
  }
  const approved = async (act: string, change: InstructionFields = {}, approvers = 2): Promise<any> => {
    const envelope = order(act, change)
    const id = await instruct(acme, envelope)
    for (const key of acme.approvers.slice(0, approvers))
      await say(acme, verdict('approved', envelope, acme.tenant, key), id)
    return settled(acme, id)
  }
  const entriesOf = async (type: string, region = 'in-mumbai') =>
    (await booksOf(acme.credentials, region)).filter(entry => entry.type === type).map(({ body }) => body)
  const read = async (path: string) => {
    const answer = await acme.s3('GET', path)
    return answer.status === 200 ? answer.text() : answer.status
  }

  it('does nothing before its quorum', async () => {
    expect((await approved('shred', {}, 1)).state).toBe('drafted')
    expect(await read('/records/before')).toBe('under the first key')
  })

  it('has the key holder make a new key for what comes, says why, and leaves the rest readable', async () => {
    const ended = await approved('rotate')
    expect([ended.state, ended.objects]).toEqual(['completed', 1])
    await acme.s3('PUT', '/records/after', 'under the second key')
    expect([await read('/records/before'), await read('/records/after')]).toEqual([
      'under the first key',
      'under the second key',
    ])
    await expect
      .poll(
        async () =>
          (await entriesOf('bucketkey.created')).filter(({ bucket }) => bucket === 'records').length,
      )
      .toBe(2)
    const made = (await entriesOf('bucketkey.created')).filter(({ bucket }) => bucket === 'records')
    expect(made[1]).toMatchObject({ instruction: ended.id })
    // The write is answered before its entry is published.
    const keysOfPuts = async () => {
      const puts = (await entriesOf('object.put')).filter(({ bucket }) => bucket === 'records')
      return new Set(puts.map(({ bucketKeyId }) => bucketKeyId))
    }
    await expect.poll(keysOfPuts).toEqual(new Set(made.map(({ bucketKeyId }) => bucketKeyId)))
    const journal = readFileSync(customerFiles(acme.folder).journal, 'utf8')
    expect(journal).toContain('bucket-rekeyed')
    expect(journal).toContain(ended.id)
  })

  it('ends what is there for good, and what is to come until there is a new key', async () => {
    const ended = await approved('shred')
    expect([ended.state, ended.objects]).toEqual(['completed', 2])
    // At once, whatever is leased: the rows say so.
    expect([await read('/records/before'), await read('/records/after')]).toEqual([403, 403])
    const refused = await acme.s3('GET', '/records/before')
    expect(await refused.text()).toContain(`destroyed on instruction ${ended.id}`)
    expect((await acme.s3('PUT', '/records/new', 'x')).status).toBe(403)
    await test.restart()
    expect(await read('/records/before')).toBe(403)
    expect((await approved('rotate')).state).toBe('completed')
    expect((await acme.s3('PUT', '/records/new', 'under the third key')).status).toBe(200)
    expect([await read('/records/new'), await read('/records/before')]).toEqual(['under the third key', 403])
    await expect.poll(() => entriesOf('bucketkey.shredded')).toMatchObject([{ bucket: 'records' }])
    const fsck = await run(process.execPath, [main, 'fsck'], {
      env: { HOLDFAST_DATA: `${test.folder}/data` },
    })
    expect([fsck.code, fsck.stdout]).toEqual([0, expect.any(String)])
  })

  it('voids in a transfer what nobody can read any more', async () => {
    const envelope = draft(instructionFields(acme, { from: { bucket: 'records', region: 'in-mumbai' } }))
    const id = await instruct(acme, envelope)
    for (const key of acme.approvers) await say(acme, verdict('approved', envelope, acme.tenant, key), id)
    expect((await settled(acme, id)).state).toBe('completed')
    expect([await read('/target/new'), await read('/target/before')]).toEqual(['under the third key', 404])
    await expect
      .poll(async () => JSON.stringify(await entriesOf('transfer.voided')))
      .toContain('its key was destroyed')
  })

  it('does not call shredded what came under another bucket’s key', async () => {
    const ended = await approved('shred', {
      bucket: 'target',
      region: 'de-frankfurt',
      ledger: 'holdfast.test/log/de-frankfurt',
    })
    expect([ended.state, ended.reason]).toEqual(['failed', expect.stringMatching(/came by a transfer/)])
    expect(await read('/target/new')).toBe('under the third key')
  })

  it('is given on the command line, which says what it comes to', async () => {
    const holdfast = (...args: string[]) =>
      run(process.execPath, [main, ...args], { env: { HOLDFAST_CUSTOMER: acme.folder } })
    const ask = ['instruct', 'key', '--bucket', 'source', '--purpose', 'the project has ended']
    expect((await holdfast(...ask, '--act', 'burn')).code).toBe(2)
    expect((await holdfast(...ask, '--act', 'shred')).stdout).toContain(
      'nobody reads what is in it ever again',
    )
  })
})
