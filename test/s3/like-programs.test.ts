/** What programs do that are no S3 clients by trade, request by request: Terraform's lock, DuckDB's reader. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'

const chance = createChance(17)

describe('programs', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']], config: { workers: 2 } })
    await holdfast.s3.makeBucket('state')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('Terraform: a lock file is one worker’s at a time, and the state loses no change', async () => {
    const { s3 } = holdfast
    await s3.put('/state/terraform.tfstate', '0')
    const locked = { 'if-none-match': '*', 'content-type': 'application/json' }
    let holders = 0
    const change = async (id: number): Promise<void> => {
      for (;;) {
        const lock = await s3.call('PUT', '/state/terraform.tfstate.tflock', {
          body: JSON.stringify({ ID: id }),
          headers: locked,
        })
        if (lock.status === 200) break
        expect([409, 412]).toContain(lock.status)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      expect(++holders).toBe(1)
      const state = await s3.get('/state/terraform.tfstate')
      await s3.put('/state/terraform.tfstate', String(Number(state.body) + 1))
      holders--
      expect((await s3.call('DELETE', '/state/terraform.tfstate.tflock')).status).toBe(204)
    }
    await Promise.all(Array.from({ length: 12 }, (_, i) => change(i)))
    expect(String((await s3.get('/state/terraform.tfstate')).body)).toBe('12')
  })

  it('a table’s pointer: compare and swap by ETag, many writers, no lost update', async () => {
    const { s3 } = holdfast
    await s3.put('/state/pointer', '0')
    const add = async (): Promise<void> => {
      for (;;) {
        const now = await s3.get('/state/pointer')
        const headers = { 'if-match': now.headers.etag! }
        const body = String(Number(now.body) + 1)
        const { status } = await s3.call('PUT', '/state/pointer', { body, headers })
        if (status === 200) return
        expect([409, 412]).toContain(status)
      }
    }
    await Promise.all(Array.from({ length: 16 }, add))
    expect(String((await s3.get('/state/pointer')).body)).toBe('16')
  })

  it('DuckDB: HEAD for the length, the footer, then ranges in any order and at once', async () => {
    const { s3 } = holdfast
    const table = chance.bytes(3_000_000)
    const parts = [chance.bytes(5 << 20), chance.bytes(6_000_001), chance.bytes(123)]
    await s3.put('/state/table.parquet', table)
    await s3.putParts('/state/parts.parquet', parts)
    const slice = async (path: string, start: number, end: number): Promise<Buffer> => {
      const reply = await s3.call('GET', path, { headers: { range: `bytes=${start}-${end}` } })
      expect([reply.status, reply.complete]).toEqual([206, true])
      return reply.body
    }
    for (const [path, content] of [
      ['/state/table.parquet', table],
      ['/state/parts.parquet', Buffer.concat(parts)],
    ] as const) {
      const head = await s3.call('HEAD', path)
      const length = Number(head.headers['content-length'])
      expect(length).toBe(content.length)
      const ranged = await s3.call('HEAD', path, { headers: { range: 'bytes=0-7' } })
      expect([ranged.status, ranged.headers['content-length']]).toEqual([206, '8'])
      const footer = await slice(path, length - 8, length - 1)
      expect(footer.equals(content.subarray(length - 8))).toBe(true)
      const ranges = Array.from({ length: 60 }, () => {
        const start = chance.below(length)
        return [start, Math.min(length - 1, start + chance.below(300_000))] as const
      })
      const read = await Promise.all(ranges.map(([start, end]) => slice(path, start, end)))
      for (const [i, [start, end]] of ranges.entries())
        expect(read[i]!.equals(content.subarray(start, end + 1)), `${path} ${start}-${end}`).toBe(true)
    }
    const list = await s3.call('GET', '/state', { query: { 'list-type': '2', prefix: 'ta' } })
    expect(list.body.toString()).toContain('<Key>table.parquet</Key>')
  })
})
