import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import type { BlobId } from '../../src/store/blob-store.ts'
import type { Catalog, Put } from '../../src/store/catalog.ts'
import { compactSegments } from '../../src/store/compaction.ts'
import { createFileBlobStore } from '../../src/store/file-blob-store.ts'
import { createReadBuffers } from '../../src/store/file-reader.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { createPackedBlobStore } from '../../src/store/packed-blob-store.ts'
import { emptyTrash, releasePlaces } from '../../src/store/places.ts'
import { createSegmentFiles } from '../../src/store/segment-files.ts'
import { createSegmentWriter } from '../../src/store/segment-writer.ts'

const root = mkdtempSync(join(tmpdir(), 'holdfast-segments-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const random = (length: number) => randomBytes(length)
let writers = 0

interface Opened extends AsyncDisposable {
  readonly catalog: Catalog
  readonly blobs: ReturnType<typeof createPackedBlobStore>
  readonly folder: string
  readonly name: string
  compact(live?: readonly string[], graceMs?: number): ReturnType<typeof compactSegments>
}

async function open(folder: string, rollBytes = 100_000): Promise<Opened> {
  const catalog = await openLmdbCatalog(join(folder, 'catalog'))
  const segments = createSegmentFiles(join(folder, 'segments'))
  const name = String(++writers).padStart(26, '0')
  const writer = createSegmentWriter(segments, { writer: name, rollBytes })
  const buffers = createReadBuffers()
  const files = createFileBlobStore(join(folder, 'blobs'), Date.now, random, buffers)
  const blobs = createPackedBlobStore({
    catalog,
    files,
    segments,
    writer,
    buffers,
    clock: Date.now,
    randomBytes: random,
  })
  return {
    catalog,
    blobs,
    folder: join(folder, 'segments'),
    name,
    compact: (live = [name], graceMs = 0) =>
      compactSegments({
        catalog,
        segments,
        writer,
        liveWriters: () => new Set(live),
        clock: Date.now,
        graceMs,
      }),
    async [Symbol.asyncDispose]() {
      await blobs[Symbol.asyncDispose]()
      await catalog[Symbol.asyncDispose]()
    },
  }
}

async function append({ blobs }: Opened, bytes: Buffer): Promise<{ id: BlobId; rows: Put[] }> {
  const writer = await blobs.create(bytes.length)
  await writer.write([bytes.subarray(0, 10), bytes.subarray(10)])
  return { id: writer.id, rows: await writer.finish() }
}

async function store(opened: Opened, bytes: Buffer): Promise<BlobId> {
  const { id, rows } = await append(opened, bytes)
  expect(await opened.catalog.commit({ puts: rows })).toBe(true)
  return id
}

async function give(opened: Opened, ids: readonly BlobId[]): Promise<void> {
  const places = ids.map(id => ({ in: 'blobs' as const, id }))
  await opened.catalog.commit(releasePlaces(places, 0))
  await emptyTrash(opened.catalog, opened.blobs, () => 1, 0)
}

const diskBytes = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)

describe('segments', () => {
  it('give back any range of every blob, and long blobs have files of their own', async () => {
    await using opened = await open(join(root, 'ranges'))
    const bodies = Array.from({ length: 200 }, (_, i) => random(10 + i * 37))
    const ids = await Promise.all(bodies.map(body => store(opened, body)))
    for (const [i, id] of ids.entries()) {
      const body = bodies[i]!
      expect(body.equals((await opened.blobs.readWhole(id, body.length))!)).toBe(true)
      await using reader = await opened.blobs.read(id, { start: 3, end: body.length - 2 })
      expect(body.subarray(3, -2).equals(Buffer.from((await reader.next())!))).toBe(true)
      expect(await reader.next()).toBeNull()
    }
    expect(readdirSync(opened.folder).length).toBeGreaterThan(3)
    const long = random(2 << 20)
    const id = await store(opened, long)
    expect(await opened.blobs.readWhole(id, long.length)).toBeNull()
    const listed = new Map<string, number>()
    for await (const { id, bytes } of opened.blobs.list()) listed.set(id, bytes)
    expect(listed).toEqual(new Map([...ids, id].map((id, i) => [id, bodies[i]?.length ?? long.length])))
    await expect(opened.blobs.read(ids[0]!, { start: 0, end: 9999 })).rejects.toMatchObject({
      code: 'store-damaged',
    })
  })

  it('stay within 1.5 times the live bytes through churn, and lose nothing', async () => {
    await using opened = await open(join(root, 'churn'))
    const live = new Map<BlobId, Buffer>()
    for (let round = 0; round < 12; round++) {
      const bodies = Array.from({ length: 60 }, () => random(500 + Math.floor(Math.random() * 8000)))
      const ids = await Promise.all(bodies.map(body => store(opened, body)))
      for (const [i, id] of ids.entries()) live.set(id, bodies[i]!)
      const gone = [...live.keys()].filter(() => Math.random() < 0.4)
      await give(opened, gone)
      for (const id of gone) live.delete(id)
      await opened.compact()
      await opened.compact()
    }
    const liveBytes = [...live.values()].reduce((sum, body) => sum + body.length, 0)
    // One segment is open, whatever is dead in it.
    expect(diskBytes(opened.folder)).toBeLessThan(1.5 * liveBytes + 110_000)
    for (const [id, body] of live)
      expect(body.equals((await opened.blobs.readWhole(id, body.length))!)).toBe(true)
  })

  it('are left alone while their writer may still append, and while a reader may still look', async () => {
    await using opened = await open(join(root, 'open'))
    const id = await store(opened, random(1000))
    await give(opened, [id])
    expect(await opened.compact()).toMatchObject({ compacted: 0, removed: 0 })
    expect(await opened.compact([], 60_000)).toMatchObject({ compacted: 1, removed: 0 })
    expect(await opened.compact([], 60_000)).toMatchObject({ compacted: 0, removed: 0 })
    expect(await opened.compact([], 0)).toMatchObject({ removed: 1 })
    expect(readdirSync(opened.folder)).toEqual([])
  })

  it('are listed on while compaction removes them', async () => {
    await using opened = await open(join(root, 'listed'), 5000)
    const ids: BlobId[] = []
    for (let i = 0; i < 12; i++) ids.push(await store(opened, random(3000)))
    expect(readdirSync(opened.folder).length).toBeGreaterThan(3)
    const listed: string[] = []
    for await (const { id } of opened.blobs.list()) {
      listed.push(id)
      if (listed.length > 1) continue
      await give(
        opened,
        ids.filter(each => each !== id),
      )
      await opened.compact([], 0)
      await opened.compact([], 0)
    }
    expect(readdirSync(opened.folder).length).toBeLessThan(3)
  })

  it('take no reference that comes after compaction has done with them', async () => {
    await using opened = await open(join(root, 'late'))
    const { id, rows } = await append(opened, random(1000))
    await opened.compact([], 60_000)
    expect(await opened.catalog.commit({ puts: rows })).toBe(false)
    expect(await opened.catalog.get('blobs', utf8(id))).toBeNull()
  })

  it('keep what was claimed between the look and the mark', async () => {
    await using opened = await open(join(root, 'between'))
    const dead = await store(opened, random(5000))
    const { id, rows } = await append(opened, Buffer.from('claimed in between'))
    await give(opened, [dead])
    const { commit } = opened.catalog
    // The claim lands in the moment before the mark.
    const catalog = opened.catalog as { commit: Catalog['commit'] }
    catalog.commit = async batch => {
      catalog.commit = commit
      expect(await commit({ puts: rows })).toBe(true)
      return commit(batch)
    }
    expect(await opened.compact([], 0)).toMatchObject({ compacted: 0 })
    expect(String(await opened.blobs.readWhole(id, 18))).toBe('claimed in between')
    expect(await opened.compact([], 0)).toMatchObject({ compacted: 1 })
    await opened.compact([], 0)
    expect(String(await opened.blobs.readWhole(id, 18))).toBe('claimed in between')
  })

  it('do not mind a tail that a crash cut off', async () => {
    const folder = join(root, 'tail')
    const body = random(4000)
    let id: BlobId
    {
      await using opened = await open(folder)
      id = await store(opened, body)
      appendFileSync(join(opened.folder, readdirSync(opened.folder)[0]!), 'HFr1 and half a record')
    }
    await using again = await open(folder)
    await store(again, random(100))
    const listed: string[] = []
    for await (const { id } of again.blobs.list()) listed.push(id)
    expect(listed).toContain(id)
    expect(body.equals((await again.blobs.readWhole(id, body.length))!)).toBe(true)
  })
})
