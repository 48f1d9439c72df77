/**
 * The provider killed without warning in the middle of a transfer: every object ends exactly once, the books of both
 * ends balance, and fsck finds nothing in either.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { customerFiles } from '../../src/cli/customer-folder.ts'
import type { BucketName, InstructionId, RegionId, TenantId } from '../../src/core/ids.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { parsePrivateKey } from '../../src/crypto/signatures.ts'
import { createInstructionBook } from '../../src/instructions/instruction-book.ts'
import { createDraftBox } from '../../src/ledger/drafts.ts'
import { regionFiles } from '../../src/open-region.ts'
import { findBucket } from '../../src/store/buckets.ts'
import type { Catalog } from '../../src/store/catalog.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { bucketPrefix } from '../../src/store/rows.ts'
import { rowsOf } from '../../src/store/rows-of.ts'
import { findBatch, listStaged, openBatchesOf } from '../../src/transfers/batches.ts'
import type { Customer } from '../support/app.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import {
  api,
  booksOf,
  draft,
  type InstructionFields,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const objects = 60

let holdfast: Holdfast
let customer: Customer
let ledger: string
let source: Catalog
let destination: Catalog

beforeAll(async () => {
  holdfast = await startHoldfast({
    regions: [
      ['in-mumbai', 'IN'],
      ['de-frankfurt', 'DE'],
    ],
    // The long object of each batch is on its way for a while, when the others are there already.
    config: { transferBytesPerSecond: 6 << 20 },
  })
  const { credentials, s3 } = holdfast
  const key = parsePrivateKey(readFileSync(customerFiles(holdfast.customer).approverKey, 'utf8'))
  const tenant = credentials.tenant as TenantId
  customer = { folder: holdfast.customer, tenant, credentials, approvers: [key] } as unknown as Customer
  await s3.makeBucket('source')
  await s3.makeBucket('target', 'de-frankfurt')
  ledger = (await api(customer, 'GET', '/buckets/source')).json.ledger
  // Read from here while the server writes: what is on disk decides when it is killed.
  source = await openLmdbCatalog(regionFiles(holdfast.data, 'in-mumbai').catalog)
  destination = await openLmdbCatalog(regionFiles(holdfast.data, 'de-frankfurt').catalog)
})
afterAll(async () => {
  await source?.[Symbol.asyncDispose]()
  await destination?.[Symbol.asyncDispose]()
  await holdfast?.[Symbol.asyncDispose]()
})

async function fsckIsClean(): Promise<void> {
  const { stdout } = await holdfast.cli('fsck', '--peers', '--json')
  const { regions, peers } = JSON.parse(stdout) as {
    regions: { findings: string[]; orphans: string[] }[]
    peers: { findings: string[]; objects: number }
  }
  expect(peers.findings).toEqual([])
  expect(peers.objects).toBeGreaterThan(0)
  expect(regions.flatMap(({ findings, orphans }) => [...findings, ...orphans])).toEqual([])
}

async function keysUnder(catalog: Catalog, bucket: string, prefix: string): Promise<string[]> {
  const found = await findBucket(catalog, bucket as BucketName)
  const base = bucketPrefix(found!.row.id)
  const keys: string[] = []
  const range = { prefix: Buffer.concat([base, Buffer.from(prefix)]) }
  for await (const { key } of rowsOf(catalog, 'objects', range))
    keys.push(Buffer.from(key.subarray(base.length)).toString())
  return keys
}

/** Origin ids that departed, and those that arrived or were voided, of one instruction, as the books have them. */
async function accounted(id: string): Promise<{ departed: string[]; ended: string[]; counted: string[] }> {
  const origins = (entries: readonly { type: string; body: unknown }[], type: string): string[] =>
    entries
      .filter(entry => entry.type === type && (entry.body as any).instruction === id)
      .flatMap(entry => (entry.body as any).objects.map((object: unknown[]) => object[0]))
  const [left, right] = [
    await booksOf(customer.credentials, 'in-mumbai'),
    await booksOf(customer.credentials, 'de-frankfurt'),
  ]
  const arrived = origins(right, 'transfer.arrived')
  return {
    departed: origins(left, 'transfer.departed').sort(),
    ended: [...arrived, ...origins(left, 'transfer.voided')].sort(),
    counted: arrived.sort(),
  }
}

async function started(
  change: InstructionFields,
  bytesPerSecond: number | null = null,
): Promise<{ id: InstructionId; envelope: Envelope }> {
  const envelope = draft(instructionFields(customer, { ledger, ...change }))
  const id = (await instruct(customer, envelope)) as InstructionId
  await api(customer, 'POST', `/transfers/${id}/limit`, { bytesPerSecond })
  await say(customer, verdict('approved', envelope, customer.tenant, customer.approvers[0]!), id)
  return { id, envelope }
}

async function putObjects(prefix: string): Promise<void> {
  const names = Array.from({ length: objects }, (_, i) => `${prefix}${String(i).padStart(2, '0')}`)
  const sizeOf = (i: number): number => (i === objects - 1 ? 9 << 20 : 2000)
  await Promise.all(names.map((name, i) => holdfast.s3.put(`/source/${name}`, randomBytes(sizeOf(i)))))
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000
  while (!(await reached())) {
    if (Date.now() > deadline) throw new Error('the point was never reached')
    await new Promise(resolve => setImmediate(resolve))
  }
}

