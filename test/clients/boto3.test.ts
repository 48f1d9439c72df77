import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../support/child.ts'
import { clientEnv } from '../support/client-env.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'

const script = join(import.meta.dirname, 'boto.py')
const checks = [
  'buckets',
  'sizes',
  'checksums',
  'metadata',
  'odd_keys',
  'listing',
  'delete_objects',
  'copies',
  'ranges',
  'conditions',
  'race',
  'multipart',
  'multipart_by_hand',
  'presigned',
  'virtual_hosts',
  'subresources',
  'strangers',
  'versions',
  'tags',
  'locks',
  'conditional_deletes',
  'accounts',
  'anonymous',
  'customer_keys',
  'attributes',
  'forms',
  'cors',
]

describeWith('python3:boto3', 'boto3', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ tls: true })
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  // Over TLS boto3 sends bodies as unsigned chunks with a trailer, over HTTP as they are: two paths through the server.
  for (const scheme of ['http', 'https']) {
    it.each(checks)(`over ${scheme}: %s`, async check => {
      const endpoint = scheme === 'http' ? holdfast.endpoint : holdfast.tlsEndpoint
      const { code, stderr } = await run('python3', [script, endpoint, check], { env: clientEnv(holdfast) })
      expect(stderr).toBe('')
      expect(code).toBe(0)
    })
  }
})
