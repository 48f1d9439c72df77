/** Cosignatures on their way into the books: what a crash or a fault leaves, and what may never change. */

import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromUtf8 } from '../../src/core/bytes.ts'
import { openLawfulTime } from '../../src/ledger/lawful-time.ts'
import { chooseCheckpoint, readPublished } from '../../src/ledger/published-log.ts'
import { createSequencer } from '../../src/ledger/sequencer.ts'
import { witnessedKey } from '../../src/ledger/tables.ts'
import { createWitnessInbox } from '../../src/ledger/witness-inbox.ts'
import { decodeWitnessed } from '../../src/ledger/witnessed.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import { printCosignature } from '../../src/verify/cosignature.ts'
import { parseNote } from '../../src/verify/note.ts'
import { createTestLedger, crypto, region } from '../support/ledger.ts'
import { makeCosigner } from '../support/witness.ts'

const now = Date.UTC(2026, 0, 2)
const seconds = now / 1000

async function setUp() {
  const ledger = await createTestLedger()
  const { catalog, tiles, signer, stores } = ledger
  const { log } = stores
  const witnesses = ['x.example/w', 'y.example/w', 'z.example/w'].map(makeCosigner)
  const published = async () => (await readPublished(tiles, log, crypto))!
  const start = () => {
    const inbox = createWitnessInbox({ catalog, tiles, log, witnesses, crypto, clock: () => now })
    const deps = { catalog, tiles, region, signer, log, crypto, randomBytes, batchSize: 1000, inbox }
    return { inbox, sequencer: createSequencer(deps) }
  }
  const cosign = (note: string, at: number, time = seconds) =>
    note + printCosignature(parseNote(note)!.text, time, witnesses[at]!)
  const names = (note: string) =>
    witnesses.filter(({ name }) => note.includes(`\u2014 ${name} `)).map(({ name }) => name[0])
  const kept = async () => decodeWitnessed(await catalog.get('meta', witnessedKey)).map(names)
  return { ...ledger, log, witnesses, published, start, cosign, names, kept }
}

