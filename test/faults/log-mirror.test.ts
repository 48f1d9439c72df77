import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import type { RegionId } from '../../src/core/ids.ts'
import { createMetrics } from '../../src/core/metrics.ts'
import { createLogMirror, type LogMirror } from '../../src/ledger/log-mirror.ts'
import { createMemoryTileStore, type MemoryTileStore } from '../../src/ledger/memory-tile-store.ts'
import { emptyEdge, TileBuilder } from '../../src/ledger/tile-builder.ts'
import { createTreeReader, rootOfLeaves } from '../../src/ledger/tree-reader.ts'
import { startLogMirrors } from '../../src/log-mirrors.ts'
import { createS3Depot } from '../../src/outbound/s3-depot.ts'
import type { Depot } from '../../src/store/depot.ts'
import { createFolderDepot } from '../../src/store/folder-depot.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { printNote } from '../../src/verify/note.ts'
import { tilePath, tileWidthAt } from '../../src/verify/tile-path.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { booksOf } from '../support/instructions.ts'
import { crypto, logOfSigner, makeSigner } from '../support/ledger.ts'
import { createChance } from '../support/random.ts'
import { openTestRemote, type TestRemote } from '../support/remote.ts'

const signer = makeSigner()
const keys = logOfSigner(signer)

interface GrowingLog {
  readonly tiles: MemoryTileStore
  readonly size: number
  /** Appends so many leaves and publishes, as the sequencer does. */
  grow(leaves: number): Promise<void>
}

function createLog(salt = 'a'): GrowingLog {
  const tiles = createMemoryTileStore()
  const builder = new TileBuilder(crypto, emptyEdge)
  return {
    tiles,
    get size() {
      return builder.size
    },
    async grow(leaves) {
      for (let i = 0; i < leaves; i++) {
        const leaf = createHash('sha512').update(`${salt}${builder.size}`).digest()
        builder.append(new Uint8Array(Buffer.concat([leaf, leaf]).subarray(0, 73)))
      }
      await tiles.writeTiles([...builder.takeFull(), ...builder.takePartials()])
      const { size } = builder
      const text = printCheckpoint({ origin: signer.name, size, root: builder.root() })
      await tiles.publish(utf8(printNote(text, signer, crypto)))
      await tiles.dropPartials(builder.takeOutgrown())
    },
  }
}

const mirrorOf = (log: GrowingLog, depot: Depot): LogMirror =>
  createLogMirror({ tiles: log.tiles, keys, crypto, depot })

/** A reader that knows the log's key and a URL: the size of the tree that it found whole, by hashes and by leaves. */
async function readLog(url: string): Promise<number> {
  const get = async (path: string): Promise<Uint8Array | null> => {
    const answer = await fetch(`${url}/${path}`)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return answer.ok ? bytes : null
  }
  const note = await get('checkpoint')
  if (note === null) return -1
  const checkpoint = openCheckpoint(fromUtf8(note), keys, crypto)
  if (typeof checkpoint === 'string') throw new Error(checkpoint)
  const { size, root } = checkpoint
  const found = await createTreeReader({ read: get }, size, crypto).root()
  expect(Buffer.from(found).equals(root)).toBe(true)
  async function* leaves(): AsyncGenerator<Uint8Array> {
    for (let index = 0; index * 256 < size; index++) {
      const width = tileWidthAt(0, index, size)
      const bundle =
        (await get(tilePath('entries', index, width))) ?? (await get(tilePath('entries', index, 256)))
      if (bundle === null) throw new Error(`bundle ${index} of ${size} is missing`)
      for (let at = 0, i = 0; i < width; i++) {
        const length = (bundle[at]! << 8) | bundle[at + 1]!
        yield bundle.subarray(at + 2, at + 2 + length)
        at += 2 + length
      }
    }
  }
  expect(Buffer.from(await rootOfLeaves(leaves(), crypto)).equals(root)).toBe(true)
  return size
}

