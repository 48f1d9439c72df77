/** A limit that is exactly what there is, while batches are answered for at any moment. */
import { afterAll, expect, it } from 'vitest'
import type { RegionId } from '../../src/core/ids.ts'
import { startTestApp } from '../support/app.ts'
import { draft, instruct, instructionFields, say, settled, verdict } from '../support/instructions.ts'

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
// Three batches.
const count = 4_200

const stack = new AsyncDisposableStack()
afterAll(() => stack.disposeAsync())

it('lets all of it go, also where a batch is answered for while the next departs', async () => {
  const test = stack.use(await startTestApp())
  const acme = await test.customer('acme', 1, 1)
  await acme.s3('PUT', '/source')
  await acme.s3('PUT', '/target', frankfurt)
  let next = 0
  const writer = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await acme.s3('PUT', `/source/k${n}`, 'x')
  }
  await Promise.all(Array.from({ length: 32 }, writer))
  // A slow disk: the first batch comes to its end while the third is being written down.
  const { catalog } = test.app.regions.get('in-mumbai' as RegionId)!
  const { commit } = catalog
  let departures = 0
  catalog.commit = async batch => {
    const isDeparture = batch.puts?.some(({ table }) => table === 'transfers') === true
    if (isDeparture && (batch.puts?.some(({ table }) => table === 'batches') ?? false) && ++departures === 3)
      await new Promise(resolve => setTimeout(resolve, 3000))
    return commit.call(catalog, batch)
  }
  const limits = { bytes: null, objects: count }
  const envelope = draft(instructionFields(acme, { limits }))
  const id = await instruct(acme, envelope)
  await say(acme, verdict('approved', envelope, acme.tenant, acme.approvers[0]!), id)
  expect(await settled(acme, id)).toMatchObject({ state: 'completed', objects: count, reason: null })
  expect(departures).toBeGreaterThan(2)
})