describe('what witnesses have cosigned', () => {
  it('is merged on one tree, one line a witness and the newest, behind the log’s own', async () => {
    const { join, start, published, cosign, names } = await setUp()
    const { inbox, sequencer } = start()
    await join()
    await sequencer.tick()
    const { note } = await published()
    inbox.add(cosign(note, 0, seconds - 100))
    await sequencer.tick()
    inbox.add(cosign(note, 1, seconds - 50))
    inbox.add(cosign(note, 0, seconds - 10))
    inbox.add(cosign(note, 0, seconds - 200))
    expect((await sequencer.tick()).witnessed).toMatchObject({ timeUnixS: seconds - 10, refused: [] })
    const after = (await published()).note
    expect(after.startsWith(note)).toBe(true)
    expect(names(after)).toEqual(['x', 'y'])
    expect(after.split('\n\n')[1]!.trimEnd().split('\n')).toHaveLength(3)
  })

  it('is there for readers though the log grows with each tick, the one by most witnesses', async () => {
    const { tiles, log, join, draft, start, published, cosign, names } = await setUp()
    const { inbox, sequencer } = start()
    const witnessed = async () => {
      const bytes = await tiles.read('witnessed')
      return bytes === null ? null : names(fromUtf8(bytes))
    }
    const tenant = await join()
    await sequencer.tick()
    expect(await witnessed()).toBeNull()
    for (let round = 0; round < 3; round++) {
      const { note } = await published()
      // By the time that they have answered there is another tree.
      await draft(tenant)
      inbox.add(cosign(note, 0))
      inbox.add(cosign(note, 1))
      await sequencer.tick()
      expect(names((await published()).note)).toEqual([])
      expect(await witnessed()).toEqual(['x', 'y'])
      const shown = openCheckpoint(fromUtf8((await tiles.read('witnessed'))!), log, crypto)
      expect(shown).toMatchObject({ size: Number(note.split('\n')[1]) })
    }
    // A newer one by fewer takes nothing from it.
    inbox.add(cosign((await published()).note, 2))
    await sequencer.tick()
    expect(await witnessed()).toEqual(['x', 'y'])
  })

  it('of a slow witness is not lost behind a quick one, and receipts take the one by most', async () => {
    const { catalog, tiles, log, join, draft, start, published, cosign, kept, names } = await setUp()
    const { inbox, sequencer } = start()
    const tenant = await join()
    const notes: string[] = []
    for (let i = 0; i < 4; i++) {
      await draft(tenant)
      await sequencer.tick()
      notes.push((await published()).note)
    }
    inbox.add(cosign(notes[0]!, 0))
    inbox.add(cosign(cosign(notes[1]!, 0), 1))
    inbox.add(cosign(notes[2]!, 0))
    await sequencer.tick()
    expect(await kept()).toEqual([['x'], ['x', 'y']])
    const choose = async (lastIndex: number, isWitnessed = false) => {
      const chosen = await chooseCheckpoint({ catalog, tiles, log, crypto }, { lastIndex, isWitnessed })
      return chosen === null ? null : [chosen.size, names(chosen.note).join('')]
    }
    expect(await choose(0)).toEqual([3, 'xy'])
    expect(await choose(3)).toEqual([4, 'x'])
    expect(await choose(4)).toEqual([5, ''])
    expect(await choose(4, true)).toBeNull()
    inbox.add(cosign(notes[3]!, 1))
    inbox.add(cosign(notes[3]!, 0))
    await sequencer.tick()
    expect(await kept()).toEqual([['x', 'y']])
  })

  it('that is false, of the future, of a stranger or of another log is refused, and nothing changes', async () => {
    const { join, start, published, cosign, kept } = await setUp()
    const { inbox, sequencer } = start()
    await join()
    await sequencer.tick()
    const { note } = await published()
    const other = await setUp()
    await other.join()
    await other.start().sequencer.tick()
    inbox.add(
      note +
        printCosignature(
          parseNote(note)!.text.replace('\n1\n', '\n2\n'),
          seconds,
          makeCosigner('x.example/w'),
        ),
    )
    inbox.add(cosign(note, 0, seconds + 1000))
    inbox.add(note + printCosignature(parseNote(note)!.text, seconds, makeCosigner('stranger.example')))
    inbox.add(cosign((await other.published()).note, 0))
    inbox.add('nothing')
    const { witnessed } = await sequencer.tick()
    expect(witnessed!.refused.length).toBeGreaterThanOrEqual(3)
    expect(await kept()).toEqual([])
    expect((await published()).note).toBe(note)
  })

  it('survives a crash at each step, and the tree stays what it was', async () => {
    for (const fault of ['commit', 'publish'] as const) {
      for (const persisted of [false, true]) {
        const set = await setUp()
        const { inbox, sequencer } = set.start()
        await set.join()
        await sequencer.tick()
        const before = await set.published()
        const target = fault === 'commit' ? set.catalog : set.tiles
        const original = target[fault as never] as (...args: unknown[]) => Promise<unknown>
        const broken = async (...args: unknown[]): Promise<unknown> => {
          if (persisted) await original.apply(target, args)
          Object.assign(target, { [fault]: original })
          throw new Error('power cut')
        }
        Object.assign(target, { [fault]: broken })
        inbox.add(set.cosign(before.note, 0))
        await expect(sequencer.tick()).rejects.toThrow('power cut')
        // Another process takes up where this one was.
        const next = set.start()
        await next.sequencer.tick()
        const after = await set.published()
        expect([after.size, Buffer.from(after.root)]).toEqual([before.size, Buffer.from(before.root)])
        next.inbox.add(set.cosign(before.note, 1))
        await next.sequencer.tick()
        const isKept = fault === 'publish' || persisted
        expect(await set.kept()).toEqual([isKept ? ['x', 'y'] : ['y']])
        expect(set.names((await set.published()).note)).toEqual(isKept ? ['x', 'y'] : ['y'])
        expect(await set.fsck()).toEqual([])
      }
    }
  })

  it('halts for good when it is told to, and signs nothing from then on', async () => {
    const { join, draft, start, published, catalog } = await setUp()
    const { inbox, sequencer } = start()
    const tenant = await join()
    await sequencer.tick()
    const { note } = await published()
    inbox.halt('a witness has seen more')
    await draft(tenant)
    await expect(sequencer.tick()).rejects.toThrow('signs nothing more: a witness has seen more')
    await expect(sequencer.tick()).rejects.toThrow('a witness has seen more')
    await expect(start().sequencer.tick()).rejects.toThrow('a witness has seen more')
    expect((await published()).note).toBe(note)
    expect(fromUtf8((await catalog.get('meta', Buffer.from('ledger/stopped')))!)).toBe(
      'a witness has seen more',
    )
  })

  it('says what time it is, though the region’s clock was turned back', async () => {
    const { catalog, log, witnesses, join, start, published, cosign } = await setUp()
    const { inbox, sequencer } = start()
    await join()
    await sequencer.tick()
    inbox.add(cosign((await published()).note, 0, seconds - 7))
    await sequencer.tick()
    let clock = now - 86_400_000
    const time = await openLawfulTime(catalog, { log, witnesses, crypto }, () => clock)
    expect(time.now()).toBe(now - 7000)
    time.witnessed(seconds)
    time.witnessed(seconds - 100)
    expect(time.now()).toBe(now)
    clock = now + 5
    expect(time.now()).toBe(now + 5)
  })
})
