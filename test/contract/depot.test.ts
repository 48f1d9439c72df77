import { randomBytes } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createS3Depot } from '../../src/outbound/s3-depot.ts'
import type { Depot } from '../../src/store/depot.ts'
import { createFolderDepot } from '../../src/store/folder-depot.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { openTestRemote, type TestRemote } from '../support/remote.ts'
import { sha256 } from '../support/writers.ts'

const partBytes = 5 << 20

describe.each(['folder', 's3'] as const)('a depot: %s', kind => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-depot-'))
  const source = join(folder, 'source')
  let app: TestApp | null = null
  let remote: TestRemote | null = null
  let depot: Depot

  beforeAll(async () => {
    if (kind === 'folder') {
      depot = createFolderDepot(join(folder, 'depot'), 'private')
      return
    }
    app = await startTestApp()
    const customer = await app.customer('vault', 1, 1)
    expect((await customer.s3('PUT', '/backups')).status).toBe(200)
    const { endpoint } = customer.credentials
    remote = await openTestRemote({ endpoint, bucket: 'backups', credentials: customer.credentials })
    depot = createS3Depot(remote.client, { name: 'vault', prefix: 'some/where', partBytes })
  })
  afterAll(async () => {
    remote?.[Symbol.dispose]()
    await app?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const readAll = async (path: string): Promise<Buffer> => {
    const chunks: Buffer[] = []
    for await (const chunk of depot.read(path)) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  }

  it.each([0, 1, 70_000, partBytes, partBytes + 1, 2 * partBytes + 12_345])(
    'takes a file of %i bytes and gives it back',
    async bytes => {
      const content = randomBytes(bytes)
      // Longer than what is asked for: a segment may grow while it is copied.
      writeFileSync(source, Buffer.concat([content, randomBytes(10)]))
      expect(await depot.putFile(`files/${bytes}`, source, bytes)).toBe(sha256(content))
      await depot.sync()
      expect((await readAll(`files/${bytes}`)).equals(content)).toBe(true)
      expect(await depot.find(`files/${bytes}`, true)).toMatchObject({ bytes, sha256: sha256(content) })
    },
  )

  it('rejects a file that is shorter than it should be, and leaves none', async () => {
    writeFileSync(source, randomBytes(100))
    await expect(depot.putFile('files/short', source, 101)).rejects.toMatchObject({ code: 'store-damaged' })
    expect(await depot.find('files/short', false)).toBeNull()
  })

  it('replaces', async () => {
    await depot.put('one', Buffer.from('first'))
    await depot.put('one', Buffer.from('second'))
    expect(Buffer.from((await depot.get('one'))!).toString()).toBe('second')
  })

  it('knows what is not there', async () => {
    expect(await depot.get('nothing')).toBeNull()
    expect(await depot.find('no/thing', false)).toBeNull()
    await expect(readAll('nothing')).rejects.toMatchObject({ code: 'not-found' })
    await depot.remove('nothing')
  })

  it('lists by the start of the path, all of them', async () => {
    for (const path of ['a/b/1', 'a/b/2', 'a/bc/3', 'a/d', 'ab']) await depot.put(path, Buffer.from(path))
    const listed = async (prefix: string): Promise<string[]> => {
      const found: string[] = []
      for await (const { path, bytes } of depot.list(prefix)) {
        expect(bytes).toBe(path.length)
        found.push(path)
      }
      return found.sort()
    }
    expect(await listed('a/b/')).toEqual(['a/b/1', 'a/b/2'])
    expect(await listed('a/b')).toEqual(['a/b/1', 'a/b/2', 'a/bc/3'])
    expect(await listed('a')).toEqual(['a/b/1', 'a/b/2', 'a/bc/3', 'a/d', 'ab'])
    expect(await listed('none/')).toEqual([])
    await depot.remove('a/b/1')
    expect(await listed('a/b/')).toEqual(['a/b/2'])
  })
})

describe('a depot in a folder', () => {
  it('does not take for synced what could not be', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-unsynced-'))
    const depot = createFolderDepot(folder, 'private')
    await depot.put('unsynced/one', Buffer.from('1'))
    const [made, away] = [join(folder, 'unsynced'), join(folder, 'away')]
    renameSync(made, away)
    await expect(depot.sync()).rejects.toThrow()
    await expect(depot.sync()).rejects.toThrow()
    renameSync(away, made)
    await depot.sync()
    rmSync(folder, { recursive: true, force: true })
  })
})
