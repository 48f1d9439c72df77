import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import type { EntryId } from '../../src/core/ids.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { pureVerifyCrypto } from '../../src/crypto/pure-verify-crypto.ts'
import { createPromiser } from '../../src/ledger/promises.ts'
import { verifyReceipt } from '../../src/verify/receipt.ts'
import { verifyStatement } from '../../src/verify/statement.ts'
import { startBrowser } from '../support/browser.ts'
import { run } from '../support/child.ts'
import { createTestLedger, region, type TestLedger, type TestTenant } from '../support/ledger.ts'
import { describeWith } from '../support/program.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-library-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let ledger: TestLedger
let alice: TestTenant
let receipt: string
let statement: Uint8Array
let promise: string

beforeAll(async () => {
  ledger = await createTestLedger()
  alice = await ledger.join()
  let last: EntryId | null = null
  for (let i = 0; i < 300; i++) last = await ledger.draft(alice, `bücket ${i}`)
  const drafted = ledger.drafts.draft({
    tenant: alice.id,
    type: 'bucket.deleted',
    body: { bucket: 'p', by: { accessKeyId: 'AK' } },
  })
  await ledger.catalog.commit({ puts: [drafted.put] })
  const sequencer = ledger.newSequencer()
  while ((await sequencer.tick()).entered > 0);
  receipt = await ledger.receipt(alice, last!)
  statement = await ledger.statement(alice)
  const { signer } = ledger
  const { verifyEd25519: _, ...crypto } = nodeVerifyCrypto
  const promiser = createPromiser({
    region,
    signer,
    clock: Date.now,
    crypto: { ...crypto, verifyEd25519: nodeVerifyCrypto.verifyEd25519 },
  })
  promise = (await promiser.promise([drafted]))!
  const built = await run('npm', ['run', '--silent', 'build'], { cwd: root })
  if (built.code !== 0) throw new Error(built.stderr)
  for (const [name, bytes] of [
    ['trust.json', alice.trustText],
    ['r.txt', receipt],
    ['s.json', statement],
    ['p.txt', `${promise}\n`],
    ['bad.json', Buffer.from(statement).toString('utf8').replace('bücket 7"', 'bücket 8"')],
  ] as const)
    writeFileSync(join(folder, name), bytes)
})

describe('cryptography in plain JavaScript', () => {
  it('is that of node:crypto', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(toHex(pureVerifyCrypto.sha256(bytes))).toBe(toHex(nodeVerifyCrypto.sha256(bytes)))
        const [pure, node] = [pureVerifyCrypto.sha256Stream(), nodeVerifyCrypto.sha256Stream()]
        for (const stream of [pure, node]) {
          stream.update(bytes)
          stream.update(bytes.subarray(0, 5))
        }
        expect(toHex(pure.digest())).toBe(toHex(node.digest()))
      }),
    )
    for (let i = 0; i < 20; i++) {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519')
      const key = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
      const message = randomBytes(i * 7)
      const signature = sign(null, message, privateKey)
      expect(pureVerifyCrypto.verifyEd25519(key, message, signature)).toBe(true)
      signature[i]! ^= 1
      expect(pureVerifyCrypto.verifyEd25519(key, message, signature)).toBe(false)
    }
  })

  // RFC 8032 section 5.1.7: S must be below the group order; and what libraries disagree about is refused.
  it.each([
    ['no key', '00', '00', ''],
    ['a signature that is too short', '00'.repeat(32), '00'.repeat(63), ''],
    [
      'S at the group order',
      '01'.padEnd(64, '0'),
      `${'01'.padEnd(64, '0')}edd3f55c1a631258d69cf7a2def9de14${'0'.repeat(31)}1`,
      '00',
    ],
  ])('refuses %s', (_, key, signature, message) => {
    const [publicKey, signed, text] = [
      fromHex(key)!,
      fromHex(signature.padEnd(signature.length + (signature.length % 2), '0'))!,
      fromHex(message)!,
    ]
    for (const crypto of [pureVerifyCrypto, nodeVerifyCrypto])
      expect(crypto.verifyEd25519(publicKey, text, signed)).toBe(false)
  })

  it('carries the verifier', () => {
    expect(verifyReceipt(receipt, alice.trust, pureVerifyCrypto).verified).toBe(true)
    expect(verifyStatement(statement, alice.trust, pureVerifyCrypto)).toMatchObject({
      verified: true,
      count: 302,
    })
  })
})

