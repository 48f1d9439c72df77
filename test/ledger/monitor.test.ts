import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import { chainHeadKey, decodeChainHead, encodeChainHead } from '../../src/ledger/tables.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import { rotationText } from '../../src/verify/log-keys.ts'
import { consistencyHolds } from '../../src/verify/merkle.ts'
import { printNote, signatureLine } from '../../src/verify/note.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { parsePolicy, type TlogPolicy } from '../../src/verify/tlog-policy.ts'
import { createTestLedger, crypto, logOfSigner, makeSigner, type TestLedger } from '../support/ledger.ts'
import { createProvider, createTestMonitor, makeLeaf, startMs, strangers } from '../support/monitor.ts'
import { makeCosigner } from '../support/witness.ts'

const minute = 60_000

describe('a monitor of an honest log', () => {
  it('has nothing to say, however the log grows, and reads nothing twice', async () => {
    const provider = createProvider()
    const reads: string[] = []
    const source = {
      ...provider.source,
      read: (path: string) => {
        reads.push(path)
        return provider.source.read(path)
      },
    }
    const monitor = createTestMonitor(provider.vkey, source, { samples: 0 })
    const leaves: Uint8Array[] = []
    for (const more of [0, 1, 1, 253, 1, 1, 300, 212, 256, 2000, 62_500, 255, 256, 700]) {
      leaves.push(...strangers(more))
      provider.show(leaves)
      reads.length = 0
      expect(await monitor.look()).toEqual([])
      expect(monitor.state.accepted.size).toBe(leaves.length)
      const bundles = new Set(reads.filter(path => path.startsWith('tile/entries/')))
      expect(bundles.size).toBeLessThanOrEqual(Math.ceil(more / 256) + 1)
    }
    expect(await monitor.look(undefined, { samples: 20 })).toEqual([])
  })

  it('goes on after a crash anywhere, and where the partial tiles were dropped', async () => {
    const provider = createProvider()
    const leaves = strangers(400)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source)
    expect(await monitor.look()).toEqual([])
    const state = monitor.state
    leaves.push(...strangers(800))
    provider.show(leaves)
    for (const path of provider.resources.keys())
      if (/tile\/(0|entries)\/001\.p/.test(path)) provider.resources.delete(path)
    for (let fail = 0; fail < 12; fail++) {
      monitor.state = state
      let reads = 0
      const failing = {
        name: 'the log',
        read: async (path: string) => {
          if (reads++ === fail) throw new HoldfastError('peer-unavailable', 'cut')
          return provider.source.read(path)
        },
      }
      expect((await monitor.kinds(undefined, { source: failing })).filter(kind => kind === 'fork')).toEqual(
        [],
      )
      expect(await monitor.look()).toEqual([])
      expect(monitor.state.accepted.size).toBe(1200)
    }
  })

  it('comes to the end of a long log over a line that fails again and again', async () => {
    const provider = createProvider()
    provider.show(Array<Uint8Array>(600_000).fill(strangers(1)[0]!))
    const monitor = createTestMonitor(provider.vkey, provider.source, { samples: 0 })
    let reads = 0
    const cut = {
      name: 'the log',
      read: async (path: string) => {
        if (path === 'tile/entries/x002/200') throw new HoldfastError('peer-unavailable', 'cut')
        if (path.startsWith('tile/entries/')) reads++
        return provider.source.read(path)
      },
    }
    await monitor.look(undefined, { source: cut })
    expect(monitor.state.accepted.size).toBe(0)
    reads = 0
    await monitor.look(undefined, { source: cut })
    expect(reads).toBeLessThan(300)
    expect(await monitor.look()).toEqual([])
    expect(monitor.state.accepted.size).toBe(600_000)
  })

  it('was away for a moment is not away for as long as something else is wrong with it', async () => {
    const provider = createProvider()
    const leaves = strangers(600)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source, { samples: 0 })
    const at = startMs + 3600e3
    await monitor.look(at)
    const away = { name: 'away', read: () => Promise.reject(new Error('no route')) }
    await monitor.look(at + minute, { source: away })
    provider.show([...leaves, ...strangers(600)])
    provider.resources.delete('tile/entries/003')
    for (const minutes of [2, 9, 15])
      expect(await monitor.kinds(at + minutes * minute)).not.toContain('log-unreachable')
    expect(monitor.state.unreachableSinceUnixMs).toBeNull()
  })

  it('says when it cannot be reached, and when nothing new comes', async () => {
    const provider = createProvider()
    provider.show(strangers(3))
    const monitor = createTestMonitor(provider.vkey, provider.source)
    const at = startMs + 3600e3
    expect(await monitor.kinds(at)).toEqual([])
    // It never grew while it was watched.
    expect(await monitor.kinds(at + 60 * minute)).toEqual([])
    const grown = strangers(5)
    const other = createProvider(provider.signer)
    const first = strangers(2)
    other.show(first)
    const growing = createTestMonitor(provider.vkey, other.source)
    await growing.look(at)
    other.show([...first, ...grown])
    expect(await growing.kinds(at + minute)).toEqual([])
    expect(await growing.kinds(at + 5 * minute)).toEqual([])
    expect(await growing.kinds(at + 11 * minute)).toEqual(['checkpoint-stale'])
    const away = { name: 'away', read: () => Promise.reject(new Error('no route')) }
    expect(await growing.kinds(at + 12 * minute, { source: away })).toEqual([])
    expect(await growing.kinds(at + 23 * minute, { source: away })).toEqual(['log-unreachable'])
    other.show([...first, ...grown, ...strangers(1)])
    expect(await growing.kinds(at + 24 * minute)).toEqual([])
  })

  it('follows the keys as they are replaced, and no other', async () => {
    const provider = createProvider()
    const leaves = strangers(10)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source)
    await monitor.look()
    const next = createProvider(makeSigner(provider.signer.name))
    const { root } = openCheckpoint(provider.checkpoint(leaves), logOfSigner(provider.signer), crypto) as {
      root: Uint8Array
    }
    const keysWith = (text: string, ...signers: (typeof provider.signer)[]) => {
      const [one, ...more] = signers
      const note =
        printNote(text, one!, crypto) + more.map(each => signatureLine(text, each, crypto)).join('')
      return Buffer.from(
        JSON.stringify({ format: 'holdfast/log-keys/v1', vkey: provider.vkey, rotations: [note] }),
      )
    }
    const text = rotationText(provider.signer.name, next.vkey, 10, root)
    leaves.push(...strangers(3))
    next.show(leaves)
    const kindsWith = (keys: Uint8Array) => {
      next.resources.set('keys', keys)
      return monitor.kinds(undefined, { source: next.source })
    }
    expect(await kindsWith(keysWith(text, next.signer))).toEqual(['keys-refused', 'checkpoint-refused'])
    expect(await kindsWith(keysWith(text, next.signer, provider.signer))).toEqual([])
    expect(monitor.state.accepted.size).toBe(13)
    // A rotation over a tree that nobody saw.
    const forged = createTestMonitor(provider.vkey, next.source)
    const lie = rotationText(provider.signer.name, next.vkey, 10, randomBytes(32))
    next.resources.set('keys', keysWith(lie, next.signer, provider.signer))
    expect(await forged.kinds()).toEqual(['fork'])
  })
})

