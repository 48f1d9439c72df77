import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { webhookCommand } from '../../src/cli/webhook.ts'
import { createTlsIdentity } from '../../src/crypto/tls-identity.ts'
import { isRefusal } from '../../src/policy/authorized.ts'
import { decideOutbound } from '../../src/policy/decide.ts'
import { rowsOf } from '../../src/store/rows-of.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3 } from '../support/s3.ts'

interface Record1 {
  eventName: string
  awsRegion: string
  s3: {
    configurationId: string
    bucket: { name: string }
    object: { key: string; size?: number; eTag?: string; versionId?: string; sequencer: string }
  }
}

let app: TestApp
let acme: Customer
let s3: S3
let server: Server
/** What the webhook was told, and how it answers. */
let told: Record1[] = []
let status = 200
let url: string
let arn: string
beforeAll(async () => {
  app = await startTestApp({ lifecycleDayMs: 400 })
  acme = await app.customer('acme', 1, 1)
  s3 = createS3(acme.credentials.endpoint, acme.credentials)
  server = createServer((message, response) => {
    const chunks: Buffer[] = []
    message.on('data', chunk => chunks.push(chunk))
    message.on('end', () => {
      if (status === 200) told.push(...JSON.parse(Buffer.concat(chunks).toString()).Records)
      response.writeHead(status).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/told?by=holdfast`
  arn = await register('hook', url)
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await app[Symbol.asyncDispose]()
})
beforeEach(() => {
  told = []
  status = 200
})

const catalog = () => app.app.regions.get('in-mumbai' as never)!.catalog

async function api(method: string, path: string, body?: object) {
  const reply = await fetch(`${app.api}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${acme.credentials.apiToken}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: reply.status, json: (await reply.json()) as { arn: string; webhooks: { arn: string }[] } }
}

async function register(name: string, url: string, certificate: string | null = null): Promise<string> {
  const made = await api('POST', '/webhooks', { region: 'in-mumbai', name, url, certificate })
  expect(made.status).toBe(201)
  return made.json.arn
}

let made = 0
async function makeBucket(configurations: string, versioned = false): Promise<string> {
  const name = `told-${++made}`
  await s3.makeBucket(name)
  if (versioned) {
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    await s3.call('PUT', `/${name}`, { query: { versioning: '' }, body })
  }
  expect((await notify(name, configurations)).status).toBe(200)
  return name
}
const notify = (bucket: string, configurations: string) =>
  s3.call('PUT', `/${bucket}`, {
    query: { notification: '' },
    body: `<NotificationConfiguration>${configurations}</NotificationConfiguration>`,
  })
const topic = (events: readonly string[], { id = 'first', filter = '', to = arn } = {}) =>
  `<TopicConfiguration><Id>${id}</Id><Topic>${to}</Topic>${events.map(event => `<Event>${event}</Event>`).join('')}${filter}</TopicConfiguration>`
const filter = (...rules: readonly (readonly [string, string])[]) =>
  `<Filter><S3Key>${rules.map(([name, value]) => `<FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule>`).join('')}</S3Key></Filter>`

async function until<Seen>(look: () => Seen, wanted: Seen): Promise<void> {
  for (let i = 0; i < 1200 && JSON.stringify(look()) !== JSON.stringify(wanted); i++) await sleep(100)
  expect(look()).toEqual(wanted)
}
const names = () => told.map(({ eventName, s3 }) => `${eventName} ${s3.object.key}`)

describe('a webhook is told', () => {
  it('of what is written, deleted, tagged and expires, in order, in S3’s words', async () => {
    const all = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:ObjectTagging:*', 's3:LifecycleExpiration:*']
    const bucket = await makeBucket(topic(all, { id: 'everything' }), true)
    const put = await s3.put(`/${bucket}/a b+c`, 'hello')
    await s3.put(`/${bucket}/copy`, '', { 'x-amz-copy-source': `/${bucket}/a%20b%2Bc` })
    await s3.putParts(`/${bucket}/parts`, [Buffer.from('one')])
    const body = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>'
    await s3.call('PUT', `/${bucket}/copy`, { query: { tagging: '' }, body })
    await s3.call('DELETE', `/${bucket}/copy`, { query: { tagging: '' } })
    await s3.call('DELETE', `/${bucket}/copy`)
    const versionId = String(put.headers['x-amz-version-id'])
    await s3.call('DELETE', `/${bucket}/a b+c`, { query: { versionId } })
    await s3.call('PUT', `/${bucket}`, {
      query: { lifecycle: '' },
      body: '<LifecycleConfiguration><Rule><Prefix>parts</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>',
    })
    await until(names, [
      'ObjectCreated:Put a+b%2Bc',
      'ObjectCreated:Copy copy',
      'ObjectCreated:CompleteMultipartUpload parts',
      'ObjectTagging:Put copy',
      'ObjectTagging:Delete copy',
      'ObjectRemoved:DeleteMarkerCreated copy',
      'ObjectRemoved:Delete a+b%2Bc',
      'LifecycleExpiration:DeleteMarkerCreated parts',
    ])
    expect(told[0]).toMatchObject({
      eventVersion: '2.1',
      awsRegion: 'in-mumbai',
      userIdentity: { principalId: acme.credentials.accessKeyId },
      s3: {
        configurationId: 'everything',
        bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
        object: { size: 5, eTag: '5d41402abc4b2a76b9719d911017c592', versionId },
      },
    })
  })

  it('of the keys that a filter names, and of nothing that was refused', async () => {
    const bucket = await makeBucket(
      topic(['s3:ObjectCreated:Put'], { filter: filter(['prefix', 'in/'], ['suffix', '.csv']) }),
    )
    for (const key of ['in/a.csv', 'out/a.csv', 'in/a.txt', 'in/b.csv'])
      await s3.put(`/${bucket}/${key}`, '1')
    expect((await s3.call('PUT', `/${bucket}/in/c.csv`, { headers: { 'if-match': '"no"' } })).status).toBe(
      404,
    )
    await s3.call('DELETE', `/${bucket}/in/a.csv`)
    await s3.put(`/${bucket}/in/last.csv`, '1')
    await until(names, [
      'ObjectCreated:Put in/a.csv',
      'ObjectCreated:Put in/b.csv',
      'ObjectCreated:Put in/last.csv',
    ])
    expect((await s3.call('GET', `/${bucket}`, { query: { notification: '' } })).body.toString()).toContain(
      filter(['prefix', 'in/'], ['suffix', '.csv']),
    )
    await notify(bucket, '')
    await s3.put(`/${bucket}/in/d.csv`, '1')
    for await (const { value } of rowsOf(catalog(), 'events')) expect(String(value)).not.toContain('in/d.csv')
  })

  it('again and in order when it fails, and after a restart', async () => {
    const bucket = await makeBucket(topic(['s3:ObjectCreated:*']))
    status = 500
    for (const key of ['a', 'b']) await s3.put(`/${bucket}/${key}`, '1')
    await sleep(400)
    await app.restart()
    expect(told).toEqual([])
    status = 200
    await until(names, ['ObjectCreated:Put a', 'ObjectCreated:Put b'])
  })

  it('over TLS, when it shows the certificate that was registered and no other', async () => {
    const [mine, others] = [
      await createTlsIdentity('hook', [], Date.now()),
      await createTlsIdentity('x', [], Date.now()),
    ]
    const requests: string[] = []
    const tls = createTlsServer({ key: mine.key, cert: mine.certificate }, (message, response) => {
      requests.push(message.url ?? '')
      message.resume()
      response.end()
    })
    await new Promise<void>(resolve => tls.listen(0, '127.0.0.1', resolve))
    const base = `https://127.0.0.1:${(tls.address() as AddressInfo).port}`
    const pinned = await register('pinned', `${base}/pinned`, mine.certificate)
    const wrong = await register('wrong', `${base}/wrong`, others.certificate)
    const bucket = await makeBucket(
      topic(['s3:ObjectCreated:Put'], { id: 'a', to: wrong, filter: filter(['prefix', 'a']) }) +
        topic(['s3:ObjectCreated:Put'], { id: 'b', to: pinned, filter: filter(['prefix', 'b']) }),
    )
    for (const key of ['a', 'b']) await s3.put(`/${bucket}/${key}`, '1')
    await until(() => requests, ['/pinned'])
    tls.closeAllConnections()
    tls.close()
    for (const name of ['pinned', 'wrong']) await api('POST', `/webhooks/in-mumbai/${name}/delete`, {})
  })

  it('until it is given up, which is in the books', async () => {
    const gone = await register('gone', 'http://127.0.0.1:1/')
    const bucket = await makeBucket(topic(['s3:ObjectCreated:*'], { to: gone }))
    await app.restart({ webhookGiveUpMs: 1 })
    await s3.put(`/${bucket}/dropped`, '1')
    const dropped = async (): Promise<boolean> => {
      for (const table of ['drafts', 'entries'] as const)
        for await (const { value } of rowsOf(catalog(), table)) {
          const text = Buffer.from(value).toString('latin1')
          if (text.includes('notification.dropped') && text.includes(bucket)) return true
        }
      return false
    }
    for (let i = 0; i < 100 && !(await dropped()); i++) await sleep(100)
    expect(await dropped()).toBe(true)
    await app.restart()
  })
})

describe('a notification configuration', () => {
  it.each([
    ['an unknown event', () => topic(['s3:ObjectSeen:*']), 'InvalidArgument'],
    ['an ARN that is none', () => topic(['s3:ObjectCreated:*'], { to: 'hook' }), 'InvalidArgument'],
    [
      'a webhook that is not there',
      () => topic(['s3:ObjectCreated:*'], { to: `${arn}x` }),
      'InvalidArgument',
    ],
    [
      'another account’s webhook',
      () => topic(['s3:ObjectCreated:*'], { to: 'arn:holdfast:sns:in-mumbai:000000000001:hook' }),
      'InvalidArgument',
    ],
    [
      'a webhook of another region',
      () => topic(['s3:ObjectCreated:*'], { to: arn.replace('in-mumbai', 'de-frankfurt') }),
      'InvalidArgument',
    ],
    ['no event', () => topic([]), 'MalformedXML'],
    [
      'an odd filter',
      () => topic(['s3:ObjectCreated:*'], { filter: filter(['middle', 'a']) }),
      'InvalidArgument',
    ],
    [
      'two prefixes in one filter',
      () => topic(['s3:ObjectCreated:*'], { filter: filter(['prefix', 'a'], ['prefix', 'b']) }),
      'InvalidArgument',
    ],
    [
      'what overlaps',
      () =>
        topic(['s3:ObjectCreated:*'], { id: 'a', filter: filter(['prefix', 'a']) }) +
        topic(['s3:ObjectCreated:Put'], { id: 'b', filter: filter(['prefix', 'ab']) }),
      'InvalidArgument',
    ],
    ['EventBridge', () => '<EventBridgeConfiguration/>', 'NotImplemented'],
  ])('with %s is refused', async (_what, configurations, code) => {
    const name = `told-${++made}`
    await s3.makeBucket(name)
    expect((await notify(name, configurations())).code).toBe(code)
  })
})

describe('the register of webhooks', () => {
  it('is kept by the command line', async () => {
    const run = async (...argv: string[]): Promise<string> => {
      let out = ''
      const write = (text: string): void => void (out += text)
      const io = { stdout: { write }, stderr: { write }, env: {}, isTty: false }
      expect(await webhookCommand([...argv, '--customer', acme.folder], io)).toBe(0)
      return out
    }
    const made = await run('create', '--name', 'by-command', '--url', url)
    expect(made).toMatch(/^arn:holdfast:sns:in-mumbai:\d{12}:by-command\n$/)
    expect(await run('list')).toContain(`${made.trim()}  ${url}`)
    expect(await run('delete', '--name', 'by-command')).toBe('by-command  deleted\n')
    expect(await run('list')).not.toContain('by-command')
  })

  it('refuses what is no URL, no certificate, or there already', async () => {
    const post = async (change: object) =>
      (await api('POST', '/webhooks', { region: 'in-mumbai', name: 'new', url, ...change })).status
    expect(await post({ url: 'ftp://127.0.0.1/' })).toBe(400)
    expect(await post({ certificate: 'none' })).toBe(400)
    expect(await post({ name: 'hook' })).toBe(409)
    expect(await post({ region: 'nowhere' })).toBe(404)
    expect((await api('GET', '/webhooks')).json.webhooks.map(hook => hook.arn)).toContain(arn)
  })

  it.each([
    ['unknown', null, false, 'webhook-place-unknown'],
    ['abroad', 'DE', false, 'webhook-leaves-the-country'],
    ['in the country without TLS', 'IN', true, 'webhook-place-unknown'],
    ['in the country', 'IN', false, null],
    ['on this machine', 'home', true, null],
  ] as const)(
    'lets nothing leave for a place that is %s unless it is at home',
    (_what, country, isPlain, rule) => {
      const decision = decideOutbound({
        action: 'outbound',
        purpose: 'webhook',
        host: '192.0.2.1',
        port: 443,
        certificate: '',
        registered: true,
        instruction: null,
        webhook: { name: 'hook.example', isPlain, country: country as never, from: 'IN' as never },
      })
      expect(isRefusal(decision) ? decision.rule : null).toBe(rule)
    },
  )
})