describe('the library holdfast/verify', () => {
  it('is one file that asks for nothing of Node', () => {
    const text = readFileSync(join(root, 'dist', 'verify.js'), 'utf8')
    expect(text).not.toMatch(/^\s*import\b/m)
    expect(text).not.toMatch(/\brequire\(|['"]node:/)
  })

  it('is imported by name, with its types, by a project that has nothing else', async () => {
    const project = join(folder, 'project')
    const installed = join(project, 'node_modules', 'holdfast')
    mkdirSync(installed, { recursive: true })
    cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(installed, 'package.json'))
    const script = `
      import { readFileSync } from 'node:fs'
      import { parseTrust, pureVerifyCrypto, type Trust, verifyReceipt, verifyStatement } from 'holdfast/verify'
      const trust: Trust | string = parseTrust(readFileSync('../trust.json', 'utf8'), pureVerifyCrypto)
      if (typeof trust === 'string') throw new Error(trust)
      const receipt = verifyReceipt(readFileSync('../r.txt', 'utf8'), trust, pureVerifyCrypto)
      const statement = verifyStatement(readFileSync('../s.json'), trust, pureVerifyCrypto)
      const bad = verifyStatement(readFileSync('../bad.json'), trust, pureVerifyCrypto)
      console.log(receipt.verified, statement.verified && statement.count, bad.verified)
      // @ts-expect-error a receipt that did not verify has no entry
      console.log(receipt.entry)
    `
    writeFileSync(join(project, 'check.ts'), script)
    writeFileSync(join(project, 'package.json'), '{"type":"module"}')
    const ran = await run(process.execPath, ['check.ts'], { cwd: project })
    expect(ran.stderr).toBe('')
    expect(ran.stdout).toMatch(/^true 302 false\n/)
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--skipLibCheck',
      'false',
      '--typeRoots',
      join(root, 'node_modules', '@types'),
      '--types',
      'node',
    ]
    const typed = await run(
      process.execPath,
      [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...options, 'check.ts'],
      { cwd: project },
    )
    expect(typed).toMatchObject({ code: 0, stdout: '' })
  })
})

describeWith('chromium', 'the verifier as a page', () => {
  it('verifies files offline, says what is wrong, and can send nothing', async () => {
    const browser = await startBrowser()
    try {
      const page = await browser.newPage()
      const errors: string[] = []
      page.on('pageerror', error => errors.push(String(error)))
      await page.goto(`file://${join(root, 'dist', 'verify.html')}`)
      const input = (await page.$('#files'))!
      const upload = async (...names: string[]): Promise<string[]> => {
        const before = await page.$$eval('article', all => all.length)
        await input.uploadFile(...names.map(name => join(folder, name)))
        await page.waitForFunction(`document.querySelectorAll('article').length > ${before}`)
        return page.$$eval('article', all => all.map(each => `${each.className}: ${each.textContent}`))
      }
      expect(await upload('r.txt')).toEqual([
        expect.stringMatching(/^bad: ✖ receipt not verified r\.txt.*not anchored/),
      ])
      const said = await upload('trust.json', 's.json', 'p.txt', 'bad.json')
      expect(said).toHaveLength(4)
      expect(said[0]).toMatch(/^good: ✓ receipt verified r\.txt/)
      expect(said[1]).toMatch(/^good: ✓ statement verified s\.json.*entries302/)
      expect(said[2]).toMatch(/^good: ✓ promise verified p\.txt.*kept1 of 1/)
      expect(said[3]).toMatch(/^bad: ✖ statement not verified bad\.json/)
      expect(await page.$eval('#anchor', each => each.textContent)).toContain('Anchored: tenant Example')
      const sent = await page.evaluate(() =>
        fetch('http://127.0.0.1:9/').then(
          () => 'sent',
          error => String(error),
        ),
      )
      expect(sent).toContain('Failed to fetch')
      expect(errors).toEqual([])
      await page.setViewport({ width: 390, height: 844 })
      const wide = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth')
      expect(wide).toBe(false)
      if (process.env.HOLDFAST_SCREENSHOTS)
        await page.screenshot({
          path: join(process.env.HOLDFAST_SCREENSHOTS, 'verify-page.png'),
          fullPage: true,
        })
    } finally {
      await browser.close()
    }
  })
})
