/** A region with witnesses that are processes of their own, on its HTTP side and on the customer's. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EntryId } from '../../src/core/ids.ts'
import { parseTypedVerifierKey } from '../../src/verify/verifier-key.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import { crypto } from '../support/ledger.ts'
import { createWitnessProcess, type WitnessProcess } from '../support/witness.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

describe('a region with two witnesses', () => {
  let app: TestApp
  let acme: Customer
  let one: WitnessProcess
  let two: WitnessProcess
  let bucket = 0
  const vkeys: string[] = []
  const config = () =>
    [one, two].map(({ name, vkey, url }, i) => ({
      name: `w${i + 1}`,
      vkey,
      key: parseTypedVerifierKey(vkey, crypto)!,
      url,
      operator: name,
      country: null,
      certificate: '',
    }))

  /** Something new in the books; its entry. */
  const write = async (): Promise<EntryId> => {
    const name = `papers-${bucket++}`
    const made = await acme.s3('PUT', `/${name}`)
    expect(made.status).toBe(200)
    return made.headers.get('x-holdfast-entry') as EntryId
  }
  const receipt = async (entry: string, query = ''): Promise<Response> =>
    fetch(`${app.api}/api/v1/entries/${entry}/receipt${query}`, {
      headers: { authorization: `Bearer ${acme.credentials.apiToken}` },
    })
  const cosigners = (note: string): string[] =>
    [one, two].filter(({ name }) => note.includes(`\u2014 ${name} `)).map(({ name }) => name)
  /** Waits until it is so: cosigning goes on beside everything else. */
  const until = async <T>(look: () => Promise<T | null>): Promise<T> => {
    for (;;) {
      const found = await look()
      if (found !== null) return found
      await pause(100)
    }
  }
  const receiptBy = (entry: string, count: number): Promise<string> =>
    until(async () => {
      const response = await receipt(entry, '?witnessed=true')
      const text = await response.text()
      return response.status === 200 && cosigners(text).length >= count ? text : null
    })
  const verify = async (text: string, policy: string) => {
    const folder = join(app.folder, 'checks')
    mkdirSync(folder, { recursive: true })
    const file = join(folder, 'r.txt')
    writeFileSync(file, text)
    writeFileSync(join(folder, 'policy'), policy)
    const args = [
      'verify',
      file,
      '--trust',
      join(acme.folder, 'trust.json'),
      '--policy',
      join(folder, 'policy'),
    ]
    const { code, stdout, stderr } = await run(process.execPath, [main, ...args, '--json'])
    if (stdout === '') throw new Error(stderr)
    const { files } = JSON.parse(stdout) as { files: { kind: string; failures: string[]; facts: object }[] }
    return { code, ...files[0]! }
  }
  const policy = (rule: string): string =>
    `${vkeys.map(vkey => `log ${vkey}\n`).join('')}witness one ${one.vkey}\nwitness two ${two.vkey}\n${rule}quorum Q\n`
  const metric = async (pattern: RegExp): Promise<number> =>
    Number(pattern.exec(await (await fetch(`${app.api}/metrics`)).text())?.[1] ?? Number.NaN)

  beforeAll(async () => {
    one = await createWitnessProcess('one.example/w', () => vkeys)
    two = await createWitnessProcess('two.example/w', () => vkeys)
    app = await startTestApp()
    for (const { logKey } of app.app.regions.values()) vkeys.push(logKey.vkey)
    await one.start()
    await two.start()
    await app.restart({ witnesses: config() })
    acme = await app.customer('acme', 1, 1)
  })
  afterAll(async () => {
    await app[Symbol.asyncDispose]()
    await one[Symbol.asyncDispose]()
    await two[Symbol.asyncDispose]()
  })

  it('gives receipts that both have cosigned, and a quorum of both verifies', async () => {
    const entry = await write()
    const text = await receiptBy(entry, 2)
    const verdict = await verify(text, policy('group Q all one two\n'))
    expect(verdict).toMatchObject({ code: 0, kind: 'receipt', facts: { witnessedBy: 'one, two' } })
    expect((verdict.facts as { witnessedAt: string }).witnessedAt).toMatch(/^20..-..-..T/)
  })

  it('publishes the checkpoint with their cosignatures, the log’s signature first', async () => {
    const note = await until(async () => {
      const text = await (await fetch(`${app.api}/log/in-mumbai/checkpoint`)).text()
      return cosigners(text).length === 2 ? text : null
    })
    const lines = note.split('\n\n')[1]!.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^\u2014 holdfast\.test\/log\/in-mumbai /)
    expect(lines).toHaveLength(3)
    expect(await verify(note, policy('group Q all one two\n'))).toMatchObject({ code: 0, kind: 'checkpoint' })
  })

  it('gives statements that they have cosigned', async () => {
    const entry = await write()
    await receiptBy(entry, 2)
    const response = await fetch(`${app.api}/api/v1/regions/in-mumbai/statement`, {
      headers: { authorization: `Bearer ${acme.credentials.apiToken}` },
    })
    const verdict = await verify(await response.text(), policy('group Q all one two\n'))
    expect(verdict).toMatchObject({ code: 0, kind: 'statement', facts: { witnessedBy: 'one, two' } })
  })

  it('a policy for another log, or with a region as its own witness, verifies nothing', async () => {
    const text = await receiptBy(await write(), 2)
    const own = `witness one ${one.vkey}\nlog ${vkeys[1]}\nquorum one\n`
    expect(await verify(text, own)).toMatchObject({
      code: 1,
      failures: [expect.stringContaining('other logs')],
    })
  })

  it('goes on writing without one of them, says that a quorum of both is not met, and catches up', async () => {
    await two.kill()
    const entry = await write()
    const text = await receiptBy(entry, 1)
    expect(cosigners(text)).toEqual([one.name])
    expect(await verify(text, policy('group Q any one two\n'))).toMatchObject({ code: 0 })
    const all = await verify(text, policy('group Q all one two\n'))
    expect(all).toMatchObject({ code: 1 })
    expect(all.failures.join()).toContain('witness two is missing')
    expect(
      await metric(/holdfast_witness_lag_entries\{region="in-mumbai",witness="w2"\} (\d+)/),
    ).toBeGreaterThan(0)
    await two.start()
    const whole = await receiptBy(entry, 2)
    expect(await verify(whole, policy('group Q all one two\n'))).toMatchObject({ code: 0 })
  })

  it('takes up after a restart where the witnesses are', async () => {
    const before = await write()
    await app.restart({ witnesses: config() })
    expect(cosigners(await receiptBy(before, 2))).toHaveLength(2)
    expect(cosigners(await receiptBy(await write(), 2))).toHaveLength(2)
  })

  it('keeps what they said through a restart without them', async () => {
    const entry = await write()
    await receiptBy(entry, 2)
    await app.restart({ witnesses: config().map(each => ({ ...each, url: 'http://127.0.0.1:1' })) })
    expect(cosigners(await (await receipt(entry, '?witnessed=true')).text())).toHaveLength(2)
    const fresh = await write()
    expect((await receipt(fresh, '?witnessed=true')).status).toBe(202)
    await until(async () => ((await receipt(fresh)).status === 200 ? true : null))
  })

  it('judges an expiry by the time that they said, also with its clock turned back', async () => {
    const region = [...app.app.regions.values()][0]!
    const now = Date.now()
    expect(region.lawfulNow()).toBeGreaterThan(now - 600_000)
    await app.restart({ witnesses: config() }, () => now - 30 * 86_400_000)
    expect([...app.app.regions.values()][0]!.lawfulNow()).toBeGreaterThan(now - 600_000)
  })
})
