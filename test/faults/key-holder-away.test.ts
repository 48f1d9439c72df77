import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import type { S3Reply } from '../support/s3.ts'

describe('the key holder is away, or says no', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ leaseSeconds: 2, regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('papers')
    await holdfast.s3.put('/papers/k', 'kept')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  const read = () => holdfast.s3.get('/papers/k')
  const write = () => holdfast.s3.call('PUT', '/papers/new', { body: 'x' })
  const setEnabled = (enabled: boolean) => {
    const path = join(holdfast.customer, 'keyring.json')
    const keyring = JSON.parse(readFileSync(path, 'utf8')) as { keys: Record<string, { enabled: boolean }> }
    for (const key of Object.values(keyring.keys)) key.enabled = enabled
    writeFileSync(path, JSON.stringify(keyring))
  }

  it('ends reads and writes with the lease, says why, and goes on when it is back', async () => {
    expect((await read()).body.toString()).toBe('kept')
    await holdfast.keyHolder.stop()
    for (const ask of [read, write]) {
      const reply = await untilStatus(ask, 503)
      expect(reply.code).toBe('ServiceUnavailable')
      expect(reply.message).toContain('key holder cannot be reached')
      expect(reply.headers['retry-after']).toBeDefined()
    }
    expect((await holdfast.s3.call('PUT', '/fresh-bucket')).status).toBe(503)
    // What needs no key goes on: listing, metadata, deleting.
    expect((await holdfast.s3.call('GET', '/papers')).status).toBe(200)
    expect((await holdfast.s3.call('HEAD', '/papers/k')).status).toBe(200)

    await holdfast.keyHolder.start()
    expect((await untilStatus(read, 200)).body.toString()).toBe('kept')
    expect((await untilStatus(write, 200)).status).toBe(200)
  })

  it('refuses when the customer has disabled the key, and opens again when it is enabled', async () => {
    await holdfast.keyHolder.stop()
    setEnabled(false)
    await holdfast.keyHolder.start()
    for (const ask of [read, write]) {
      const reply = await untilStatus(ask, 403)
      expect(reply.code).toBe('AccessDenied')
      expect(reply.message).toContain('key holder refused')
    }
    await holdfast.keyHolder.stop()
    setEnabled(true)
    await holdfast.keyHolder.start()
    expect((await untilStatus(read, 200)).body.toString()).toBe('kept')
  })

  it('has journaled each lease with its reason', () => {
    const lines = readFileSync(join(holdfast.customer, 'journal.jsonl'), 'utf8').trim().split('\n')
    const text = lines.join()
    expect(lines.length).toBeGreaterThan(2)
    expect(text).toContain('bucket-created')
    expect(text).toContain('customer-initiated-access')
  })
})

/** Asks again and again; a lease that never ended, or never came back, ends in the test's time limit. */
async function untilStatus(ask: () => Promise<S3Reply>, status: number): Promise<S3Reply> {
  for (;;) {
    const reply = await ask()
    if (reply.status === status) return reply
    if (![200, 403, 503].includes(reply.status)) throw new Error(`${reply.status} ${reply.body}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}
