import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { createS3, type S3, send } from '../support/s3.ts'

let app: TestApp
let s3: S3
beforeAll(async () => {
  app = await startTestApp()
  const { credentials } = await app.customer('acme', 1, 1)
  s3 = createS3(credentials.endpoint, credentials)
  await s3.makeBucket('shared')
  await s3.makeBucket('alone')
  expect((await configure('shared', rules)).status).toBe(200)
  await s3.put('/shared/k', 'body')
})
afterAll(() => app[Symbol.asyncDispose]())

const rules = `
<CORSRule><ID>pages</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedOrigin>https://one.test</AllowedOrigin>
<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>Content-Type</AllowedHeader>
<MaxAgeSeconds>300</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-version-id</ExposeHeader></CORSRule>
<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>`
const configure = (bucket: string, text: string) =>
  s3.call('PUT', `/${bucket}`, {
    query: { cors: '' },
    body: `<CORSConfiguration>${text}</CORSConfiguration>`,
  })
const preflight = (path: string, headers: Record<string, string>) =>
  send(false, s3.endpoint, 'OPTIONS', path, headers, '')
const ask = (origin: string, method: string, names?: string) => ({
  origin,
  'access-control-request-method': method,
  ...(names !== undefined && { 'access-control-request-headers': names }),
})

describe('the configuration', () => {
  it('is answered as it was understood, and taken away', async () => {
    const shown = (await s3.call('GET', '/shared', { query: { cors: '' } })).body.toString()
    expect(shown).toContain('<ID>pages</ID><AllowedOrigin>https://*.example.com</AllowedOrigin>')
    expect(shown).toContain('<MaxAgeSeconds>300</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader>')
    const none = await s3.call('GET', '/alone', { query: { cors: '' } })
    expect([none.status, none.code]).toEqual([404, 'NoSuchCORSConfiguration'])
    await s3.makeBucket('passing')
    await configure('passing', rules)
    expect((await s3.call('DELETE', '/passing', { query: { cors: '' } })).status).toBe(204)
    expect((await preflight('/passing/k', ask('https://one.test', 'GET'))).status).toBe(403)
  })

  const one = (inner: string) => `<CORSRule>${inner}</CORSRule>`
  const origin = '<AllowedOrigin>*</AllowedOrigin>'
  const method = '<AllowedMethod>GET</AllowedMethod>'
  it.each([
    ['no rule', '', 'MalformedXML'],
    ['no origin', one(method), 'MalformedXML'],
    ['no method', one(origin), 'MalformedXML'],
    ['another method', one(`${origin}<AllowedMethod>PATCH</AllowedMethod>`), 'InvalidRequest'],
    ['two stars', one(`<AllowedOrigin>http://*.*</AllowedOrigin>${method}`), 'InvalidRequest'],
    ['two stars in a header', one(`${origin}${method}<AllowedHeader>*-*</AllowedHeader>`), 'InvalidRequest'],
    ['a star exposed', one(`${origin}${method}<ExposeHeader>x-*</ExposeHeader>`), 'InvalidRequest'],
    ['an age that is none', one(`${origin}${method}<MaxAgeSeconds>x</MaxAgeSeconds>`), 'MalformedXML'],
    ['too many rules', one(`${origin}${method}`).repeat(101), 'InvalidRequest'],
  ])('is refused with %s', async (_what, text, code) => {
    const reply = await configure('alone', text)
    expect([reply.status, reply.code]).toEqual([400, code])
  })
})

describe('a preflight request', () => {
  it('is answered without a signature, by the rule that fits', async () => {
    const reply = await preflight(
      '/shared/k',
      ask('https://a.example.com', 'PUT', 'X-Amz-Date, content-type'),
    )
    expect(reply.status).toBe(200)
    expect(reply.headers).toMatchObject({
      'access-control-allow-origin': 'https://a.example.com',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'x-amz-date, content-type',
      'access-control-expose-headers': 'ETag, x-amz-version-id',
      'access-control-max-age': '300',
      'access-control-allow-credentials': 'true',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
    const anyone = await preflight('/shared?X-Amz-Signature=x', ask('null', 'HEAD'))
    expect([anyone.status, anyone.headers['access-control-allow-origin']]).toEqual([200, '*'])
    expect(anyone.headers['access-control-allow-credentials']).toBeUndefined()
  })

  it.each([
    ['an origin that is not let in', '/shared/k', ask('https://example.com', 'GET'), 403, 'AccessForbidden'],
    ['a method', '/shared/k', ask('https://one.test', 'DELETE'), 403, 'AccessForbidden'],
    ['a header', '/shared/k', ask('https://one.test', 'GET', 'x-other'), 403, 'AccessForbidden'],
    ['a bucket without rules', '/alone/k', ask('https://one.test', 'GET'), 403, 'AccessForbidden'],
    ['a bucket that is not there', '/no-such/k', ask('https://one.test', 'GET'), 403, 'AccessForbidden'],
    ['no origin', '/shared/k', { 'access-control-request-method': 'GET' }, 400, 'BadRequest'],
    ['no method', '/shared/k', { origin: 'https://one.test' }, 400, 'BadRequest'],
  ])('is refused for %s', async (_what, path, headers, status, code) => {
    const reply = await preflight(path, headers as Record<string, string>)
    expect([reply.status, reply.code]).toEqual([status, code])
    expect(reply.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('an answer to a web page', () => {
  it.each([
    ['what is there', '/shared/k', 200],
    ['what is not', '/shared/none', 404],
  ])('says that it may read it: %s', async (_what, path, status) => {
    const reply = await s3.get(path, { origin: 'https://one.test' })
    expect([reply.status, reply.headers['access-control-allow-origin']]).toEqual([status, 'https://one.test'])
    expect(reply.headers['access-control-expose-headers']).toBe('ETag, x-amz-version-id')
  })

  it('also when the page is not let in, and nothing to other pages or to none', async () => {
    const path = '/shared/k'
    const unsigned = await new Promise<[number, unknown]>((resolve, reject) => {
      const headers = { origin: 'https://one.test' }
      request(new URL(path, s3.endpoint), { headers }, reply => {
        reply.resume()
        resolve([reply.statusCode!, reply.headers['access-control-allow-origin']])
      })
        .on('error', reject)
        .end()
    })
    expect(unsigned).toEqual([403, 'https://one.test'])
    for (const headers of [{ origin: 'https://else.test' }, {}])
      expect((await s3.get(path, headers)).headers['access-control-allow-origin']).toBeUndefined()
  })
})