const staged = async (id: InstructionId): Promise<number> => (await listStaged(destination, id, 0)).length
const closed = async (id: InstructionId): Promise<boolean> =>
  (await findBatch(destination, id, 0))?.row.state === 'done'

const points: [string, (id: InstructionId, prefix: string) => Promise<boolean>][] = [
  ['after the departure', async id => (await findBatch(source, id, 0)) !== null],
  ['after some objects', async id => (await staged(id)) > 5 || closed(id)],
  ['before the close', async id => (await staged(id)) === objects || closed(id)],
  ['after the close', closed],
  [
    'while it deletes',
    async (_id, prefix) => (await keysUnder(source, 'source', prefix)).length < objects - 5,
  ],
]

describe('a transfer of a provider that is killed', () => {
  it.each(points)('%s loses nothing and moves nothing twice', async (name, reached) => {
    const prefix = `${name.replaceAll(' ', '-')}/`
    await putObjects(prefix)
    const { id } = await started({ mode: 'move', scope: { prefix } })
    await until(() => reached(id, prefix))
    await holdfast.server.kill()
    await fsckIsClean()
    await holdfast.server.start()
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects })
    expect(await keysUnder(source, 'source', prefix)).toEqual([])
    expect(await keysUnder(destination, 'target', prefix)).toHaveLength(objects)
    const { departed, ended } = await accounted(id)
    expect(departed).toHaveLength(objects)
    expect(ended).toEqual(departed)
    await fsckIsClean()
  })

  it('with several batches on their way ends each object once', async () => {
    // Keys so long that a batch holds a thousand of them.
    const prefix = `batches/${'x'.repeat(900)}/`
    const count = 2500
    const names = Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(4, '0')}`)
    for (let i = 0; i < count; i += 100)
      await Promise.all(names.slice(i, i + 100).map(name => holdfast.s3.put(`/source/${name}`, name)))
    await holdfast.s3.put(`/source/${prefix}9999`, randomBytes(9 << 20))
    const { id } = await started({ mode: 'move', scope: { prefix } })
    await until(async () => (await openBatchesOf(source, id)).length > 1)
    await holdfast.server.kill()
    await fsckIsClean()
    await holdfast.server.start()
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects: count + 1 })
    expect(await keysUnder(source, 'source', prefix)).toEqual([])
    expect(await keysUnder(destination, 'target', prefix)).toHaveLength(count + 1)
    const { departed, ended } = await accounted(id)
    expect(ended).toEqual(departed)
    await fsckIsClean()
  })

  it('while it plans, or with a plan, moves what was listed', async () => {
    for (const point of ['planning', 'planned']) {
      const prefix = `${point}/`
      await putObjects(prefix)
      const envelope = printEnvelope(draft(instructionFields(customer, { ledger, scope: { prefix } })))
      const { list } = (await api(customer, 'POST', '/instructions/dry-run', { envelope })).json
      const { id } = await started({ mode: 'move', scope: { list, prefix } })
      const plan = async () => String((await source.get('transfers', Buffer.from(id))) ?? '')
      await until(async () =>
        point === 'planning' ? (await plan()) !== '' : (await plan()).includes('planned'),
      )
      await holdfast.server.kill()
      await fsckIsClean()
      await holdfast.server.start()
      expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects })
      expect(await keysUnder(destination, 'target', prefix)).toHaveLength(objects)
      await fsckIsClean()
    }
  })

  it('just after a revocation accounts for what was on its way', async () => {
    await putObjects('revoked/')
    const { id, envelope } = await started({ mode: 'move', scope: { prefix: 'revoked/' } }, 400_000)
    await until(async () => (await staged(id)) > 5)
    await holdfast.server.kill()
    // Both ends had written it down when they died, and neither had done anything about it.
    const revocation = verdict('revoked', envelope, customer.tenant, customer.approvers[0]!)
    for (const [region, catalog] of [
      ['de-frankfurt', destination],
      ['in-mumbai', source],
    ] as const) {
      const drafts = createDraftBox(region as RegionId, Date.now, randomBytes)
      const book = createInstructionBook({
        id: region as RegionId,
        catalog,
        drafts,
        countries: new Map(),
        clock: Date.now,
      })
      await book.say(revocation)
    }
    await holdfast.server.start()
    expect((await settled(customer, id)).state).toBe('revoked')
    const balanced = async () => {
      const { departed, ended } = await accounted(id)
      return departed.length > 0 && departed.join() === ended.join()
    }
    await expect.poll(balanced).toBe(true)
    const { counted } = await accounted(id)
    expect(await keysUnder(source, 'source', 'revoked/')).toHaveLength(objects)
    expect(await keysUnder(destination, 'target', 'revoked/')).toHaveLength(counted.length)
    await fsckIsClean()
  })
})

it('leaves nothing to fsck after a copy, a move, and objects of several parts', async () => {
  await holdfast.s3.put('/source/whole/small', randomBytes(10))
  await holdfast.s3.put('/source/whole/large', randomBytes(300_000))
  await holdfast.s3.putParts('/source/whole/parts', [
    randomBytes(5 << 20),
    randomBytes(5 << 20),
    Buffer.of(1),
  ])
  for (const mode of ['copy', 'copy', 'move']) {
    const { id } = await started({ mode, scope: { prefix: 'whole/' } })
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects: 3 })
    await fsckIsClean()
  }
  expect(await keysUnder(source, 'source', 'whole/')).toEqual([])
})