describe('a copy of the public log in a folder, behind a plain file server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mirror-'))
  let server: Server
  let origin: string
  let number = 0
  beforeAll(async () => {
    server = createServer((request, response) => {
      let file: Buffer
      try {
        file = readFileSync(join(folder, normalize(request.url!)))
      } catch {
        response.writeHead(404).end()
        return
      }
      response.end(file)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
    rmSync(folder, { recursive: true, force: true })
  })
  const fresh = (): { name: string; path: string; url: string } => {
    const name = `log${number++}`
    return { name, path: join(folder, name), url: `${origin}/${name}` }
  }

  it('holds the whole tree after each step, and drops the partial tiles that were outgrown', async () => {
    const { path, url } = fresh()
    const log = createLog()
    const mirror = mirrorOf(log, createFolderDepot(path, 'shared'))
    expect(await mirror.step()).toEqual({ size: 0, copied: 0 })
    for (const more of [0, 1, 2, 252, 1, 1, 255, 300, 1, 70_000]) {
      await log.grow(more)
      expect((await mirror.step()).size).toBe(log.size)
      expect(await readLog(url)).toBe(log.size)
      expect((await mirror.step()).copied).toBe(0)
    }
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    const partials = names.filter(name => /\.p\/\d+$/.test(name))
    // Of the last size, one a level and one bundle.
    expect(partials.sort()).toEqual([
      `tile/0/276.p/${log.size % 256}`,
      `tile/1/001.p/${Math.floor(log.size / 256) % 256}`,
      `tile/2/000.p/1`,
      `tile/entries/276.p/${log.size % 256}`,
    ])
  })

  it('is whole for whoever reads it while it is written and while the log grows', async () => {
    const { path, url } = fresh()
    const log = createLog()
    const mirror = mirrorOf(log, createFolderDepot(path, 'shared'))
    const chance = createChance(11)
    let writing = true
    const seen: number[] = []
    const write = async (): Promise<void> => {
      try {
        for (let i = 0; i < 60; i++) {
          const growing = log.grow(chance.below(400))
          await mirror.step()
          await growing
        }
        await mirror.step()
      } finally {
        writing = false
      }
    }
    const read = async (): Promise<void> => {
      while (writing) seen.push(await readLog(url))
      seen.push(await readLog(url))
    }
    await Promise.all([write(), read()])
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(seen.at(-1)).toBe(log.size)
  })

  it('goes on from what is there after it was cut off anywhere', async () => {
    const { path, url } = fresh()
    const log = createLog()
    const chance = createChance(12)
    const folderDepot = createFolderDepot(path, 'shared')
    let puts = 0
    for (let round = 0; round < 20; round++) {
      await log.grow(chance.below(3000))
      let left = chance.below(20)
      const failing: Depot = {
        ...folderDepot,
        async put(name, bytes, headers) {
          if (left-- === 0) throw new Error('cut off')
          puts++
          await folderDepot.put(name, bytes, headers)
        },
      }
      await mirrorOf(log, failing)
        .step()
        .catch(() => {})
      const size = await readLog(url)
      expect(size).toBeLessThanOrEqual(log.size)
    }
    await mirrorOf(log, folderDepot).step()
    expect(await readLog(url)).toBe(log.size)
    // What was there was not copied again each time.
    expect(puts).toBeLessThan(log.tiles.resources.size + 20 * 25)
  })

  it('is never written over by an older or another tree, or when it is something else', async () => {
    const { path } = fresh()
    const depot = createFolderDepot(path, 'shared')
    const [log, older, other] = [createLog(), createLog(), createLog('b')]
    await log.grow(300)
    await older.grow(299)
    await other.grow(300)
    await mirrorOf(log, depot).step()
    const before = readFileSync(join(path, 'checkpoint'), 'utf8')
    await expect(mirrorOf(older, depot).step()).rejects.toMatchObject({ kind: 'fork' })
    await expect(mirrorOf(other, depot).step()).rejects.toMatchObject({ kind: 'fork' })
    await other.grow(500)
    await expect(mirrorOf(other, depot).step()).rejects.toMatchObject({ kind: 'fork' })
    expect(readFileSync(join(path, 'checkpoint'), 'utf8')).toBe(before)
    await depot.put('checkpoint', utf8('hello\n'))
    await expect(mirrorOf(log, depot).step()).rejects.toMatchObject({ kind: 'foreign' })
    expect(readFileSync(join(path, 'checkpoint'), 'utf8')).toBe('hello\n')
  })

  it('knows another tree also at a size that its own log never had', async () => {
    const { path } = fresh()
    const depot = createFolderDepot(path, 'shared')
    const [log, turnedBack] = [createLog(), createLog('b')]
    await log.grow(300)
    await mirrorOf(log, depot).step()
    await turnedBack.grow(290)
    await turnedBack.grow(20)
    await expect(mirrorOf(turnedBack, depot).step()).rejects.toMatchObject({ kind: 'fork' })
  })

  it('has what witnesses have cosigned, once it has that tree, and nothing else under that name', async () => {
    const log = createLog()
    const depot = createFolderDepot(fresh().path, 'shared')
    const mirror = mirrorOf(log, depot)
    const there = async () => {
      const bytes = await depot.get('witnessed')
      return bytes === null ? null : Buffer.from(bytes).toString()
    }
    await log.grow(300)
    const early = Buffer.from((await log.tiles.read('checkpoint'))!)
    await mirror.step()
    expect(await there()).toBeNull()
    await log.tiles.publish(early, 'witnessed')
    await mirror.step()
    expect(await there()).toBe(String(early))
    await log.grow(10)
    const later = Buffer.from((await log.tiles.read('checkpoint'))!)
    await log.tiles.publish(later, 'witnessed')
    await mirror.step()
    expect(await there()).toBe(String(later))
    await log.tiles.publish(utf8('something else\n'), 'witnessed')
    await mirror.step()
    expect(await there()).toBe(String(later))
  })

  it('may be made by two at once, and what one has of the log is no fork to the other', async () => {
    const { path, url } = fresh()
    const depot = createFolderDepot(path, 'shared')
    const log = createLog()
    await log.grow(300)
    const other = mirrorOf(log, depot)
    let overtakes = 1
    const overtaken: Depot = {
      ...depot,
      async get(name) {
        if (overtakes-- > 0) {
          await log.grow(20)
          await other.step()
        }
        return depot.get(name)
      },
    }
    expect((await mirrorOf(log, overtaken).step()).size).toBe(320)
    expect(await readLog(url)).toBe(320)
  })

  it('that is long is left off when it is told to, and taken up again', async () => {
    const { path, url } = fresh()
    const depot = createFolderDepot(path, 'shared')
    const log = createLog()
    await log.grow(30_000)
    let puts = 0
    const slow: Depot = {
      ...depot,
      async put(name, bytes, headers) {
        if (++puts > 20) await new Promise(resolve => setTimeout(resolve, 50))
        await depot.put(name, bytes, headers)
      },
    }
    const said: string[] = []
    const mirrors = startLogMirrors({
      region: 'in-mumbai' as RegionId,
      tiles: log.tiles,
      keys,
      history: { vkey: '', rotations: [] },
      depots: [slow],
      log: (_level, what) => said.push(what),
      metrics: createMetrics({}),
      onFork: reason => said.push(reason),
    })
    await expect.poll(() => puts).toBeGreaterThan(20)
    await mirrors[Symbol.asyncDispose]()
    expect(puts).toBeLessThan(60)
    expect(said).toEqual([])
    expect(await readLog(url)).toBe(-1)
    await mirrorOf(log, depot).step()
    expect(await readLog(url)).toBe(30_000)
  })

  it('sees that somebody else wrote there, also when it is not looking for the first time', async () => {
    const { path } = fresh()
    const depot = createFolderDepot(path, 'shared')
    const [log, rival] = [createLog(), createLog()]
    await log.grow(10)
    await rival.grow(10)
    const mirror = mirrorOf(log, depot)
    await mirror.step()
    await rival.grow(100)
    await mirrorOf(rival, depot).step()
    await log.grow(1)
    await expect(mirror.step()).rejects.toMatchObject({ kind: 'fork' })
  })
})