describe('a monitor finds', () => {
  const chainKey = randomBytes(32)
  const chain = { of: 't/in-mumbai', key: chainKey }
  const own = (...seqs: number[]): Uint8Array[] => seqs.map(seq => makeLeaf(chainKey, seq))

  it('a fork: a second tree of one size, with both notes as evidence', async () => {
    const provider = createProvider()
    const first = provider.show(strangers(300))
    const monitor = createTestMonitor(provider.vkey, provider.source)
    await monitor.look()
    const second = provider.show(strangers(300))
    const [finding, ...more] = await monitor.look(undefined, { samples: 0 })
    expect(more).toEqual([])
    expect(finding).toMatchObject({ kind: 'fork' })
    expect(finding!.evidence!.map(({ text }) => text)).toEqual(expect.arrayContaining([first, second]))
    // It stays with what it saw, and goes on to say so.
    expect(await monitor.kinds(undefined, { samples: 0 })).toEqual(['fork'])
  })

  it('a fork: a larger tree that does not continue, with a proof for others', async () => {
    const provider = createProvider()
    const before = strangers(300)
    provider.show(before)
    const monitor = createTestMonitor(provider.vkey, provider.source)
    await monitor.look()
    const changed = before.with(7, makeLeaf(null, 0))
    const note = provider.show([...changed, ...strangers(500)])
    const findings = await monitor.look(undefined, { samples: 0 })
    const fork = findings.find(({ kind }) => kind === 'fork')!
    const proof = JSON.parse(fork.evidence!.find(({ name }) => name === 'fork-proof')!.text)
    const { size, root } = openCheckpoint(note, logOfSigner(provider.signer), crypto) as {
      size: number
      root: Uint8Array
    }
    const claim = { oldSize: proof.oldSize, newSize: size, newRoot: root }
    const hashes = proof.consistency.map((hash: string) => Buffer.from(hash, 'base64'))
    const holds = (old: string) =>
      consistencyHolds({ ...claim, oldRoot: Buffer.from(old, 'base64'), proof: hashes }, crypto)
    expect([holds(proof.newHas), holds(proof.oldRoot)]).toEqual([true, false])
    expect(monitor.state.accepted.size).toBe(300)
  })

  it('a rollback, and a log that an old backup brought back', async () => {
    const provider = createProvider()
    const leaves = strangers(600)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source)
    await monitor.look()
    provider.show(leaves.slice(0, 400))
    expect(await monitor.kinds(undefined, { samples: 0 })).toEqual(['rollback'])
    provider.show([...leaves.slice(0, 400), ...strangers(300)])
    expect(await monitor.kinds(undefined, { samples: 0 })).toContain('fork')
  })

  it('an entry or a tile that was changed or taken away', async () => {
    const provider = createProvider()
    const leaves = strangers(70_000)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source)
    await monitor.look()
    const random = () => 5.5 / Math.floor(70_000 / 256)
    const kindsWith = async (path: string, change: (bytes: Uint8Array) => Uint8Array | null) => {
      const good = provider.resources.get(path)!
      const bad = change(Uint8Array.from(good))
      if (bad === null) provider.resources.delete(path)
      else provider.resources.set(path, bad)
      const kinds = await monitor.kinds(undefined, { samples: 1, random })
      provider.resources.set(path, good)
      return kinds
    }
    const flip = (bytes: Uint8Array) => bytes.with(100, bytes[100]! ^ 1)
    expect(await kindsWith('tile/entries/005', flip)).toEqual(['entry-changed'])
    expect(await kindsWith('tile/0/005', flip)).toEqual(['tile-changed'])
    expect(await kindsWith('tile/1/000', bytes => bytes.with(5 * 32, bytes[5 * 32]! ^ 1))).toContain(
      'tile-changed',
    )
    expect(await kindsWith('tile/1/000', () => null)).toEqual(['resource-missing'])
    expect(await kindsWith('tile/entries/005', () => null)).toEqual(['resource-missing'])
    expect(await kindsWith('tile/0/005', () => null)).toEqual(['resource-missing'])
    expect(await monitor.kinds(undefined, { samples: 1, random })).toEqual([])
  })

  it('entries and tiles that are not those of the signed tree, when it first reads them', async () => {
    const leaves = strangers(700)
    const provider = createProvider()
    const fresh = () => createTestMonitor(provider.vkey, provider.source, { samples: 0 })
    const kindsWith = async (path: string, change: (bytes: Uint8Array) => Uint8Array | null) => {
      provider.show(leaves)
      const bad = change(Uint8Array.from(provider.resources.get(path)!))
      if (bad === null) provider.resources.delete(path)
      else provider.resources.set(path, bad)
      return [...new Set(await fresh().kinds())]
    }
    const flip = (bytes: Uint8Array) => bytes.with(50, bytes[50]! ^ 1)
    expect(await kindsWith('tile/entries/001', flip)).toEqual(['tile-changed', 'entry-changed'])
    expect(await kindsWith('tile/entries/002.p/188', flip)).toContain('entry-changed')
    expect(await kindsWith('tile/0/001', flip)).toEqual(['tile-changed'])
    expect(await kindsWith('tile/1/000.p/2', flip)).toEqual(['tile-changed'])
    expect(await kindsWith('tile/0/002.p/188', bytes => bytes.subarray(0, 100))).toEqual(['tile-changed'])
    expect(await kindsWith('tile/1/000.p/2', () => null)).toEqual(['resource-missing'])
    expect(await kindsWith('tile/entries/001', () => null)).toEqual(['resource-missing'])
    expect(await kindsWith('tile/entries/001', bytes => bytes.subarray(0, 1000))).toEqual(['entry-changed'])
    provider.show([...strangers(3), randomBytes(40), makeLeaf(null, 0).with(0, 2)])
    expect(await fresh().kinds()).toEqual(['leaf-form', 'leaf-form'])
  })

  it.each([
    ['in order', [0, 1, 2, 3, 4], []],
    ['a duplicate', [0, 1, 2, 1, 3], ['label-duplicated']],
    ['the last one twice', [0, 1, 2, 2], ['label-duplicated']],
    ['a gap', [0, 1, 3, 4], ['label-missing']],
    ['a long gap', [0, 1, 900], ['label-missing']],
    ['two swapped', [0, 2, 1, 3], ['label-missing', 'label-missing']],
    ['none at the start', [1, 2], ['label-missing']],
  ])('labels: %s', async (_, seqs, kinds) => {
    const provider = createProvider()
    const monitor = createTestMonitor(provider.vkey, provider.source, { chain })
    const leaves = [...strangers(5), ...own(...seqs), ...strangers(5)]
    for (const size of [3, 8, leaves.length]) {
      provider.show(leaves.slice(0, size))
      if (size < leaves.length) await monitor.look()
    }
    const all = createTestMonitor(provider.vkey, provider.source, { chain })
    expect(await all.kinds()).toEqual(kinds)
    expect(all.state.accepted.chain!.next).toBe(Math.max(...seqs) + 1)
    // In pieces it comes to the same.
    await monitor.look()
    expect(monitor.state.accepted.chain).toEqual(all.state.accepted.chain)
    // Who comes with the chain key later has the log read again.
    const late = createTestMonitor(provider.vkey, provider.source)
    await late.look()
    expect(await late.kinds(undefined, { chain })).toEqual(kinds)
    expect(late.state.accepted).toEqual(all.state.accepted)
  })

  it('times that were turned back, and times ahead', async () => {
    const provider = createProvider()
    const witness = makeCosigner('witness.example/w')
    const policy = policyOf(provider.vkey, witness.vkey)
    const now = startMs + 3600e3
    const leaves = strangers(3)
    provider.show(leaves, [[witness, now / 1000]])
    const monitor = createTestMonitor(provider.vkey, provider.source, { policy })
    expect(await monitor.kinds(now)).toEqual([])
    leaves.push(...strangers(1, now - 5 * minute))
    provider.show(leaves, [[witness, now / 1000 + 1]])
    expect(await monitor.kinds(now + minute)).toEqual([])
    // Drafted half an hour before a tree that did not hold it, by a witness's clock.
    leaves.push(...strangers(1, now - 30 * minute))
    provider.show(leaves, [[witness, now / 1000 + 2]])
    expect(await monitor.kinds(now + minute)).toEqual(['time-turned-back'])
    leaves.push(...strangers(1, now + 30 * minute))
    provider.show(leaves, [[witness, now / 1000 + 3]])
    expect(await monitor.kinds(now + minute)).toEqual(['time-ahead'])

    // Without witnesses, against the leaves before.
    const plain = createProvider()
    plain.show([...strangers(2, now), ...strangers(1, now - 11 * minute)])
    expect(await createTestMonitor(plain.vkey, plain.source).kinds(now)).toEqual(['time-turned-back'])
  })

  it('witnesses that are missing, or whose time cannot be', async () => {
    const provider = createProvider()
    const witness = makeCosigner('witness.example/w')
    const policy = policyOf(provider.vkey, witness.vkey)
    const now = startMs + 3600e3
    const leaves = strangers(3)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source, { policy })
    expect(await monitor.kinds(now)).toEqual([])
    expect(await monitor.kinds(now + 11 * minute)).toEqual(['witness-missing'])
    provider.show(leaves, [[witness, now / 1000]])
    expect(await monitor.kinds(now + 12 * minute)).toEqual([])
    leaves.push(...strangers(1, now))
    provider.show(leaves, [[witness, now / 1000 + 7200]])
    expect(await monitor.kinds(now + 13 * minute)).toEqual(['cosignature-refused'])
    leaves.push(...strangers(1, now))
    provider.show(leaves, [[witness, now / 1000 - 60]])
    expect(await monitor.kinds(now + 14 * minute)).toEqual(['cosignature-refused'])
    // The provider's own counts for nothing.
    const kept = makeCosigner('log.example/witness')
    const ownPolicy = policyOf(provider.vkey, kept.vkey)
    provider.show(leaves, [[kept, now / 1000]])
    const other = createTestMonitor(provider.vkey, provider.source, { policy: ownPolicy })
    await other.look(now)
    const [missing] = await other.look(now + 11 * minute)
    expect(missing).toMatchObject({ kind: 'witness-missing', what: expect.stringContaining('one operator') })
  })

  it('nothing wrong with a busy log, whose witnesses answer for a tree that is no longer the newest', async () => {
    const provider = createProvider()
    const witness = makeCosigner('witness.example/w')
    const policy = policyOf(provider.vkey, witness.vkey)
    const now = startMs + 3600e3
    const leaves = strangers(3)
    const monitor = createTestMonitor(provider.vkey, provider.source, { policy })
    const cosign = (size: number, minutes: number, history = leaves): void => {
      const note = provider.checkpoint(history.slice(0, size), [[witness, now / 1000 + minutes * 60]])
      provider.resources.set('witnessed', Buffer.from(note))
    }
    for (let minutes = 0; minutes < 30; minutes += 5) {
      leaves.push(...strangers(2, now + minutes * minute))
      cosign(leaves.length - 1, minutes)
      provider.show(leaves)
      expect(await monitor.kinds(now + minutes * minute)).toEqual([])
    }
    expect(monitor.state.witnessedUnixMs).toBe(now + 25 * minute)
    // The witness has gone: what it said last is there for ever, and says nothing of the trees since.
    for (let minutes = 30; minutes < 46; minutes += 5) {
      leaves.push(...strangers(2, now + minutes * minute))
      provider.show(leaves)
      expect(await monitor.kinds(now + minutes * minute)).toEqual([])
    }
    leaves.push(...strangers(2, now + 50 * minute))
    provider.show(leaves)
    const [missing, ...others] = await monitor.look(now + 50 * minute)
    expect(others).toEqual([])
    expect(missing).toMatchObject({
      kind: 'witness-missing',
      what: expect.stringContaining('the last one was for 14 entries'),
    })
  })

  it('another tree that witnesses were shown', async () => {
    const provider = createProvider()
    const witness = makeCosigner('witness.example/w')
    const policy = policyOf(provider.vkey, witness.vkey)
    const now = startMs + 3600e3
    const leaves = strangers(9)
    provider.show(leaves)
    const other = provider.checkpoint([...leaves.slice(0, 6), ...strangers(1)], [[witness, now / 1000]])
    provider.resources.set('witnessed', Buffer.from(other))
    const monitor = createTestMonitor(provider.vkey, provider.source, { policy })
    const [fork, ...more] = await monitor.look(now)
    expect(more).toEqual([])
    expect(fork).toMatchObject({ kind: 'fork', what: expect.stringContaining('another tree of 7 entries') })
    expect(fork!.evidence?.map(({ name }) => name)).toEqual(['checkpoint-7', 'checkpoint-9', 'fork-proof'])
    provider.resources.set('witnessed', Buffer.from('no note\n'))
    expect(await monitor.kinds(now)).toEqual(['checkpoint-refused'])
    provider.resources.set('witnessed', Buffer.from(createProvider().checkpoint(leaves)))
    expect(await monitor.kinds(now)).toEqual(['checkpoint-refused'])
  })

  it('a log that stands still, whatever lines somebody puts on its note', async () => {
    const provider = createProvider()
    const witness = makeCosigner('witness.example/w')
    const policy = policyOf(provider.vkey, witness.vkey)
    const now = startMs + 3600e3
    const leaves = strangers(3)
    const monitor = createTestMonitor(provider.vkey, provider.source, { policy })
    const at = (minutes: number): number => now / 1000 + minutes * 60
    provider.show(leaves, [[witness, at(0)]])
    expect(await monitor.kinds(now)).toEqual([])
    leaves.push(...strangers(1, now))
    provider.show(leaves, [[witness, at(1)]])
    expect(await monitor.kinds(now + minute)).toEqual([])
    // The witness has seen it again; that is as good as new.
    provider.show(leaves, [[witness, at(9)]])
    expect(await monitor.kinds(now + 9 * minute)).toEqual([])
    provider.show(leaves, [[witness, at(15)]])
    expect(await monitor.kinds(now + 15 * minute)).toEqual([])
    for (let minutes = 16; minutes < 25; minutes++) {
      const old = minutes % 2 === 0 ? at(9) : at(15)
      provider.show(leaves, [
        [witness, old],
        [makeCosigner('stranger.example/s'), at(minutes)],
      ])
      expect(await monitor.kinds(now + minutes * minute)).toEqual([])
    }
    expect(await monitor.kinds(now + 26 * minute)).toEqual(['checkpoint-stale'])
  })

  it('a log that stays behind what a busy place shows, in however short a time', async () => {
    const provider = createProvider()
    const leaves = strangers(1)
    provider.show(leaves)
    const monitor = createTestMonitor(provider.vkey, provider.source, { samples: 0 })
    const now = startMs + 3600e3
    const kinds = new Set<string>()
    for (let look = 0; look < 130; look++) {
      leaves.push(...strangers(1))
      const note = provider.checkpoint(leaves)
      const peers = [{ name: 'friend', read: async () => note }]
      for (const kind of await monitor.kinds(now + look * 5000, { peers })) kinds.add(kind)
    }
    expect(monitor.state.ahead).toHaveLength(64)
    expect([...kinds]).toEqual(['rollback'])
  })

  it('another place that shows another tree, or a larger one', async () => {
    const provider = createProvider()
    const leaves = strangers(700)
    provider.show(leaves)
    const shadow = createProvider(provider.signer)
    const peer = (note: string) => ({ peers: [{ name: 'friend', read: async () => note }], samples: 0 })
    const monitor = createTestMonitor(provider.vkey, provider.source)
    for (const size of [0, 1, 255, 256, 511, 513, 699, 700])
      expect(await monitor.kinds(undefined, peer(provider.checkpoint(leaves.slice(0, size))))).toEqual([])
    for (const size of [1, 256, 300, 700]) {
      const [finding] = await monitor.look(undefined, peer(shadow.checkpoint(strangers(size))))
      expect(finding).toMatchObject({ kind: 'fork', what: expect.stringContaining(`${size} entries`) })
    }
    const other = createProvider(makeSigner(provider.signer.name))
    expect(await monitor.kinds(undefined, peer(other.checkpoint(leaves)))).toEqual(['peer-refused'])
    // One that is ahead: the log must come to it.
    const now = startMs + 3600e3
    const more = [...leaves, ...strangers(9)]
    const ahead = provider.checkpoint(more)
    expect(await monitor.kinds(now, peer(ahead))).toEqual([])
    expect(await monitor.kinds(now + 11 * minute)).toEqual(['rollback'])
    provider.show([...leaves, ...strangers(20)])
    expect(await monitor.kinds(now + 12 * minute, { samples: 0 })).toEqual(['fork'])
    expect(monitor.state.ahead).toEqual([])
  })

  it('a statement that does not name all', async () => {
    const ledger = await createTestLedger()
    const alice = await ledger.join()
    const bob = await ledger.join()
    const sequencer = ledger.newSequencer()
    const source = { name: 'the log', read: ledger.tiles.read }
    const vkey = createProvider(ledger.signer).vkey
    const key = { chain: { of: 'a', key: alice.chainKey }, samples: 0 }
    const monitor = createTestMonitor(vkey, source, key)
    const states = async (name: string, bytes: Uint8Array) => {
      const facts = verifyStatement(bytes, alice.trust, crypto)
      if (!facts.verified) throw new Error(facts.failures.join())
      return { statements: [{ name, facts }] }
    }
    const fill = async (ledgerOf: TestLedger, count: number) => {
      for (let i = 0; i < count; i++) await ledgerOf.draft(i % 3 === 0 ? bob : alice)
      await sequencer.tick()
    }
    await fill(ledger, 30)
    const early = await states('early', await ledger.statement(alice))
    expect(await monitor.kinds(undefined, early)).toEqual([])
    await fill(ledger, 30)
    const middle = await states('middle', await ledger.statement(alice))
    await fill(ledger, 30)
    expect(await monitor.kinds(undefined, middle)).toEqual([])
    expect(await monitor.kinds(undefined, early)).toEqual([])
    // From a copy that shows the last tree alone, and from the beginning.
    const read: string[] = []
    const last = String(monitor.state.accepted.size)
    const copy = {
      name: 'a copy',
      read: async (path: string) => {
        read.push(path)
        const width = /\.p\/(\d+)$/.exec(path)?.[1] ?? last
        return width === last ? ledger.tiles.read(path) : null
      },
    }
    const held = { chain: null, size: 0, counted: new Map<string, number>() }
    const late = createTestMonitor(vkey, copy, { ...key, held })
    expect(await late.kinds(undefined, middle)).toEqual([])
    // What was counted once need not be counted again.
    read.length = 0
    expect(await late.kinds(undefined, middle)).toEqual([])
    expect(read).toEqual(['checkpoint'])
    // The region says that there are fewer than the tree holds, and signs it.
    const key0 = chainHeadKey(alice.id)
    const { count, prev } = decodeChainHead((await ledger.catalog.get('chains', key0))!)
    const value = encodeChainHead({ count: count - 3, prev })
    await ledger.catalog.commit({ puts: [{ table: 'chains', key: key0, value }] })
    const cut = await states('cut', await ledger.statement(alice))
    const [finding] = await monitor.look(undefined, cut)
    expect(finding).toMatchObject({
      kind: 'statement-cut',
      what: expect.stringContaining('cut: the statement says'),
    })
  })
})

function policyOf(log: string, witness: string): TlogPolicy {
  const policy = parsePolicy(Buffer.from(`log ${log}\nwitness w ${witness}\nquorum w\n`), crypto)
  if (typeof policy === 'string') throw new Error(policy)
  return policy
}
