import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CountryCode } from '../../src/core/ids.ts'
import { createTlsIdentity, type TlsIdentity } from '../../src/crypto/tls-identity.ts'
import { createS3Depot } from '../../src/outbound/s3-depot.ts'
import { isRefusal } from '../../src/policy/authorized.ts'
import { decideOutbound } from '../../src/policy/decide.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { openTestRemote, type TestRemote } from '../support/remote.ts'

const IN = 'IN' as CountryCode
const DE = 'DE' as CountryCode
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI-do-not-show' }

describe('a remote store that misbehaves', () => {
  let server: Server
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  let endpoint: string
  let remote: TestRemote
  let asked: string[]

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      request.resume().on('end', () => answer(request, response))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    endpoint = `http://127.0.0.1:${port}`
    remote = await openTestRemote({ endpoint, bucket: 'b', credentials })
  })
  afterEach(() => server.closeAllConnections())
  afterAll(() => {
    remote[Symbol.dispose]()
    server.close()
  })
  const play = (script: typeof answer): void => {
    asked = []
    answer = script
  }
  const object = { bytes: 10, etag: '"e"', sha256: null }
  const body = Buffer.alloc(10, 7)

  it('is asked again, with longer and longer pauses, while its trouble may pass', async () => {
    let left = 4
    play((_, response) => response.writeHead(left-- > 0 ? 503 : 200).end())
    await remote.client.put('k', body, {})
    expect(asked).toHaveLength(5)
    expect(remote.waits).toHaveLength(4)
    expect(remote.waits[3]!).toBeGreaterThan(remote.waits[0]!)
  })

  it('is given up after a few tries, in words without the secret', async () => {
    play((_, response) => response.writeHead(500).end())
    const error: Error = await remote.client.put('k', body, {}).then(
      () => new Error('it was taken'),
      (error: Error) => error,
    )
    expect(error.message).toContain('vault')
    expect(JSON.stringify([error, error.message, error.stack, error.cause])).not.toContain('do-not-show')
    expect(asked.length).toBeGreaterThan(4)
  })

  it('is not asked again when it says no', async () => {
    play((_, response) =>
      response.writeHead(403).end('<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>'),
    )
    await expect(remote.client.put('k', body, {})).rejects.toThrow(/403 SignatureDoesNotMatch/)
    expect(asked).toHaveLength(1)
  })

  it('cannot lead elsewhere', async () => {
    play((_, response) => response.writeHead(307, { location: 'http://192.0.2.1/' }).end())
    await expect(remote.client.put('k', body, {})).rejects.toMatchObject({ code: 'peer-refused' })
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['cuts the body', { 'content-length': '10', 'content-range': 'bytes 0-9/10' }, 4],
    ['has another length than it was asked for', { 'content-range': 'bytes 0-9/10' }, 9],
    ['sends another range', { 'content-range': 'bytes 1-10/11' }, 10],
    ['says that the object is longer', { 'content-range': 'bytes 0-9/11' }, 10],
  ] as const)('is not believed when it %s', async (_, headers, bytes) => {
    play((_, response) => {
      response.writeHead(206, headers).write(body.subarray(0, bytes))
      response.socket!.end()
    })
    await expect(remote.client.getRange('k', 0, 10, object)).rejects.toMatchObject({
      code: 'peer-unavailable',
    })
    expect(asked.length).toBeGreaterThan(4)
  })

  it('does not hold anybody up when it says nothing', async () => {
    play(() => {})
    using hasty = await openTestRemote({ endpoint, bucket: 'b', credentials }, { idleMs: 200 })
    await expect(hasty.client.head('k')).rejects.toThrow(/no progress in time/)
  })

  it('is told from one that changed under the reader', async () => {
    play((_, response) => response.writeHead(412).end())
    await expect(remote.client.getRange('k', 0, 10, object)).rejects.toMatchObject({ code: 'store-damaged' })
  })

  it('is not believed when it fails with a 200', async () => {
    play((_, response) => response.writeHead(200).end('<Error><Code>InternalError</Code></Error>'))
    await expect(remote.client.completeUpload('k', 'u', ['e'])).rejects.toThrow(/InternalError/)
  })

  it('is asked again when a completed upload fails with a 200, and believed when that went through', async () => {
    const answers = [
      [200, '<Error><Code>InternalError</Code></Error>'],
      [200, '<CompleteMultipartUploadResult/>'],
    ] as const
    let at = 0
    play((_, response) => response.writeHead(answers[at]![0]).end(answers[at++]![1]))
    await remote.client.completeUpload('k', 'u', ['e'])
    expect(asked).toHaveLength(2)
  })

  it('has completed an upload that is gone after an answer was lost, and not one that never was', async () => {
    const gone = '<Error><Code>NoSuchUpload</Code></Error>'
    play((request, response) => {
      if (asked.length === 1) request.socket.destroy()
      else response.writeHead(404).end(gone)
    })
    await remote.client.completeUpload('k', 'u', ['e'])
    expect(asked).toHaveLength(2)
    play((_, response) => response.writeHead(404).end(gone))
    await expect(remote.client.completeUpload('k', 'u', ['e'])).rejects.toThrow(/NoSuchUpload/)
  })

  it('cannot keep anybody busy with a listing of nothing but beginnings', async () => {
    play((_, response) =>
      response.writeHead(200).end(`<ListBucketResult>${'<Contents>'.repeat(1_000_000)}</ListBucketResult>`),
    )
    const listing = async (): Promise<void> => {
      for await (const _ of remote.client.list('')) void _
    }
    await expect(listing()).rejects.toThrow(/breaks off/)
  })

  it('that lists without end is told from one that has ended', async () => {
    play((_, response) =>
      response.writeHead(200).end('<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'),
    )
    const listing = async (): Promise<void> => {
      for await (const _ of remote.client.list('')) void _
    }
    await expect(listing()).rejects.toThrow(/breaks off/)
  })
})