describe('a copy of the public log in S3', () => {
  let app: TestApp
  let remote: TestRemote
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(async () => {
    remote?.[Symbol.dispose]()
    await app[Symbol.asyncDispose]()
  })

  it('has the types and the caching that readers need', async () => {
    const customer = await app.customer('mirror', 1, 1)
    await customer.s3('PUT', '/logs')
    const { endpoint } = customer.credentials
    remote = await openTestRemote(
      { endpoint, bucket: 'logs', credentials: customer.credentials },
      { holds: 'public-log' },
    )
    const log = createLog()
    await log.grow(700)
    const depot = createS3Depot(remote.client, { name: 'mirror', prefix: 'in-mumbai' })
    await mirrorOf(log, depot).step()
    await log.grow(100)
    await mirrorOf(log, depot).step()
    const head = async (path: string): Promise<(string | null)[]> => {
      const { status, headers } = await customer.s3('HEAD', `/logs/in-mumbai/${path}`)
      return [String(status), headers.get('content-type'), headers.get('cache-control')]
    }
    const immutable = ['200', 'application/octet-stream', 'public, max-age=31536000, immutable']
    expect(await head('tile/0/000')).toEqual(immutable)
    expect(await head('tile/entries/003.p/32')).toEqual(immutable)
    expect(await head('checkpoint')).toEqual(['200', 'text/plain; charset=utf-8', 'no-cache'])
    expect((await head('tile/0/002.p/188'))[0]).toBe('404')
  })
})

