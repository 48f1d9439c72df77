import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inOrder } from '../../src/cli/monitor/in-order.ts'
import { LabelChain } from '../../src/cli/monitor/label-chain.ts'
import { openLogSource } from '../../src/cli/monitor/log-source.ts'
import { builderAt, parseBundle, positionOf } from '../../src/cli/monitor/monitor-state.ts'
import { publishedCheckpoint } from '../../src/cli/published-checkpoint.ts'
import { emptyEdge, TileBuilder } from '../../src/ledger/tile-builder.ts'
import { labelOf } from '../../src/verify/leaf.ts'
import { crypto } from '../support/ledger.ts'
import { createProvider, createTestMonitor, makeLeaf, strangers } from '../support/monitor.ts'

describe('a monitor', () => {
  it('takes no log for good in which one bit is another, and fails at nothing that it is served', async () => {
    const chainKey = randomBytes(32)
    const leaves = [...strangers(300), ...[0, 1, 2].map(seq => makeLeaf(chainKey, seq)), ...strangers(300)]
    const provider = createProvider()
    provider.show(leaves)
    const paths = [...provider.resources.keys()]
    const deps = { chain: { of: 't', key: chainKey }, samples: 0 }
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.nat(7), async (which, where, bit) => {
        const path = paths[which % paths.length]!
        const good = provider.resources.get(path)!
        const bad = Uint8Array.from(good)
        bad[where % bad.length]! ^= 1 << bit
        provider.resources.set(path, bad)
        const kinds = await createTestMonitor(provider.vkey, provider.source, deps).kinds()
        provider.resources.set(path, good)
        expect(kinds.length, path).toBeGreaterThan(0)
        expect(kinds, path).not.toContain('log-unreachable')
      }),
      { numRuns: 300 },
    )
  })

  it('fails at nothing that a log serves in place of anything, signed or not', async () => {
    const provider = createProvider()
    const leaves = strangers(300)
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.uint8Array({ maxLength: 300 }), async (which, junk) => {
        provider.show(leaves)
        const paths = [...provider.resources.keys(), 'keys']
        provider.resources.set(paths[which % paths.length]!, junk)
        const kinds = await createTestMonitor(provider.vkey, provider.source).kinds()
        provider.resources.delete('keys')
        expect(kinds.length).toBeGreaterThan(0)
        expect(kinds).not.toContain('log-unreachable')
      }),
      { numRuns: 100 },
    )
  })

  it('goes on from its position as if it had never stopped', () => {
    const leaves = strangers(70_000)
    const whole = new TileBuilder(crypto, emptyEdge)
    for (const [at, leaf] of leaves.entries()) {
      whole.append(leaf)
      whole.takeFull()
      whole.takeOutgrown()
      if (![0, 1, 254, 255, 256, 511, 65_534, 65_535, 65_536, 69_999].includes(at)) continue
      const position = positionOf(whole, { leafTimeUnixMs: 0, chain: null })
      const again = builderAt(JSON.parse(JSON.stringify(position)))
      expect(again.size).toBe(at + 1)
      expect(again.root()).toEqual(whole.root())
      again.append(leaf)
      const further = new TileBuilder(crypto, whole.edge())
      further.append(leaf)
      expect(again.root()).toEqual(further.root())
      expect(() => builderAt({ ...position, size: at + 2 })).toThrow('not of one tree')
    }
  })

  it('knows each label again, however many there are', () => {
    const key = randomBytes(32)
    const count = 20_000
    const chain = new LabelChain(key, crypto)
    for (let seq = 0; seq < count; seq++) expect(chain.see(labelOf(key, seq, crypto), seq)).toBeNull()
    const again = new LabelChain(key, crypto, chain.state())
    for (const seq of [0, 1, 777, count - 1])
      for (const each of [chain, again])
        expect(each.see(labelOf(key, seq, crypto), count)).toMatchObject({ kind: 'label-duplicated' })
    for (let stranger = 0; stranger < 5000; stranger++) expect(chain.see(randomBytes(32), 0)).toBeNull()
    expect(again.see(labelOf(key, count, crypto), count + 1)).toBeNull()
    expect(again.next).toBe(count + 1)
  })

  it('takes results in order, a few at a time, and hears of a failure in its turn', async () => {
    let running = 0
    let most = 0
    const job = async (item: number) => {
      most = Math.max(most, ++running)
      await new Promise(resolve => setTimeout(resolve, (item * 7) % 5))
      running--
      if (item === 30) throw new Error('thirty')
      return item * 2
    }
    const seen: number[] = []
    const all = (async () => {
      for await (const [item, result] of inOrder(Array(40).keys(), 4, job)) seen.push(result - item)
    })()
    await expect(all).rejects.toThrow('thirty')
    expect(seen).toEqual([...Array(30).keys()])
    expect(most).toBe(4)
  })

  it('takes bundles apart, and only whole ones', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), entries => {
        const bytes = Buffer.concat(
          entries.flatMap(each => [Buffer.of(each.length >> 8, each.length & 255), each]),
        )
        expect(parseBundle(bytes)?.map(each => Buffer.from(each))).toEqual(
          entries.map(each => Buffer.from(each)),
        )
        if (bytes.length > 0 && entries.at(-1)!.length > 0)
          expect(parseBundle(bytes.subarray(0, -1))).toBeNull()
      }),
    )
  })

  it('reads no more from a place than can be meant, however much it sends', async () => {
    let sent = 0
    const server = createServer((_request, response) => {
      const more = (): void => {
        if (response.destroyed) return
        sent += 1 << 16
        response.write(Buffer.alloc(1 << 16, 'x'), more)
      }
      more()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`
    await expect(publishedCheckpoint(url)).rejects.toThrow(/checkpoint is longer than 1048576 bytes/)
    await expect(openLogSource(url).read('tile/0/000')).rejects.toThrow(/longer than/)
    expect(sent).toBeLessThan(64 << 20)
    server.close()
    server.closeAllConnections()
  })
})
