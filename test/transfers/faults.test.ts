/**
 * A disk that fails a commit, at either end and anywhere in a transfer, in pairs: failed and not persisted, failed but
 * persisted. Whatever it was, every object ends exactly once, and the books of both ends agree.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import type { RegionId } from '../../src/core/ids.ts'
import type { Catalog } from '../../src/store/catalog.ts'
import { balanceBooks } from '../../src/transfers/balance.ts'
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

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const ends = ['in-mumbai', 'de-frankfurt'] as const
const sizes = [10, 2000, 50_000, 1_200_000]

let test: TestApp
let acme: Customer
beforeAll(async () => {
  test = await startTestApp()
  acme = await test.customer('acme', 1, 1)
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
})
afterAll(() => test?.[Symbol.asyncDispose]())

/** Of the commits that touch the rows of transfers, the one of this number fails, once. */
function failCommit(end: string, number: number, isKept: boolean): { isHit(): boolean } & Disposable {
  const { catalog } = test.app.regions.get(end as RegionId)!
  const honest: Catalog['commit'] = catalog.commit
  let count = 0
  catalog.commit = async batch => {
    const isOfTransfers = batch.puts?.some(({ table }) => table === 'batches' || table === 'transfers')
    if (!isOfTransfers || count++ !== number) return honest.call(catalog, batch)
    if (isKept) await honest.call(catalog, batch)
    throw new HoldfastError('store-damaged', 'the disk said no')
  }
  return {
    isHit: () => count > number,
    [Symbol.dispose]() {
      catalog.commit = honest
    },
  }
}

async function keysUnder(bucket: string, prefix: string): Promise<string[]> {
  const xml = await (await acme.s3('GET', `/${bucket}?list-type=2&prefix=${prefix}`)).text()
  return [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => match[1]!.slice(prefix.length))
}

async function balance(id: string) {
  const books = await Promise.all(
    ends.map(async region => (await booksOf(acme.credentials, region)).map(entry => ({ ...entry, region }))),
  )
  async function* all() {
    for (const { id: entry, region, type, body } of books.flat())
      if ((body as { instruction?: string }).instruction === id) yield { id: entry, region, type, body }
  }
  return balanceBooks(all(), { regions: new Set(ends), isOpen: () => false })
}

const points = ends.flatMap(end => [0, 1, 2, 3, 4].map(number => [end, number] as const))

describe.each(points)('a commit that fails at %s, the one of number %i', (end, number) => {
  it.each([
    ['and is not there', false],
    ['and is there all the same', true],
  ])('%s, harms nothing', async (_what, isKept) => {
    const prefix = `${end}-${number}-${isKept}/`
    for (const [index, size] of sizes.entries())
      await acme.s3('PUT', `/source/${prefix}${index}`, randomBytes(size))
    const envelope = draft(instructionFields(acme, { mode: 'move', scope: { prefix } }))
    const id = await instruct(acme, envelope)
    using fault = failCommit(end, number, isKept)
    await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
    expect(await settled(acme, id)).toMatchObject({ state: 'completed', objects: sizes.length })
    // So many there are at least, or the number means nothing.
    if (number < 3) expect(fault.isHit()).toBe(true)
    expect(await keysUnder('source', prefix)).toEqual([])
    expect(await keysUnder('target', prefix)).toEqual(['0', '1', '2', '3'])
    expect((await api(acme, 'GET', `/transfers/${id}`)).json).toMatchObject({ voided: 0 })
    await expect.poll(async () => await balance(id)).toMatchObject({ findings: [], objects: sizes.length })
  })
})
