/** Our logs in the hands of software that others wrote: Go's `x/mod/sumdb` and transparency-dev's `merkle`. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { createFileTileStore } from '../../src/ledger/file-tile-store.ts'
import { emptyEdge, TileBuilder } from '../../src/ledger/tile-builder.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { printNote } from '../../src/verify/note.ts'
import { parseReceipt } from '../../src/verify/receipt-format.ts'
import { tilePath, tileWidth, tileWidthAt } from '../../src/verify/tile-path.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { run } from '../support/child.ts'
import { buildGoChecker } from '../support/go-checker.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { crypto, makeSigner } from '../support/ledger.ts'

const built = buildGoChecker()
const suite = 'path' in built ? describe : describe.skip
const checker = 'path' in built ? built.path : ''
const title = 'path' in built ? 'Go reads a log' : `${built.missing}: Go reads a log`

suite(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-go-logs-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const signer = makeSigner()
  const vkey = printVerifierKey(signer.name, signer.publicKey, crypto)

  /** A log over `size` leaves, in a folder, as a region writes it. `later`: the tiles are those of a larger tree. */
  const makeLog = async (name: string, size: number, later = size): Promise<string> => {
    const path = join(folder, name)
    const builder = new TileBuilder(crypto, emptyEdge)
    const put = (resources: readonly { path: string; bytes: Uint8Array }[]): void => {
      for (const { path: resource, bytes } of resources) {
        const file = join(path, resource)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, bytes)
      }
    }
    mkdirSync(path, { recursive: true })
    for (let at = 0; at <= later; at++) {
      if (at === size) {
        const text = printCheckpoint({ origin: signer.name, size, root: builder.root() })
        writeFileSync(join(path, 'checkpoint'), printNote(text, signer, crypto))
      }
      if (at < later) builder.append(randomBytes(73))
      put(builder.takeFull())
    }
    put(builder.takePartials())
    return path
  }
  const check = (path: string, ...args: string[]) => run(checker, ['log', ...args, path, vkey])

  it.each([0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 1000])(
    'of %i entries, with every proof',
    async size => {
      const outcome = await check(await makeLog(`every-${size}`, size), '-every')
      expect(outcome).toMatchObject({ code: 0, stdout: `ok size ${size} proofs ${size}\n` })
    },
  )

  it.each([65_535, 65_536, 65_537, 66_000 + (randomBytes(2).readUInt16BE() >> 2)])(
    'of %i entries, on three levels of tiles',
    async size => {
      const outcome = await check(await makeLog(`deep-${size}`, size))
      expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining(`ok size ${size}`) })
    },
  )

  it.each([1, 200, 257, 300, 1025])('of %i entries, whose partial tiles were dropped', async size => {
    const path = await makeLog(`grown-${size}`, size, Math.ceil((size + 1) / 256) * 256)
    // Only the first level has grown full: the levels above still have their partial tile.
    for (let level = 1; size >= tileWidth ** level; level++) {
      const width = tileWidthAt(level, 0, size)
      const later = tileWidthAt(level, 0, Math.ceil((size + 1) / 256) * 256)
      const bytes = readFileSync(join(path, tilePath(level, 0, later))).subarray(0, width * 32)
      writeFileSync(join(path, tilePath(level, 0, width)), bytes)
    }
    expect(await check(path, '-every')).toMatchObject({ code: 0, stdout: `ok size ${size} proofs ${size}\n` })
  })

  it('and refuses it with any bit changed, a tile missing, or another key', async () => {
    const path = await makeLog('changed', 600)
    const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
      .map(name => join(path, name))
      .filter(name => statSync(name).isFile())
    expect(files.length).toBeGreaterThan(6)
    for (const file of files) {
      const good = readFileSync(file)
      for (const at of [0, good.length - 2, ...randomBytes(3).map(byte => (byte * good.length) >> 8)]) {
        const bad = Buffer.from(good)
        bad[at]! ^= 1 << (at & 7)
        writeFileSync(file, bad)
        expect((await check(path)).code, `${file} at ${at}`).toBe(1)
      }
      rmSync(file)
      expect((await check(path)).code, `${file} missing`).toBe(1)
      writeFileSync(file, good)
    }
    expect((await check(path)).code).toBe(0)
    const other = makeSigner(signer.name)
    const stranger = printVerifierKey(other.name, other.publicKey, crypto)
    expect(await run(checker, ['log', path, stranger])).toMatchObject({ code: 1 })
  })

  describe('of a region', () => {
    let holdfast: Holdfast
    let prefix = ''
    beforeAll(async () => {
      holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
      prefix = `${holdfast.credentials.api}/log/in-mumbai`
      await holdfast.s3.makeBucket('papers')
      await Promise.all(Array.from({ length: 30 }, (_, i) => holdfast.s3.put(`/papers/${i}`, `paper ${i}`)))
    })
    afterAll(() => holdfast?.[Symbol.asyncDispose]())
    const vkeyNow = async (): Promise<string> => (await (await fetch(`${prefix}/vkey`)).text()).trim()

    it('over HTTP, in a mirror’s folder, with a receipt, and after its key was replaced', async () => {
      const first = await vkeyNow()
      const mirror = join(holdfast.folder, 'mirror')
      const put = await holdfast.s3.put('/papers/last', 'last')
      const receipt = join(holdfast.folder, 'r.txt')
      expect(
        (await holdfast.cli('receipt', put.headers['x-holdfast-entry'] as string, '-o', receipt)).code,
      ).toBe(0)
      expect((await holdfast.cli('log', 'copy', '--region', 'in-mumbai', '--to', mirror)).code).toBe(0)
      for (const log of [prefix, mirror]) {
        const outcome = await run(checker, ['log', '-every', log, first])
        expect(outcome, log).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok size \d\d/) })
      }

      const parsed = parseReceipt(readFileSync(receipt, 'utf8'))
      if (typeof parsed === 'string') throw new Error(parsed)
      const tiles = createFileTileStore(mirror)
      const size = Number(parsed.checkpoint.split('\n')[1])
      const bundle = (await tiles.read(tilePath('entries', 0, size)))!
      writeFileSync(`${receipt}.leaf`, bundle.subarray(75 * parsed.index + 2, 75 * (parsed.index + 1)))
      expect(await run(checker, ['receipt', receipt, first])).toMatchObject({ code: 0 })
      const moved = readFileSync(receipt, 'utf8').replace(
        `index ${parsed.index}`,
        `index ${parsed.index - 1}`,
      )
      writeFileSync(receipt, utf8(moved))
      expect(await run(checker, ['receipt', receipt, first])).toMatchObject({ code: 1 })

      expect((await holdfast.cli('log', 'rotate', '--region', 'in-mumbai')).code).toBe(0)
      await holdfast.server.stop()
      await holdfast.server.start()
      await holdfast.s3.put('/papers/after', 'after')
      const second = await vkeyNow()
      expect(second).not.toBe(first)
      await expect.poll(async () => (await run(checker, ['log', '-every', prefix, second])).code).toBe(0)
      expect((await run(checker, ['log', prefix, first, second])).code).toBe(0)
      expect((await run(checker, ['log', prefix, first])).code).toBe(1)
    })
  })
})
