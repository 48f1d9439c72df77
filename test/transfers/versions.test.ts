/** Transfers out of and into buckets that keep versions, and of versions that are locked. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isoTime } from '../../src/core/time.ts'
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
import { createS3, type S3 } from '../support/s3.ts'

// Long enough for what happens between arrival and deletion.
const moveUndoMs = 15_000

let test: TestApp
let customer: Customer
let s3: S3
beforeAll(async () => {
  test = await startTestApp({ moveUndoMs })
  customer = await test.customer('acme', 1, 1)
  s3 = createS3(customer.credentials.endpoint, customer.credentials)
  await s3.call('PUT', '/source', { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } })
  await s3.makeBucket('target', 'de-frankfurt')
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await s3.call('PUT', '/target', { query: { versioning: '' }, body })
})
afterAll(() => test?.[Symbol.asyncDispose]())

const put = async (path: string, body: string, headers: Record<string, string> = {}) =>
  String((await s3.put(path, body, headers)).headers['x-amz-version-id'])
const bodyOf = async (path: string, versionId?: string) => {
  const reply = await s3.call('GET', path, { query: versionId === undefined ? {} : { versionId } })
  return reply.code ?? reply.body.toString()
}

it('a move takes the version that departed, brings a new version, and leaves what would lose its lock', async () => {
  const old = await put('/source/k', 'old')
  const departed = await put('/source/k', 'departed', { 'x-amz-tagging': 'from=source' })
  const locked = await put('/source/locked', 'locked', {
    'x-amz-object-lock-legal-hold': 'ON',
    'content-md5': createHash('md5').update('locked').digest('base64'),
  })
  const before = await put('/target/k', 'before')

  const fields = { mode: 'move', expires: isoTime(Date.now() + 3600e3) }
  const envelope = draft(instructionFields(customer, fields))
  const id = await instruct(customer, envelope)
  await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
  const arrived = async () => (await api(customer, 'GET', `/instructions/${id}`)).json.objects
  await expect.poll(arrived).toBe(1)
  const newer = await put('/source/k', 'newer')
  expect((await settled(customer, id)).state).toBe('completed')

  expect(await bodyOf('/source/k', departed)).toBe('NoSuchVersion')
  expect(await bodyOf('/source/k', old)).toBe('old')
  expect(await bodyOf('/source/k', newer)).toBe('newer')
  expect(await bodyOf('/source/locked', locked)).toBe('locked')
  expect(await bodyOf('/target/k')).toBe('departed')
  expect(await bodyOf('/target/k', before)).toBe('before')
  const tags = await s3.call('GET', '/target/k', { query: { tagging: '' } })
  expect(tags.body.toString()).toContain('<Key>from</Key><Value>source</Value>')
  expect(await bodyOf('/target/locked')).toBe('NoSuchKey')
  const voided = async () => {
    const entries = await booksOf(customer.credentials, 'in-mumbai')
    const bodies = entries.filter(({ type }) => type === 'transfer.voided').map(({ body }) => body as any)
    return bodies.flatMap(({ objects }) => objects.map(([, reason]: [string, string]) => reason))
  }
  await expect.poll(voided).toEqual([expect.stringMatching(/^lock-would-be-lost: /)])

  // Entered within a second.
  await expect
    .poll(async () => {
      const entries = await booksOf(customer.credentials, 'in-mumbai')
      const deleted = entries.filter(({ type }) => type === 'object.deleted')
      return deleted.map(({ body }) => (body as { versionId?: string }).versionId)
    })
    .toEqual([departed])
})
