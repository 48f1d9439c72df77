import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { type Alert, createAlerts } from '../../src/cli/watch/alerts.ts'
import { openPromiseStore } from '../../src/cli/watch/promise-store.ts'
import { createProxy, type ProxyOptions } from '../../src/cli/watch/proxy.ts'
import { countIn, newUsual, unusual } from '../../src/cli/watch/unusual.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-watch-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the promises that a customer holds', () => {
  const path = join(folder, 'promises.txt')
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)

  it('are on disk when they were added, once each, and gone when they were settled', async () => {
    const store = await openPromiseStore(path)
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.add([`hfp1.${i % 100}`])))
    expect(lines().sort()).toEqual(Array.from({ length: 100 }, (_, i) => `hfp1.${i}`).sort())
    const [added] = await Promise.all([store.add(['hfp1.new']), store.drop(new Set(['hfp1.3']))])
    expect(added).toBeUndefined()
    expect(lines()).toHaveLength(100)
    expect(lines()).toContain('hfp1.new')
    await store.add(['hfp1.after'])
    expect(lines()).toContain('hfp1.after')
    await store[Symbol.asyncDispose]()
  })

  it('lose half a line that a crash left, and no other', async () => {
    writeFileSync(path, 'hfp1.a\nhfp1.b\nhfp1.ha')
    const store = await openPromiseStore(path)
    expect([...store.all()]).toEqual(['hfp1.a', 'hfp1.b'])
    await store.add(['hfp1.c'])
    expect(lines()).toEqual(['hfp1.a', 'hfp1.b', 'hfp1.c'])
    await store[Symbol.asyncDispose]()
  })
})

describe('promises that cannot be written', () => {
  const path = join(folder, 'faulty.txt')
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)

  it('are refused, each of those that shared the write, and are on disk once a later add says so', async () => {
    await using store = await openPromiseStore(path)
    await store.add(['hfp1.before'])
    const handle = await open(path)
    const datasync = vi.spyOn(Object.getPrototypeOf(handle), 'datasync')
    await handle.close()
    datasync.mockRejectedValueOnce(new Error('EIO')).mockRejectedValueOnce(new Error('EIO'))
    const added = await Promise.allSettled([store.add(['hfp1.a']), store.add(['hfp1.b'])])
    expect(added.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await store.add(['hfp1.a'])
    expect(lines()).toEqual(['hfp1.before', 'hfp1.a', 'hfp1.b'])
    datasync.mockRejectedValueOnce(new Error('ENOSPC'))
    await expect(store.drop(new Set(['hfp1.b']))).rejects.toThrow('ENOSPC')
    await store.add(['hfp1.c'])
    expect(lines()).toEqual(['hfp1.before', 'hfp1.a', 'hfp1.c'])
    datasync.mockRestore()
  })
})

describe('the proxy', () => {
  const listen = async (server: Server): Promise<URL> => {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
  const between = async (
    region: RequestListener,
    options: Partial<ProxyOptions> = {},
  ): Promise<{ url: string; missing: string[] } & AsyncDisposable> => {
    const upstream = createServer(region)
    const missing: string[] = []
    const endpoint = await listen(upstream)
    const onMissing = (request: string): void => void missing.push(request)
    const proxy = createProxy({ endpoint, onMissing, onPromises: async () => {}, ...options })
    const url = await listen(proxy)
    return {
      url: url.href,
      missing,
      async [Symbol.asyncDispose]() {
        for (const server of [proxy, upstream]) {
          server.closeAllConnections()
          await new Promise(resolve => server.close(resolve))
        }
      },
    }
  }
  const promise = { 'x-holdfast-promise': 'hfp1.x', 'x-holdfast-entry': 'e' }

  it('gives no answer whose promise is not on disk', async () => {
    const onPromises = () => Promise.reject(new Error('ENOSPC'))
    await using proxied = await between((_, response) => response.writeHead(200, promise).end('ok'), {
      onPromises,
    })
    const answer = await fetch(`${proxied.url}b/k`, { method: 'PUT', body: 'x' })
    expect([answer.status, await answer.text()]).toEqual([502, 'holdfast watch: ENOSPC\n'])
  })

  it('cuts off an answer that was cut off, also while its promise was being stored', async () => {
    let cut = (): void => {}
    const onPromises = async (): Promise<void> => {
      cut()
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    await using proxied = await between(
      (_, response) => {
        response.writeHead(200, { ...promise, 'content-length': '100' }).write('half')
        cut = () => response.destroy()
      },
      { onPromises },
    )
    await expect(fetch(`${proxied.url}b/k`).then(answer => answer.text())).rejects.toThrow()
  })

  it('passes on a refusal that comes before the body was sent', async () => {
    await using proxied = await between((_, response) => {
      response.writeHead(403, { connection: 'close', 'content-length': '6' }).end('denied')
    })
    const answer = await fetch(`${proxied.url}b/k`, { method: 'PUT', body: new Uint8Array(1000) })
    expect([answer.status, await answer.text()]).toEqual([403, 'denied'])
  })

  it('notices an object that was stored without a word of its entry', async () => {
    await using proxied = await between((_, response) => response.writeHead(200).end())
    const put = (path: string): Promise<Response> =>
      fetch(`${proxied.url}${path}`, { method: 'PUT', body: 'x' })
    await put('b/k?x-id=PutObject&X-Amz-Signature=secret')
    await put('b/k?partNumber=1&uploadId=u')
    await put('b')
    expect(proxied.missing).toEqual(['PUT /b/k'])
  })
})

describe('alerts', () => {
  it('are told once, also after a restart', () => {
    const path = join(folder, 'alerts.jsonl')
    const alert: Alert = { kind: 'statement-late', region: 'r', what: 'w', evidence: [] }
    const told: string[] = []
    const first = createAlerts(
      path,
      () => 0,
      line => told.push(line),
    )
    first.raise(alert)
    first.raise(alert)
    first.raise({ ...alert, what: 'other' })
    expect([first.count(), told.length]).toEqual([2, 2])
    const second = createAlerts(
      path,
      () => 0,
      line => told.push(line),
    )
    second.raise(alert)
    expect([second.count(), told.length]).toEqual([0, 2])
  })
})

describe('what is unusual', () => {
  it('is an hour far above those before, and never the first one or a few', () => {
    let usual = newUsual(100)
    usual = countIn(usual, 100, 5000)
    expect(unusual(usual, 'refusals')).toBeNull()
    usual = countIn(newUsual(100), 100, 3)
    for (let hour = 101; hour < 150; hour++) usual = countIn(usual, hour, 3)
    expect(usual.mean).toBeCloseTo(3)
    expect(unusual(countIn(usual, 150, 20), 'refusals')).toBeNull()
    expect(unusual(countIn(usual, 150, 25), 'refusals')).toContain('25 refusals in the hour from')
    expect(unusual(countIn(usual, 150, 25), 'refusals')).toContain('3.0 an hour are usual')
  })

  it('forgets after silence, also a very long one', () => {
    let usual = countIn(newUsual(0), 0, 1000)
    usual = countIn(usual, 400_000, 1)
    expect(usual.hour).toBe(400_000)
    expect(usual.mean).toBeLessThan(1)
    expect(unusual(countIn(usual, 400_000, 30), 'reads abroad')).not.toBeNull()
  })
})
