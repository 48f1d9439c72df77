import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { closeBooks, startClosing } from '../../src/ledger/closing.ts'
import { decodeDraft } from '../../src/ledger/draft-format.ts'
import { createTestLedger, region } from '../support/ledger.ts'

const hour = 3600e3

describe('the closing of the books', () => {
  async function open() {
    const ledger = await createTestLedger()
    const joined = 100 * hour + 5
    const tenants = ['a'.repeat(64), 'b'.repeat(64)]
    for (const tenant of tenants) {
      const value = utf8(JSON.stringify({ tenant, joinedUnixMs: joined }))
      await ledger.catalog.commit({ puts: [{ table: 'tenants', key: utf8(tenant), value }] })
    }
    let now = joined
    const { catalog, drafts } = ledger
    const deps = {
      id: region,
      catalog,
      drafts,
      everyMs: hour,
      clock: () => now,
      log: () => {},
      isHalted: () => false,
    }
    const entered = async (): Promise<unknown[]> =>
      (await catalog.scan('drafts', { limit: 100 })).map(({ value }) => {
        const { body, tenant, type } = decodeDraft(value)
        return [tenant[0], type, JSON.parse(body)]
      })
    return { deps, entered, at: (time: number) => void (now = time) }
  }

  it('is once for each period and tenant, and not before a period is over', async () => {
    const { deps, entered, at } = await open()
    expect(await closeBooks(deps)).toBe(0)
    at(101 * hour)
    expect(await closeBooks(deps)).toBe(2)
    expect(await closeBooks(deps)).toBe(0)
    at(101 * hour + 59 * 60_000)
    expect(await closeBooks(deps)).toBe(0)
    // Nobody was there for two hours.
    at(104 * hour + 1)
    expect(await closeBooks(deps)).toBe(2)
    const time = (hours: number, ms = 0): string => new Date(hours * hour + ms).toISOString()
    expect((await entered()).filter(row => (row as string[])[0] === 'a')).toEqual([
      ['a', 'books.closed', { number: 0, from: time(100, 5), until: time(101) }],
      ['a', 'books.closed', { number: 1, from: time(101), until: time(104) }],
    ])
  })

  it('is once, also when two do it at the same time', async () => {
    const { deps, at } = await open()
    at(102 * hour)
    const closed = await Promise.all([closeBooks(deps), closeBooks(deps), closeBooks(deps)])
    expect(closed.reduce((sum, each) => sum + each)).toBe(2)
  })

  it('goes back in no case: a clock that was turned back closes nothing twice', async () => {
    const { deps, at } = await open()
    at(110 * hour)
    expect(await closeBooks(deps)).toBe(2)
    at(105 * hour)
    expect(await closeBooks(deps)).toBe(0)
  })

  it('begins at once, and waits for a ledger that has stopped', async () => {
    const { deps, entered, at } = await open()
    at(103 * hour)
    await using halted = startClosing({ ...deps, isHalted: () => true })
    await halted[Symbol.asyncDispose]()
    expect(await entered()).toEqual([])
    await using running = startClosing(deps)
    await running[Symbol.asyncDispose]()
    expect(await entered()).toHaveLength(2)
  })
})
