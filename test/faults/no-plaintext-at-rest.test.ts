import { readdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signHeaders } from '../../src/crypto/sigv4.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'

const mark = 'This-Sentence-Is-The-Customers-Own. '

function marked(bytes: number): Buffer {
  return Buffer.alloc(bytes, mark)
}

/** Files in a folder that hold a text. A file that goes while we look was temporary, and is looked at before it goes. */
function filesWith(folder: string, text: string): string[] {
  const found: string[] = []
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    try {
      if (statSync(path).isFile() && readFileSync(path).includes(text)) found.push(name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return found
}

describe('no plaintext in the provider’s folder', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('papers')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  /** The look itself must be able to find: names are not sealed (docs/threat-model.md), so they are there. */
  it('finds what is there: the name of an object', async () => {
    await holdfast.s3.put('/papers/Findable-Name', marked(2000))
    expect(filesWith(holdfast.data, 'Findable-Name')).not.toEqual([])
  })

  it.each([
    ['small, in the catalog', 5000],
    ['one segment', 60_000],
    ['large, in a file', 3 * 2 ** 20],
  ])('%s', async (name, bytes) => {
    await holdfast.s3.put(`/papers/${name}`, marked(bytes))
    expect((await holdfast.s3.get(`/papers/${name}`)).body.equals(marked(bytes))).toBe(true)
    expect(filesWith(holdfast.data, mark)).toEqual([])
  })

  it('in parts, copied, overwritten and deleted', async () => {
    await holdfast.s3.putParts('/papers/parts', [marked(5 * 2 ** 20), marked(100)])
    await holdfast.s3.put('/papers/copy', '', { 'x-amz-copy-source': '/papers/parts' })
    await holdfast.s3.put('/papers/copy', marked(90))
    await holdfast.s3.call('DELETE', '/papers/parts')
    expect(filesWith(holdfast.data, mark)).toEqual([])
  })

  it('during an upload, after it broke off, and after a kill in the middle of one', async () => {
    const body = marked(8 * 2 ** 20)
    const path = '/papers/broken-off'
    const begin = () => {
      const { host, hostname, port } = holdfast.s3.endpoint
      const headers = signHeaders(
        { method: 'PUT', path, query: [], headers: { host } },
        body,
        holdfast.credentials,
        { region: holdfast.credentials.region, service: 's3' },
        Date.now(),
      )
      const upload = request({
        host: hostname,
        port,
        method: 'PUT',
        path,
        headers: { ...headers, 'content-length': body.length },
      })
      upload.on('error', () => {})
      upload.write(body.subarray(0, 6 * 2 ** 20))
      return upload
    }
    const partFiles = () =>
      filesWith(join(holdfast.data, 'regions'), '').filter(name => name.endsWith('.part'))

    const upload = begin()
    await until(() => partFiles().length > 0)
    expect(filesWith(holdfast.data, mark)).toEqual([])
    upload.destroy()
    await until(() => partFiles().length === 0)
    expect((await holdfast.s3.get(path)).code).toBe('NoSuchKey')
    expect(filesWith(holdfast.data, mark)).toEqual([])

    const killed = begin()
    await until(() => partFiles().length > 0)
    await holdfast.server.kill()
    killed.destroy()
    expect(filesWith(holdfast.data, mark)).toEqual([])
    await holdfast.server.start()
    expect(partFiles()).toEqual([])
    expect((await holdfast.s3.get(path)).code).toBe('NoSuchKey')
    expect(filesWith(holdfast.data, mark)).toEqual([])
  })

  it('and none of the customer’s keys', () => {
    const keyring = JSON.parse(readFileSync(join(holdfast.customer, 'keyring.json'), 'utf8')) as {
      keys: Record<string, { key: string }>
    }
    for (const { key } of Object.values(keyring.keys)) {
      expect(filesWith(holdfast.customer, key)).toEqual(['keyring.json'])
      expect(filesWith(holdfast.data, key)).toEqual([])
      expect(filesWith(holdfast.data, Buffer.from(key, 'base64').toString('hex'))).toEqual([])
    }
    const approver = readFileSync(join(holdfast.customer, 'approver.key'), 'utf8').split('\n')[1]!
    expect(filesWith(holdfast.data, approver)).toEqual([])
  })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}
