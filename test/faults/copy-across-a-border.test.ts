import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countObjects, operateOnDisk } from '../support/catalog-surgery.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { verifiedStatement } from '../support/statement.ts'

describe('a client’s own copy across a border', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast()
    const { s3 } = holdfast
    await s3.makeBucket('at-home')
    await s3.makeBucket('abroad', 'de-frankfurt')
    await s3.makeBucket('far-abroad', 'sg-singapore')
    await s3.put('/at-home/secret', 'stays here')
    await s3.put('/abroad/there', 'stays there')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it.each([
    ['out', '/abroad/copy', '/at-home/secret'],
    ['in', '/at-home/copy', '/abroad/there'],
    ['of what is not there', '/abroad/copy', '/at-home/nothing'],
  ])('is refused, %s, with the command that would make it lawful', async (_, to, from) => {
    const reply = await holdfast.s3.call('PUT', to, { headers: { 'x-amz-copy-source': from } })
    expect([reply.status, reply.code]).toEqual([403, 'AccessDenied'])
    expect(reply.message).toContain('holdfast instruct transfer')
    expect((await holdfast.s3.get(to)).code).toBe('NoSuchKey')
  })

  it('is refused as a part', async () => {
    const begun = await holdfast.s3.call('POST', '/far-abroad/parts', { query: { uploads: '' } })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())![1]!
    const query = { partNumber: '1', uploadId }
    const headers = { 'x-amz-copy-source': '/at-home/secret' }
    const reply = await holdfast.s3.call('PUT', '/far-abroad/parts', { query, headers })
    expect([reply.status, reply.code]).toEqual([403, 'AccessDenied'])
    expect(reply.message).toContain('holdfast instruct transfer')
    const parts = await holdfast.s3.call('GET', '/far-abroad/parts', { query: { uploadId } })
    expect(parts.body.toString()).not.toContain('<Part>')
  })

  it('stored nothing, and stands in the statement', async () => {
    // The sums of refusals are entered when the server ends, at the latest.
    const objects = await operateOnDisk(holdfast, disk => countObjects(disk, 'at-home'))
    expect(objects).toBe(1)
    const stated = [
      ...(await verifiedStatement(holdfast, 'in-mumbai')),
      ...(await verifiedStatement(holdfast, 'de-frankfurt')),
      ...(await verifiedStatement(holdfast, 'sg-singapore')),
    ]
    const refusals = stated.filter(({ type }) => type === 'refusal').map(({ body }) => body)
    expect(refusals.map(({ rule, operation, resource }) => ({ rule, operation, resource }))).toEqual(
      expect.arrayContaining([
        { rule: 'copy-leaves-the-country', operation: 'CopyObject', resource: 'abroad/copy' },
        { rule: 'copy-leaves-the-country', operation: 'UploadPartCopy', resource: 'far-abroad/parts' },
        { rule: 'copy-leaves-the-country', operation: 'CopyObject', resource: 'at-home/copy' },
      ]),
    )
    const counted = refusals.reduce((sum, { count }) => sum + Number(count), 0)
    // Four refusals, each in the books of both regions that the copy would have joined.
    expect(counted).toBe(8)
    expect(stated.filter(({ type }) => type === 'object.put')).toHaveLength(2)
  })
})
