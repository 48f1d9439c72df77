import { expect, it } from 'vitest'
import { createRateLimiter } from '../../src/s3/rate-limit.ts'
import { startTestApp } from '../support/app.ts'
import { createS3 } from '../support/s3.ts'

it('so many a second, twice as many at once, and each by itself', () => {
  let now = 0
  const takes = createRateLimiter(10, () => now)
  const took = (id: string) => Array.from({ length: 50 }, () => takes(id)).filter(Boolean).length
  expect(took('a')).toBe(20)
  expect(took('a')).toBe(0)
  expect(took('b')).toBe(20)
  now += 500
  expect(took('a')).toBe(5)
  now += 3_600_000
  expect(took('a')).toBe(20)
  // A clock that is set back gives nothing and takes nothing.
  now -= 1_000_000
  expect(took('a')).toBe(0)
})

it('a key that asks too much is told to slow down', async () => {
  await using app = await startTestApp({
    limits: { tenantRequestsPerSecond: null, keyRequestsPerSecond: 0.001 },
  })
  const { credentials } = await app.customer('busy', 1, 1)
  const s3 = createS3(credentials.endpoint, credentials)
  expect((await s3.call('GET', '/')).status).toBe(200)
  const refused = await s3.call('GET', '/')
  expect(refused).toMatchObject({ status: 503, code: 'SlowDown' })
  expect(refused.headers['retry-after']).toBe('1')
})
