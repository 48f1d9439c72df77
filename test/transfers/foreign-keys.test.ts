/** A bucket is not called shredded while a version that its keys do not open arrives. */
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { foreignArrival, noForeignArrivalSince } from '../../src/store/foreign-keys.ts'
import { createMemoryCatalog } from '../../src/store/memory-catalog.ts'
import type { BucketRow, VersionRow } from '../../src/store/rows.ts'

const bucket = { id: 'bucket00', bucketKeyId: 'second', earlierKeys: ['first'] } as unknown as BucketRow
const under = (bucketKeyId: string) => ({ bucketKeyId }) as VersionRow
const random = (length: number) => new Uint8Array(randomBytes(length))

it('what relies on no version of other keys does not hold when one arrived since it looked', async () => {
  const catalog = createMemoryCatalog()
  const arrive = (...keys: string[]) =>
    catalog.commit({ puts: foreignArrival(bucket, keys.map(under), random) })
  const before = await noForeignArrivalSince(catalog, bucket)
  // Its own keys, and delete markers, are nothing that a shredding would miss.
  await arrive('first', 'second')
  await catalog.commit({ puts: foreignArrival(bucket, [{ marker: true } as VersionRow], random) })
  expect(await catalog.commit({ checks: [before] })).toBe(true)
  await arrive('first', 'of-another')
  expect(await catalog.commit({ checks: [before] })).toBe(false)
  // Deleted and come again looks the same in every count, and is seen all the same.
  const between = await noForeignArrivalSince(catalog, bucket)
  expect(await catalog.commit({ checks: [between] })).toBe(true)
  await arrive('of-another')
  expect(await catalog.commit({ checks: [between] })).toBe(false)
  expect(
    await catalog.commit({ checks: [await noForeignArrivalSince(catalog, { ...bucket, id: 'bucket01' })] }),
  ).toBe(true)
})
