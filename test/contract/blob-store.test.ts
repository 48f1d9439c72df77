import { randomBytes } from 'node:crypto'
import {
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { BlobId, BlobStore } from '../../src/store/blob-store.ts'
import { blobFolder, createFileBlobStore } from '../../src/store/file-blob-store.ts'
import { createReadBuffers } from '../../src/store/file-reader.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-blobs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const open = () => createFileBlobStore(folder, Date.now, length => randomBytes(length), createReadBuffers())

async function put(store: BlobStore, chunks: readonly Uint8Array[]): Promise<BlobId> {
  const writer = await store.create()
  for (const chunk of chunks) await writer.write([chunk])
  await writer.finish()
  return writer.id
}

async function get(store: BlobStore, id: BlobId, start: number, end: number): Promise<Buffer> {
  await using reader = await store.read(id, { start, end })
  const chunks: Uint8Array[] = []
  for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next())
    chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

async function ids(store: BlobStore): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for await (const { id, bytes } of store.list()) found.set(id, bytes)
  return found
}

const files = (): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' })

describe('blob store contract: files', () => {
  const store = open()

  it('gives back any range of what was written in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.nat(),
        async (chunks, a, b) => {
          const whole = Buffer.concat(chunks)
          const [start, end] = [a % (whole.length + 1), b % (whole.length + 1)].sort((x, y) => x - y) as [
            number,
            number,
          ]
          const id = await put(store, chunks)
          expect((await get(store, id, start, end)).equals(whole.subarray(start, end))).toBe(true)
          expect((await ids(store)).get(id)).toBe(whole.length)
          await store.remove(id)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('reads more than one buffer’s worth', async () => {
    const bytes = randomBytes(3 * 2 ** 20 + 5)
    const id = await put(store, [bytes])
    expect((await get(store, id, 7, bytes.length)).equals(bytes.subarray(7))).toBe(true)
    await store.remove(id)
  })

  it('shows nothing of a blob that is not finished, and leaves nothing of one that is given up', async () => {
    const writer = await store.create()
    await writer.write([randomBytes(100)])
    expect((await ids(store)).has(writer.id)).toBe(false)
    await expect(store.read(writer.id, { start: 0, end: 1 })).rejects.toMatchObject({ code: 'not-found' })
    await writer.abandon()
    await writer.abandon()
    expect(files().filter(name => name.includes(writer.id))).toEqual([])
  })

  it('keeps a finished blob that is given up too late', async () => {
    const writer = await store.create()
    await writer.write([Buffer.from('kept')])
    await writer.finish()
    await writer.abandon()
    expect(String(await get(store, writer.id, 0, 4))).toBe('kept')
  })

  it('removes twice as well as once, and lets a reader finish', async () => {
    const bytes = randomBytes(3 * 2 ** 20)
    const id = await put(store, [bytes])
    await using reader = await store.read(id, { start: 0, end: bytes.length })
    const chunks = [Buffer.from((await reader.next())!)]
    await store.remove(id)
    await store.remove(id)
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next())
      chunks.push(Buffer.from(chunk))
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    await expect(store.read(id, { start: 0, end: 1 })).rejects.toMatchObject({ code: 'not-found' })
  })

  it('says that a blob is shorter than it should be', async () => {
    const id = await put(store, [randomBytes(1000)])
    truncateSync(join(folder, files().find(name => name.endsWith(id))!), 999)
    await expect(get(store, id, 0, 1000)).rejects.toMatchObject({ code: 'store-damaged' })
    expect(await get(store, id, 0, 999)).toHaveLength(999)
  })

  it('sweeps what a crash left half written, and nothing else', async () => {
    const id = await put(store, [Buffer.from('whole')])
    const home = files()
      .find(name => name.endsWith(id))!
      .slice(0, 2)
    writeFileSync(join(folder, home, '01m7xjjxdhfmctfrr7cn28wya7.part'), 'half')
    const again = open()
    expect(await again.sweep()).toBe(1)
    expect(files().filter(name => name.endsWith('.part'))).toEqual([])
    expect(String(await get(again, id, 0, 5))).toBe('whole')
  })

  it('lists on while blobs are removed, and lists what stays', async () => {
    const bodies = Array.from({ length: 400 }, (_, i) => Buffer.from(`blob ${i}`))
    const made = await Promise.all(bodies.map(body => put(store, [body])))
    const kept = new Set(made.slice(0, 20))
    const listed = new Set<string>()
    for await (const { id } of store.list()) {
      listed.add(id)
      // A folder is read some entries ahead: those behind the one just listed are known by name and gone.
      const rest = made.filter(each => !kept.has(each) && blobFolder(each) === blobFolder(id))
      await Promise.all(rest.map(each => store.remove(each)))
    }
    for (const id of kept) expect(listed.has(id)).toBe(true)
    for (const id of made) await store.remove(id)
  })

  it('does not call a blob missing that it could not open', async () => {
    const id = await put(store, [Buffer.from('there')])
    const path = join(folder, files().find(name => name.endsWith(id))!)
    // Root may open whatever its mode; a link to itself nobody may.
    renameSync(path, `${path}.aside`)
    symlinkSync(path, path)
    await expect(store.read(id, { start: 0, end: 5 })).rejects.toMatchObject({ code: 'ELOOP' })
    unlinkSync(path)
    renameSync(`${path}.aside`, path)
    await store.remove(id)
  })

  it('finishes many at once, in the same folders', async () => {
    const bodies = Array.from({ length: 300 }, (_, i) => Buffer.from(`blob ${i}`))
    const made = await Promise.all(bodies.map(body => put(store, [body])))
    expect(new Set(made).size).toBe(made.length)
    const back = await Promise.all(made.map((id, i) => get(store, id, 0, bodies[i]!.length)))
    expect(back.map(String)).toEqual(bodies.map(String))
  })
})
