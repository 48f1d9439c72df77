import { describe, expect, it } from 'vitest'
import { fromUtf8, toHex, u64be } from '../../src/core/bytes.ts'
import { hasCode } from '../../src/core/errors.ts'
import type { TileFault } from '../../src/ledger/memory-tile-store.ts'
import { createSequencer } from '../../src/ledger/sequencer.ts'
import { signedKey, treeKey } from '../../src/ledger/tables.ts'
import { createTreeReader } from '../../src/ledger/tree-reader.ts'
import type { CatalogBatch } from '../../src/store/catalog.ts'
import type { CommitFault } from '../../src/store/memory-catalog.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import type { Checkpoint } from '../../src/verify/checkpoint-text.ts'
import { consistencyHolds } from '../../src/verify/merkle.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { consistencyRanges } from '../../src/verify/subtrees.ts'
import { createTestLedger, crypto, makeSigner, region, type TestLedger } from '../support/ledger.ts'

const writes = (batch: CatalogBatch, key: Uint8Array): boolean =>
  batch.puts?.some(put => put.table === 'meta' && toHex(put.key as Uint8Array) === toHex(key)) === true

/** The steps of a tick at which the world can fail, as the comment on `createSequencer` names them. */
const steps: Record<string, (ledger: TestLedger, fault: CommitFault & TileFault) => void> = {
  '(b) commit of the entries': (ledger, fault) => {
    ledger.catalog.faults = batch => (writes(batch, treeKey) ? fault : null)
  },
  '(c) tiles': (ledger, fault) => {
    ledger.tiles.faults = paths => (paths[0]?.startsWith('tile/') ? fault : null)
  },
  '(d) commit of the signed checkpoint': (ledger, fault) => {
    ledger.catalog.faults = batch => (writes(batch, signedKey) ? fault : null)
  },
  '(e) publication': (ledger, fault) => {
    ledger.tiles.faults = paths => (paths[0] === 'checkpoint' ? fault : null)
  },
}

/** A ledger that remembers every checkpoint that its region signed, so that a fork shows. */
async function observedLedger() {
  const inner = makeSigner()
  const signedTexts: string[] = []
  const sign = (message: Uint8Array) => {
    signedTexts.push(fromUtf8(message))
    return inner.sign(message)
  }
  const ledger = await createTestLedger({ ...inner, sign })
  return { ledger, signedTexts }
}

async function demandNoFork(ledger: TestLedger, signedTexts: readonly string[]): Promise<void> {
  const bytes = await ledger.tiles.read('checkpoint')
  const last = openCheckpoint(fromUtf8(bytes!), ledger.stores.log, crypto) as Checkpoint
  const reader = createTreeReader(ledger.tiles, last.size, crypto)
  for (const text of signedTexts.filter(each => !each.startsWith('holdfast/statement'))) {
    const [, size, root] = text.split('\n')
    const oldSize = Number(size)
    expect(oldSize).toBeLessThanOrEqual(last.size)
    if (oldSize === 0) continue
    const proof = await Promise.all(consistencyRanges(oldSize, last.size).map(reader.subtree))
    const oldRoot = Buffer.from(root!, 'base64')
    const claim = { oldSize, newSize: last.size, oldRoot, newRoot: last.root, proof }
    expect(consistencyHolds(claim, crypto), `signed at ${oldSize}`).toBe(true)
  }
}

describe('a sequencer that fails', () => {
  for (const [step, inject] of Object.entries(steps)) {
    for (const fault of ['lost', 'kept'] as const) {
      for (const restart of [true, false]) {
        it(`at ${step}, ${fault}, ${restart ? 'and starts again' : 'and goes on'}`, async () => {
          const { ledger, signedTexts } = await observedLedger()
          let sequencer = ledger.newSequencer(100)
          const tenant = await ledger.join()
          const ids = [await ledger.draft(tenant)]
          await sequencer.tick()

          for (let i = 0; i < 300; i++) ids.push(await ledger.draft(tenant))
          await sequencer.tick()
          inject(ledger, fault as CommitFault & TileFault)
          await expect(sequencer.tick()).rejects.toThrow('injected')
          // Once more while it still fails: what is half done must not be done twice.
          if (restart) sequencer = ledger.newSequencer(100)
          await expect(sequencer.tick()).rejects.toThrow('injected')
          ledger.catalog.faults = null
          ledger.tiles.faults = null
          ids.push(await ledger.draft(tenant))

          if (restart) sequencer = ledger.newSequencer(100)
          while ((await sequencer.tick()).entered > 0);

          expect(await ledger.fsck()).toEqual([])
          const verdict = verifyStatement(await ledger.statement(tenant), tenant.trust, crypto)
          expect(verdict.verified).toBe(true)
          const entered = verdict.verified ? verdict.entries.map(entry => entry.id) : []
          expect(entered.slice(1)).toEqual(ids)
          await demandNoFork(ledger, signedTexts)
        })
      }
    }
  }

  it('after half of the tiles were written', async () => {
    const { ledger, signedTexts } = await observedLedger()
    const tenant = await ledger.join()
    for (let i = 0; i < 700; i++) await ledger.draft(tenant)
    const sequencer = ledger.newSequencer()
    ledger.tiles.faults = paths => (paths.length > 1 ? 'half' : null)
    await expect(sequencer.tick()).rejects.toThrow('injected: half')
    expect(await ledger.tiles.read('checkpoint')).not.toBeNull()
    ledger.tiles.faults = null
    while ((await sequencer.tick()).entered > 0);
    expect(await ledger.fsck()).toEqual([])
    await demandNoFork(ledger, signedTexts)
  })

  it('never publishes what it did not record as signed', async () => {
    const { ledger } = await observedLedger()
    await ledger.join()
    ledger.catalog.faults = batch => (writes(batch, signedKey) ? 'lost' : null)
    await expect(ledger.newSequencer().tick()).rejects.toThrow('injected')
    expect(ledger.tiles.resources.has('checkpoint')).toBe(false)
  })
})

