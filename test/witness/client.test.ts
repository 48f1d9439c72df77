/** The client against witnesses that lie, hang, or have seen another tree. */

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { WitnessConfig } from '../../src/config.ts'
import { printCosignature } from '../../src/verify/cosignature.ts'
import { parseNote } from '../../src/verify/note.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import { makeCosigner } from '../support/witness.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const seconds = () => Math.floor(Date.now() / 1000)

interface Asked {
  readonly old: number
  readonly origin: string
  readonly size: number
  readonly text: string
}
type Reply = (asked: Asked) => { status: number; text: string; type?: string } | 'hang'

/** A witness that says whatever a test wants. */
async function fakeWitness(): Promise<
  AsyncDisposable & {
    config: WitnessConfig
    asked: Asked[]
    reply: Reply
    cosigner: ReturnType<typeof makeCosigner>
  }
> {
  const cosigner = makeCosigner('fake.example/w')
  const state = { reply: (() => 'hang') as Reply, asked: [] as Asked[] }
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const note = body.slice(body.indexOf('\n\n') + 2)
    const [origin = '', size = ''] = note.split('\n')
    const asked = {
      old: Number(body.split('\n')[0]!.slice(4)),
      origin,
      size: Number(size),
      text: parseNote(note)!.text,
    }
    state.asked.push(asked)
    const reply = state.reply(asked)
    if (reply === 'hang') return
    response.writeHead(reply.status, { 'content-type': reply.type ?? 'text/plain' }).end(reply.text)
  }
  const server: Server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix/`
  const { vkey } = cosigner
  return {
    cosigner,
    config: { name: 'fake', vkey, key: cosigner, url, operator: 'fake', country: null, certificate: '' },
    get asked() {
      return state.asked
    },
    get reply() {
      return state.reply
    },
    set reply(reply) {
      state.reply = reply
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

describe('a region whose witness', () => {
  let fake: Awaited<ReturnType<typeof fakeWitness>>
  let app: TestApp
  let acme: Customer
  let bucket = 0
  const write = async (): Promise<Response> => acme.s3('PUT', `/papers-${bucket++}`)
  const published = async (): Promise<string> => (await fetch(`${app.api}/log/in-mumbai/checkpoint`)).text()
  const ready = async (): Promise<string> => (await fetch(`${app.api}/readyz`)).text()
  const answers = async (outcome: string): Promise<number> => {
    const text = await (await fetch(`${app.api}/metrics`)).text()
    const line = new RegExp(
      `holdfast_witness_answers_total\\{region="in-mumbai",witness="fake",outcome="${outcome}"\\} (\\d+)`,
    )
    return Number(line.exec(text)?.[1] ?? 0)
  }
  const until = async (look: () => Promise<boolean>): Promise<void> => {
    const giveUp = Date.now() + 60_000
    while (!(await look())) {
      const asked = fake.asked.map(({ origin, old, size }) => `${origin} ${old} ${size}`)
      if (Date.now() > giveUp)
        throw new Error(`still not so: ${await ready()}${await published()}${asked.join('\n')}`)
      await pause(50)
    }
  }
  /** Of a tree with something in it: an empty one is published and cosigned too. */
  const cosigned = async (): Promise<boolean> => {
    const note = await published()
    return note.includes('fake.example') && note.split('\n')[1] !== '0'
  }
  const honest: Reply = ({ text }) => ({
    status: 200,
    text: printCosignature(text, seconds(), fake.cosigner),
  })

  /** What the witness answers from the very first: an app may have published and asked before a test can change it. */
  const begin = async (reply: Reply): Promise<void> => {
    fake.reply = reply
    app = await startTestApp({ witnesses: [fake.config] })
    acme = await app.customer('acme', 1, 1)
  }
  beforeEach(async () => {
    fake = await fakeWitness()
  })
  afterEach(async () => {
    await app[Symbol.asyncDispose]()
    await fake[Symbol.asyncDispose]()
  })

  it.each<[string, Reply]>([
    [
      'signs another text',
      ({ text }) => ({
        status: 200,
        text: printCosignature(text.replace('\n', 'x\n'), seconds(), fake.cosigner),
      }),
    ],
    [
      'signs with another key',
      ({ text }) => ({
        status: 200,
        text: printCosignature(text, seconds(), makeCosigner(fake.cosigner.name)),
      }),
    ],
    [
      'signs for the future',
      ({ text }) => ({ status: 200, text: printCosignature(text, seconds() + 3600, fake.cosigner) }),
    ],
    ['answers something else', () => ({ status: 200, text: '<html>' })],
    ['answers nothing', () => ({ status: 200, text: '' })],
  ])('%s has nothing of it published', async (_what, reply) => {
    await begin(reply)
    await until(async () => (await answers('false-cosignature')) > 0)
    expect((await write()).status).toBe(200)
    await pause(300)
    expect(await published()).not.toContain('fake.example')
    expect(await ready()).toBe('ready\n')
  })

  it('hangs, or names another size each time, costs no write, and is asked at ease', async () => {
    await begin(() => 'hang')
    for (let i = 0; i < 3; i++) expect((await write()).status).toBe(200)
    await app.restart({ witnesses: [fake.config] })
    let size = 0
    fake.reply = () => ({ status: 409, text: `${size++ % 2}\n`, type: 'text/x.tlog.size' })
    await until(async () => (await answers('refused')) > 0)
    const before = fake.asked.length
    expect((await write()).status).toBe(200)
    await pause(600)
    expect(fake.asked.length - before).toBeLessThan(20)
    expect(await ready()).toBe('ready\n')
  })

  it('has seen an idle log is shown it again, twice in the time that a monitor gives it', async () => {
    await begin(honest)
    await until(cosigned)
    let aheadMs = 0
    await app.restart({ witnesses: [fake.config] }, () => Date.now() + aheadMs)
    await until(async () => (await answers('cosigned')) > 0)
    const { size } = fake.asked.at(-1)!
    const again = (): number => fake.asked.filter(asked => asked.size === size).length
    await pause(1500)
    const before = again()
    aheadMs = 301_000
    await until(async () => again() > before)
  })

  it('adds lines of strangers has only its own kept', async () => {
    const stranger = makeCosigner('stranger.example/w')
    await begin(({ text }) => ({
      status: 200,
      text: printCosignature(text, seconds(), stranger) + printCosignature(text, seconds(), fake.cosigner),
    }))
    expect((await write()).status).toBe(200)
    await until(cosigned)
    expect(await published()).not.toContain('stranger.example')
  })

  it('tells where it is is shown the way from there', async () => {
    await begin(honest)
    await until(cosigned)
    const size = Number((await published()).split('\n')[1])
    fake.reply = asked =>
      asked.origin.endsWith('in-mumbai') && asked.old !== size
        ? { status: 409, text: `${size}\n`, type: 'text/x.tlog.size' }
        : honest(asked)
    await write()
    await app.restart({ witnesses: [fake.config] })
    await write()
    await until(async () =>
      fake.asked.some(({ old, origin }) => old === size && origin.endsWith('in-mumbai')),
    )
    expect(await ready()).toBe('ready\n')
  })

  it.each<[string, Reply, RegExp]>([
    [
      'a larger tree',
      ({ size }) => ({ status: 409, text: `${size + 100}\n` }),
      /has cosigned a tree of \d+ entries, and this log has/,
    ],
    [
      'another tree of the same size',
      () => ({ status: 409, text: '1\n' }),
      /has cosigned another tree of 1 entries/,
    ],
    [
      'a tree that ours does not continue',
      () => ({ status: 422, text: 'no\n' }),
      /has cosigned another tree of \d+ entries/,
    ],
  ])('has seen %s stops its ledger, also after a restart', async (_what, reply, words) => {
    await begin(honest)
    await write()
    await until(cosigned)
    fake.reply = asked => (asked.origin.endsWith('in-mumbai') ? reply(asked) : honest(asked))
    await write()
    await until(async () => words.test(await ready()))
    const last = await published()
    expect((await acme.s3('PUT', '/made-after')).status).toBe(503)
    expect((await acme.s3('PUT', `/papers-${bucket - 2}/x`, 'x')).status).toBe(503)
    expect(await published()).toBe(last)
    fake.reply = honest
    await app.restart({ witnesses: [fake.config] })
    await until(async () => words.test(await ready()))
    await pause(700)
    expect(await published()).toBe(last)
    expect((await acme.s3('PUT', `/papers-${bucket - 2}/x`, 'x')).status).toBe(503)
    const folder = join(app.folder, 'data')
    const resume = (...args: string[]) =>
      run(process.execPath, [main, 'resume', '--region', 'in-mumbai', ...args], {
        env: { HOLDFAST_DATA: folder },
      })
    expect(await resume()).toMatchObject({ code: 1, stdout: expect.stringMatching(words) })
    expect(await resume('--the-witness-is-wrong')).toMatchObject({ code: 0 })
    await app.restart({ witnesses: [] })
    expect((await write()).status).toBe(200)
    await until(async () => (await published()) !== last)
    expect(await ready()).toBe('ready\n')
  })
})