describe('a region with copies of its log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mirrors-'))
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(async () => {
    await app[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 20))
  }

  it('keeps them up by itself, and is not ready when one of them contradicts it', async () => {
    const customer = await app.customer('acme', 1, 1)
    const regions = [...app.app.regions.values()].map(({ id, country, operator, peer }) => ({
      id,
      country,
      operator,
      peer,
      publish: id === 'in-mumbai' ? [{ folder: join(folder, id) }] : [],
    }))
    await app.restart({ regions })
    await customer.s3('PUT', '/papers')
    const isEntered = ({ type }: { type: string }): boolean => type === 'bucket.created'
    await until(async () => (await booksOf(customer.credentials, 'in-mumbai')).some(isEntered))
    const copy = join(folder, 'in-mumbai', 'checkpoint')
    const own = async (): Promise<string> => (await fetch(`${app.api}/log/in-mumbai/checkpoint`)).text()
    await until(async () => existsSync(copy) && readFileSync(copy, 'utf8') === (await own()))
    expect((await fetch(`${app.api}/readyz`)).status).toBe(200)
    const metrics = await (await fetch(`${app.api}/metrics`)).text()
    expect(metrics).toMatch(/holdfast_log_mirror_stopped\{region="in-mumbai",mirror="[^"]+"\} 0/)

    // The same key, another history: what a region turned back would find.
    const ahead = readFileSync(copy, 'utf8')
    const logKey = app.app.regions.get('in-mumbai' as never)!.logKey
    const forged = printNote(
      printCheckpoint({ origin: logKey.name, size: 1_000_000, root: new Uint8Array(32) }),
      logKey,
      crypto,
    )
    expect(forged).not.toBe(ahead)
    await createFolderDepot(join(folder, 'in-mumbai'), 'shared').put('checkpoint', utf8(forged))
    await customer.s3('PUT', '/papers/one', 'more')
    await until(async () => (await fetch(`${app.api}/readyz`)).status === 503)
    expect(await (await fetch(`${app.api}/readyz`)).text()).toContain('a copy of the log')
    expect(readFileSync(copy, 'utf8')).toBe(forged)
    // Writes are not held up.
    expect((await customer.s3('PUT', '/papers/two', 'more')).status).toBe(200)
  })
})