describe('a sequencer signs nothing more', () => {
  async function atRest() {
    const { ledger, signedTexts } = await observedLedger()
    const tenant = await ledger.join()
    const sequencer = ledger.newSequencer()
    for (let i = 0; i < 10; i++) await ledger.draft(tenant)
    await sequencer.tick()
    const backup = new Map<string, Uint8Array>()
    for (const key of [treeKey, signedKey]) backup.set(toHex(key), (await ledger.catalog.get('meta', key))!)
    for (let i = 0; i < 300; i++) await ledger.draft(tenant)
    await sequencer.tick()
    const count = signedTexts.length
    const stops = async (ledgerNow = ledger) => {
      const error: unknown = await ledgerNow
        .newSequencer()
        .tick()
        .catch((thrown: unknown) => thrown)
      expect(hasCode(error, 'store-damaged') ? 'store-damaged' : error).toBe('store-damaged')
      expect(signedTexts).toHaveLength(count)
      return (error as Error).message
    }
    const restore = (...keys: Uint8Array[]) =>
      ledger.catalog.commit({
        puts: keys.map(key => ({ table: 'meta', key, value: backup.get(toHex(key))! })),
      })
    return { ledger, tenant, stops, restore }
  }

  it('when the catalog came back from a backup, with its record of what was signed', async () => {
    const { ledger, stops, restore } = await atRest()
    await restore(treeKey, signedKey)
    expect(await stops()).toContain('a checkpoint over 311 is published')
    expect(await ledger.fsck()).not.toEqual([])
  })

  it('when the tree went back and the record did not', async () => {
    const { ledger, stops, restore } = await atRest()
    await restore(treeKey)
    expect(await stops()).toContain('has 11 entries and a checkpoint over 311 was signed')
    expect(await ledger.fsck()).not.toEqual([])
  })

  it.each([5, 256, 300])('when entry %i in the catalog was changed and the tiles are gone', async index => {
    const { ledger, stops } = await atRest()
    const value = (await ledger.catalog.get('entries', u64be(index)))!.slice()
    value[50]! ^= 1
    await ledger.catalog.commit({ puts: [{ table: 'entries', key: u64be(index), value }] })
    for (const path of ledger.tiles.resources.keys())
      if (path.startsWith('tile/')) ledger.tiles.resources.delete(path)
    expect(await stops()).toContain('are not those that were signed')
    expect((await ledger.fsck()).join('\n')).toContain(`entry ${index}: the commitment is to another payload`)
  })

  it('when an entry is missing', async () => {
    const { ledger, stops } = await atRest()
    await ledger.catalog.commit({ removes: [{ table: 'entries', key: u64be(280) }] })
    expect(await stops()).toContain('entry 280 is not in the catalog')
    expect((await ledger.fsck()).join('\n')).toContain('entry 280 is not in the catalog')
  })

  it('when the published checkpoint is by another key', async () => {
    const { ledger, stops } = await atRest()
    const other = await createTestLedger()
    await other.newSequencer().tick()
    await ledger.tiles.publish((await other.tiles.read('checkpoint'))!)
    expect(await stops()).toContain('not this log')
    expect((await ledger.fsck())[0]).toContain('published: ')
  })

  it('when a draft would begin a chain with something else than tenant.joined', async () => {
    const { ledger, tenant, stops } = await atRest()
    await ledger.catalog.commit({ removes: [{ table: 'chains', key: Buffer.from(tenant.id) }] })
    await ledger.draft(tenant)
    expect(await stops()).toContain('at number 0')
  })

  it('when another sequencer entered in between', async () => {
    const { ledger, tenant } = await atRest()
    const [one, two] = [ledger.newSequencer(), ledger.newSequencer()]
    await one.tick()
    await two.tick()
    await ledger.draft(tenant)
    await one.tick()
    await ledger.draft(tenant)
    await expect(two.tick()).rejects.toThrow('another sequencer')
    await one.tick()
    expect(await ledger.fsck()).toEqual([])
  })
})

