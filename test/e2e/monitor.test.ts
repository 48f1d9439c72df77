/** `holdfast monitor` as an auditor and a customer run it, on a region that is a process of its own. */
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Daemon, startDaemon } from '../support/child.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'

describe('holdfast monitor', () => {
  let holdfast: Holdfast
  let log = ''
  let vkey = ''
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    log = `${holdfast.credentials.api}/log/in-mumbai`
    vkey = (await (await fetch(`${log}/vkey`)).text()).trim()
    await holdfast.s3.makeBucket('papers')
    await put(300)
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  /** Entries, and the last one is under a published checkpoint. */
  const put = async (count: number): Promise<void> => {
    let entry = ''
    for (let at = 0; at < count; at += 20) {
      const sent = Array.from({ length: Math.min(20, count - at) }, (_, i) =>
        holdfast.s3.put(`/papers/${at + i}`, 'paper'),
      )
      for (const { headers } of await Promise.all(sent)) entry = headers['x-holdfast-entry'] as string
    }
    expect((await holdfast.cli('receipt', entry)).code).toBe(0)
  }
  const path = (name: string): string => join(holdfast.folder, name)
  const monitor = (where: string, state: string, ...args: string[]) =>
    holdfast.cli('monitor', '--log', where, '--vkey', vkey, '--state', path(state), '--once', ...args)
  const kinds = (stdout: string): string[] =>
    stdout.split('\n').flatMap(line => (line === '' ? [] : [(JSON.parse(line) as { kind: string }).kind]))

  it('follows a region, over HTTP and in a copy, with and without its keys, over a rotation', async () => {
    const own = ['--trust', join(holdfast.customer, 'trust.json'), '--region', 'in-mumbai']
    const statement = path('s.json')
    expect(await monitor(log, 'auditor', '--json')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"reached":true'),
    })
    expect((await holdfast.cli('statement', '--region', 'in-mumbai', '-o', statement)).code).toBe(0)
    const customer = await monitor(log, 'customer', ...own, '--statement', statement)
    expect(customer).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/\d+ of them yours/),
    })

    const mirror = path('mirror')
    expect((await holdfast.cli('log', 'copy', '--region', 'in-mumbai', '--to', mirror)).code).toBe(0)
    expect(await monitor(mirror, 'copy', '--peer-checkpoint', log)).toMatchObject({ code: 0, stdout: '' })

    expect((await holdfast.cli('log', 'rotate', '--region', 'in-mumbai')).code).toBe(0)
    await holdfast.server.stop()
    await holdfast.server.start()
    await put(30)
    for (const [state, ...args] of [['auditor'], ['customer', ...own]] as [string, ...string[]][])
      expect(await monitor(log, state, ...args), state).toMatchObject({ code: 0, stdout: '' })
    expect(JSON.parse(readFileSync(join(path('auditor'), 'state.json'), 'utf8')).rotations).toHaveLength(1)
  })

  it('says what is wrong, once, keeps the evidence, and goes on to fail', async () => {
    const mirror = path('going-back')
    expect((await holdfast.cli('log', 'copy', '--region', 'in-mumbai', '--to', mirror)).code).toBe(0)
    const old = path('old-copy')
    cpSync(mirror, old, { recursive: true })
    await put(10)
    expect(await monitor(log, 'alarmed')).toMatchObject({ code: 0, stdout: '' })
    const first = await monitor(old, 'alarmed')
    expect(first.code).toBe(1)
    expect(kinds(first.stdout)).toEqual(['rollback'])
    const { evidence } = JSON.parse(first.stdout) as { evidence: string[] }
    // Its evidence is what `verify` and any tool of C2SP takes.
    expect((await holdfast.cli('trust', 'update')).code).toBe(0)
    expect(evidence.length).toBe(2)
    expect((await holdfast.cli('verify', ...evidence)).code).toBe(0)
    // What is there is not written anew: a crash could leave less of it.
    const written = statSync(evidence[0]!).mtimeMs
    expect(await monitor(old, 'alarmed')).toMatchObject({ code: 1, stdout: '' })
    expect(statSync(evidence[0]!).mtimeMs).toBe(written)
    expect(readFileSync(join(path('alarmed'), 'alerts.jsonl'), 'utf8').split('\n')).toHaveLength(2)
    expect(await monitor(log, 'alarmed')).toMatchObject({ code: 0 })

    const bundle = join(old, 'tile/entries/000')
    const bytes = readFileSync(bundle)
    bytes[9]! ^= 1
    rmSync(bundle)
    writeFileSync(bundle, bytes)
    expect(kinds((await monitor(old, 'fresh')).stdout)).toContain('entry-changed')
    expect(await monitor(path('nowhere'), 'none')).toMatchObject({ code: 1 })
  })

  it('keeps watching until it is told to stop, through an outage and a kill', async () => {
    const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
    const args = ['--log', log, '--vkey', vkey, '--state', path('long'), '--every', '1s', '--json']
    const start = (): Promise<Daemon> =>
      startDaemon(process.execPath, [main, 'monitor', ...args], { ready: '"reached":true' })
    const sizeSeen = (): number =>
      (JSON.parse(readFileSync(join(path('long'), 'state.json'), 'utf8')) as { accepted: { size: number } })
        .accepted.size
    let running = await start()
    const before = sizeSeen()
    expect(await monitor(log, 'long')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('another monitor is running'),
    })
    await running.end('SIGKILL')
    running = await start()
    await put(20)
    await expect.poll(sizeSeen).toBeGreaterThan(before)
    await holdfast.server.stop()
    await expect.poll(() => running.said()).toContain('"reached":false')
    await holdfast.server.start()
    const [back, away] = ['"reached":true', '"reached":false']
    await expect
      .poll(() => running.said().lastIndexOf(back))
      .toBeGreaterThan(running.said().lastIndexOf(away))
    await running.end('SIGTERM')
    expect(existsSync(join(path('long'), 'alerts.jsonl'))).toBe(false)
  })

  it('refuses options that cannot be, and a folder of another log', async () => {
    expect(await holdfast.cli('monitor', '--log', log, '--state', path('x'))).toMatchObject({ code: 2 })
    expect((await holdfast.cli('monitor', '--log', log, '--vkey', 'no', '--state', path('x'))).code).toBe(2)
    const other = vkey.replace('in-mumbai', 'in-mumbay')
    expect((await holdfast.cli('monitor', '--log', log, '--vkey', other, '--state', path('x'))).code).toBe(2)
    writeFileSync(path('bad.json'), '{')
    expect((await monitor(log, 'auditor', '--trust', path('bad.json'))).code).toBe(1)
    const state = join(path('auditor'), 'state.json')
    const good = readFileSync(state)
    writeFileSync(state, good.subarray(0, 100))
    expect(await monitor(log, 'auditor')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('damaged'),
    })
    writeFileSync(state, good)
  })
})
