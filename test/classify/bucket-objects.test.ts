/** What a store may answer that is no good answer. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createBucketObjects } from '../../src/cli/classify/bucket-objects.ts'

const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }

async function withStore<T>(
  answer: RequestListener,
  use: (objects: ReturnType<typeof createBucketObjects>) => Promise<T>,
): Promise<T> {
  const server = createServer(answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  using objects = createBucketObjects({ endpoint, ...credentials }, 'in-mumbai', 'b')
  try {
    return await use(objects)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = []
  for await (const item of items) out.push(item)
  return out
}

const object = { key: 'a/../b c', bytes: 100 }

describe('objects of a bucket', () => {
  it('are asked for by their very key, and no further than is needed', async () => {
    const asked = await withStore(
      (request, response) => response.end(`${request.url} ${request.headers.range}`),
      async objects => Buffer.concat(await all(await objects.read(object, 10))).toString(),
    )
    expect(asked).toBe('/b/a/../b%20c bytes=0-10')
  })

  it('that break off are not taken for whole', async () => {
    const reading = withStore(
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('a part', () => response.destroy())
      },
      async objects => all(await objects.read(object, 1000)),
    )
    await expect(reading).rejects.toThrow()
  })

  it.each<[string, RequestListener, string]>([
    [
      'a refusal',
      (_request, response) =>
        response.writeHead(403).end('<Error><Code>AccessDenied</Code><Message>no</Message></Error>'),
      'AccessDenied: no',
    ],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      'HTTP 302',
    ],
    [
      'a page of something else',
      (_request, response) => response.writeHead(502).end('<html>oops'),
      'HTTP 502',
    ],
    ['no listing', (_request, response) => response.end('<html></html>'), 'no listing'],
    ['an answer without an end', (_request, response) => response.end(Buffer.alloc(9 << 20)), 'too long'],
    ['a broken connection', request => request.socket.destroy(), 'http://127.0.0.1'],
  ])('%s is an error', async (_what, answer, message) => {
    await expect(withStore(answer, objects => all(objects.list('', 10)))).rejects.toThrow(message)
  })
})