describe('a sequencer makes tiles again', () => {
  it.each([256, 257, 700])('that were lost, from the catalog, at size %i', async size => {
    const { ledger, signedTexts } = await observedLedger()
    const tenant = await ledger.join()
    while ((await ledger.catalog.scan('drafts', { limit: 1000 })).length < size) await ledger.draft(tenant)
    await ledger.newSequencer().tick()
    const before = new Map(ledger.tiles.resources)
    for (const path of ledger.tiles.resources.keys())
      if (path.startsWith('tile/')) ledger.tiles.resources.delete(path)
    await ledger.newSequencer().tick()
    expect(ledger.tiles.resources).toEqual(before)
    expect(await ledger.fsck()).toEqual([])
    await demandNoFork(ledger, signedTexts)
  })

  it('and drops partial ones once they are full', async () => {
    const { ledger } = await observedLedger()
    const tenant = await ledger.join()
    let sequencer = ledger.newSequencer()
    for (let i = 0; i < 600; i += 40) {
      for (let j = 0; j < 40; j++) await ledger.draft(tenant)
      if (i === 240) sequencer = ledger.newSequencer()
      await sequencer.tick()
    }
    const paths = [...ledger.tiles.resources.keys()]
    expect(paths.filter(path => /^tile\/(0|entries)\/00[01]\.p/.test(path))).toEqual([])
    expect(paths.filter(path => /^tile\/0\/002\.p/.test(path)).length).toBeGreaterThan(0)
    expect(await ledger.fsck()).toEqual([])
  })
})

describe('fsck', () => {
  it.each([
    [
      'a changed tile',
      'does not hold the hashes',
      async (ledger: TestLedger) => {
        ledger.tiles.resources.get('tile/0/000')![100]! ^= 1
      },
    ],
    [
      'a lost bundle',
      'tile/entries/001.p/54 is missing',
      async (ledger: TestLedger) => {
        ledger.tiles.resources.delete('tile/entries/001.p/54')
      },
    ],
    [
      'an id that leads nowhere',
      'does not lead to it',
      async (ledger: TestLedger) => {
        const [row] = await ledger.catalog.scan('entryids', { limit: 1 })
        await ledger.catalog.commit({ removes: [{ table: 'entryids', key: row!.key }] })
      },
    ],
    [
      'an id too many',
      'entryids has 311 rows where 310 belong',
      async (ledger: TestLedger) => {
        await ledger.catalog.commit({ puts: [{ table: 'entryids', key: Buffer.from('x'), value: u64be(3) }] })
      },
    ],
    [
      'a chain that lost its last number',
      "the chain's head is not its last entry",
      async (ledger: TestLedger) => {
        const [head] = await ledger.catalog.scan('chains', { limit: 1 })
        const value = head!.value.slice()
        value[7]!--
        await ledger.catalog.commit({ puts: [{ table: 'chains', key: head!.key, value }] })
      },
    ],
    [
      'a draft that is entered already',
      'is entered and is still a draft',
      async (ledger: TestLedger) => {
        const [row] = await ledger.catalog.scan('entryids', { limit: 1 })
        const value = Buffer.from(`1\n${fromUtf8(row!.key)}\nt\nrefusal\n1\n{}`)
        await ledger.catalog.commit({ puts: [{ table: 'drafts', key: u64be(9999), value }] })
      },
    ],
  ])('finds %s', async (_, finding, damage) => {
    const { ledger } = await observedLedger()
    const tenant = await ledger.join()
    for (let i = 1; i < 310; i++) await ledger.draft(tenant)
    await ledger.newSequencer().tick()
    expect(await ledger.fsck()).toEqual([])
    await damage(ledger)
    expect((await ledger.fsck()).join('\n')).toContain(finding)
  })
})

describe('the first checkpoint', () => {
  it('is of the empty tree', async () => {
    const { ledger } = await observedLedger()
    expect(
      await createSequencer({
        ...ledger.stores,
        signer: ledger.signer,
        region,
        randomBytes: n => new Uint8Array(n),
        batchSize: 1,
      }).tick(),
    ).toEqual({ entered: 0, size: 0 })
    expect(await ledger.fsck()).toEqual([])
  })
})
