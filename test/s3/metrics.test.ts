import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startTestApp } from '../support/app.ts'

const dashboard = readFileSync(join(import.meta.dirname, '../../docs/grafana/holdfast.json'), 'utf8')

it('every metric of the dashboard is there, and tells of what happened', async () => {
  await using app = await startTestApp({ scrubBytesPerSecond: 2 ** 30, scrubEveryMs: 50, trashGraceMs: 0 })
  const customer = await app.customer('demo', 1, 1)
  await customer.s3('PUT', '/papers')
  await customer.s3('PUT', '/papers/note', 'x'.repeat(5000))
  await customer.s3('GET', '/papers/note')
  const read = async (): Promise<string> => (await fetch(`${app.api}/metrics`)).text()
  const known = new Set((await read()).match(/^# TYPE (\w+)/gm)!.map(line => line.slice(7)))
  const wanted = new Set(dashboard.match(/\b(?:holdfast|process|nodejs)_\w+(?=[^\w])/g))
  wanted.delete('process')
  expect([...wanted].filter(name => !known.has(name))).toEqual([])
  await expect.poll(read).toMatch(/^holdfast_scrubbed_bytes_total\{region="in-mumbai"\} [1-9]/m)
  await expect.poll(read).toMatch(/^holdfast_entries_total\{region="in-mumbai"\} [1-9]/m)
  const now = await read()
  expect(now).toMatch(/^holdfast_requests_total\{operation="PutObject",status="200"\} 1$/m)
  expect(now).toMatch(/^holdfast_answer_seconds_count 3$/m)
  expect(now).toMatch(/^holdfast_disk_free_bytes\{region="in-mumbai"\} [1-9]/m)
})