describe('a remote store over TLS', () => {
  let own: TlsIdentity
  let server: ReturnType<typeof createTlsServer>
  let endpoint: string
  beforeAll(async () => {
    own = await createTlsIdentity('vault', ['localhost'], Date.now())
    server = createTlsServer({ key: own.key, cert: own.certificate }, (request, response) => {
      request.resume().on('end', () => response.end())
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    endpoint = `https://localhost:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })

  it('is taken by its pinned certificate, and by no other', async () => {
    const other = await createTlsIdentity('vault', ['localhost'], Date.now())
    for (const [certificate, taken] of [
      [own.certificate, true],
      [other.certificate, false],
      // A public authority would have to vouch for it.
      [null, false],
    ] as const) {
      using remote = await openTestRemote({ endpoint, bucket: 'b', credentials, certificate })
      const outcome = await remote.client.put('k', Buffer.from('x'), {}).then(
        () => true,
        () => false,
      )
      expect(outcome).toBe(taken)
    }
  })
})

describe('a real store', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app[Symbol.asyncDispose]())

  it('refuses a wrong signature, and the message has no secret', async () => {
    const customer = await app.customer('vault', 1, 1)
    await customer.s3('PUT', '/backups')
    const { endpoint, accessKeyId } = customer.credentials
    using remote = await openTestRemote({
      endpoint,
      bucket: 'backups',
      credentials: { accessKeyId, secretAccessKey: credentials.secretAccessKey },
    })
    const depot = createS3Depot(remote.client, { name: 'vault', prefix: '' })
    const failure = await depot.put('k', Buffer.from('x')).catch((error: Error) => error.message)
    expect(failure).toMatch(/SignatureDoesNotMatch/)
    expect(failure).not.toContain(credentials.secretAccessKey)
  })
})

describe('where a remote store may be', () => {
  const ask = (change: {
    country?: CountryCode | 'home' | null
    declared?: CountryCode | null
    isPlain?: boolean
    holds?: 'backup' | 'public-log'
    registered?: boolean
  }): string => {
    const { country = IN, declared = null, isPlain = false, holds = 'backup', registered = true } = change
    const decision = decideOutbound({
      action: 'outbound',
      purpose: 'remote-store',
      host: '198.51.100.7',
      port: 443,
      certificate: '',
      registered,
      instruction: null,
      remote: { name: 'vault.example', isPlain, country, declared, from: IN, holds },
    })
    return isRefusal(decision) ? decision.rule : 'allowed'
  }

  it.each([
    [{}, 'allowed'],
    [{ country: 'home' }, 'allowed'],
    [{ declared: IN }, 'allowed'],
    [{ registered: false }, 'outbound-not-registered'],
    [{ country: DE }, 'backup-leaves-the-country'],
    // The configuration's word alone is nobody's.
    [{ country: null, declared: IN }, 'remote-place-unknown'],
    [{ country: DE, declared: IN }, 'remote-place-contradicts'],
    [{ country: IN, declared: DE }, 'remote-place-contradicts'],
    [{ isPlain: true }, 'remote-takes-tls'],
    [{ isPlain: true, country: 'home' }, 'allowed'],
    [{ country: DE, holds: 'public-log' }, 'allowed'],
    [{ country: null, holds: 'public-log' }, 'allowed'],
    [{ country: DE, declared: IN, holds: 'public-log' }, 'remote-place-contradicts'],
    [{ isPlain: true, country: DE, holds: 'public-log' }, 'remote-takes-tls'],
  ] as const)('%j: %s', (change, verdict) => expect(ask(change)).toBe(verdict))

  it('says what a backup abroad would take', () => {
    const decision = decideOutbound({
      action: 'outbound',
      purpose: 'remote-store',
      host: '198.51.100.7',
      port: 443,
      certificate: '',
      registered: true,
      instruction: null,
      remote: { name: 'v', isPlain: false, country: DE, declared: null, from: IN, holds: 'backup' },
    })
    expect((decision as { message: string }).message).toMatch(/no kind of instruction for it yet/)
  })
})
