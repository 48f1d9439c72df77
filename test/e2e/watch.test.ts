import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPromiseStore } from '../../src/cli/watch/promise-store.ts'
import { lookAtPromises } from '../../src/cli/watch/round.ts'
import type { RegionId } from '../../src/core/ids.ts'
import { createDraftBox } from '../../src/ledger/drafts.ts'
import { loadLogKey } from '../../src/ledger/log-keys.ts'
import { createPromiser, promiseWithinSeconds } from '../../src/ledger/promises.ts'
import { parsePromise } from '../../src/verify/promise.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { type Daemon, startDaemon } from '../support/child.ts'
import { freePorts } from '../support/free-ports.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { crypto } from '../support/ledger.ts'
import { createS3 } from '../support/s3.ts'

const mumbai = 'in-mumbai' as RegionId

interface Alert {
  readonly kind: string
  readonly region: string
  readonly what: string
  readonly evidence: readonly string[]
}

describe('watch', () => {
  let holdfast: Holdfast
  let folder: string
  beforeAll(async () => {
    holdfast = await startHoldfast({ config: { closeBooksSeconds: 2 } })
    folder = join(holdfast.customer, 'watch')
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  /** Its first look is over: what comes in afterwards is held until the next one, in an hour. */
  const startWatch = async (port: number): Promise<Daemon> => {
    const looked = (): number => statSync(join(folder, 'state.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0
    const before = looked()
    const watch = await startDaemon(
      process.execPath,
      [
        join(import.meta.dirname, '../../src/main.ts'),
        'watch',
        '--listen',
        `127.0.0.1:${port}`,
        '--every',
        '1h',
      ],
      { env: { HOLDFAST_CUSTOMER: holdfast.customer }, ready: 'holdfast watch ready' },
    )
    await expect.poll(looked).toBeGreaterThan(before)
    return watch
  }
  const lookOnce = async (
    ...args: string[]
  ): Promise<{ readonly code: number | null; readonly alerts: Alert[] }> => {
    const { code, stdout, stderr } = await holdfast.cli('watch', '--once', ...args)
    expect(stderr).toBe('')
    return {
      code,
      alerts: stdout
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line) as Alert),
    }
  }
  const held = (): string[] => readFileSync(join(folder, 'promises.txt'), 'utf8').split('\n').filter(Boolean)

  it('takes in what the command line was promised, and lets go of it once it was kept', async () => {
    const { s3, cli, customer, credentials } = holdfast
    const abroad =
      '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
    expect((await s3.call('PUT', '/home')).status).toBe(200)
    expect((await s3.call('PUT', '/abroad', { body: abroad })).status).toBe(200)
    const order = ['--bucket', 'home', '--to-bucket', 'abroad', '--mode', 'copy', '--purpose', 'a test']
    const drafted = await cli('instruct', 'transfer', ...order, '--json')
    const { id } = JSON.parse(drafted.stdout) as { id: string }
    expect((await cli('approve', id, '--key', credentials.approverKey)).code).toBe(0)
    const kept = join(customer, 'promises')
    const files = readdirSync(kept).map(name => join(kept, name))
    // Of the tenant that joined, the draft and the approval.
    expect(files).toHaveLength(3)
    const regions = files.flatMap(file =>
      readFileSync(file, 'utf8')
        .split(/[,\n]/)
        .filter(Boolean)
        .map(text => (parsePromise(text) as { region: string }).region),
    )
    expect(regions.sort()).toEqual([
      ...Array(3).fill('de-frankfurt'),
      ...Array(3).fill('in-mumbai'),
      'sg-singapore',
    ])
    expect((await cli('verify', ...files)).stdout).not.toContain('NOT VERIFIED')
    const stillHeld = async (): Promise<string[]> => {
      expect(await lookOnce()).toEqual({ code: 0, alerts: [] })
      return held()
    }
    await expect.poll(stillHeld).toEqual([])
    expect(readdirSync(kept)).toEqual([])
  })

  it('collects the promise of every answer that enters something, as a proxy that changes nothing', async () => {
    const [port] = await freePorts(1)
    const watch = await startWatch(port!)
    const s3 = createS3(`http://127.0.0.1:${port}`, holdfast.credentials)
    expect((await s3.call('PUT', '/watched')).status).toBe(200)
    const put = await s3.call('PUT', '/watched/a', { body: Buffer.from('hello') })
    expect(put.status).toBe(200)
    const big = randomBytes(3 << 20)
    expect((await s3.call('PUT', '/watched/b', { body: big })).status).toBe(200)
    const got = await s3.call('GET', '/watched/b')
    expect(Buffer.compare(got.body, big)).toBe(0)
    expect((await s3.call('GET', '/watched/none')).status).toBe(404)
    expect((await s3.call('DELETE', '/watched/b')).status).toBe(204)

    const promises = held().map(text => parsePromise(text))
    const promised = promises.flatMap(promise =>
      typeof promise === 'string' ? [promise] : promise.entries.map(({ id }) => id),
    )
    expect(promises).toHaveLength(4)
    expect(promised).toContain(put.headers['x-holdfast-entry'])

    // An SDK's hook hands them in by itself; what is no promise is told.
    const direct = await holdfast.s3.call('PUT', '/watched/direct', { body: Buffer.from('x') })
    const intake = (body: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/.holdfast/promises`, { method: 'POST', body })
    expect((await intake(direct.headers['x-holdfast-promise'] as string)).status).toBe(204)
    expect(held()).toHaveLength(5)
    expect((await intake('hfp1.bm9uc2Vuc2U')).status).toBe(204)
    expect(held()).toHaveLength(5)
    await expect.poll(() => watch.said()).toContain('promise-invalid')
    await watch.end('SIGTERM')
    rmSync(join(folder, 'alerts.jsonl'))
  })

  it('lets go of what was kept and finds nothing to say', async () => {
    const stillHeld = async (): Promise<string[]> => {
      await lookOnce()
      return held()
    }
    await expect.poll(stillHeld).toEqual([])
    expect(await lookOnce()).toEqual({ code: 0, alerts: [] })
    const archive = readdirSync(join(folder, 'statements')).filter(name => name.startsWith(mumbai))
    expect(archive.length).toBeGreaterThan(0)
    const verified = await holdfast.cli(
      'verify',
      ...archive.sort().map(name => join(folder, 'statements', name)),
    )
    expect(verified.stdout).not.toContain('NOT VERIFIED')
  })

  it('proves a promise that was not kept, to others too', async () => {
    const keys = join(holdfast.data, 'regions', mumbai)
    const signer = await loadLogKey(
      join(keys, 'log.key'),
      readFileSync(join(keys, 'log.origin'), 'utf8').trim(),
      crypto,
    )
    const past = Date.now() - (promiseWithinSeconds + 3600) * 1000
    const promiser = createPromiser({ region: mumbai, signer, clock: () => past, crypto })
    const drafts = createDraftBox(mumbai, () => past, randomBytes)
    const body = { bucket: 'watched', by: { accessKeyId: 'AK' } }
    const lost = drafts.draft({ tenant: holdfast.credentials.tenant as never, type: 'bucket.deleted', body })
    writeFileSync(join(folder, 'promises.txt'), `${await promiser.promise([lost])}\n`, { flag: 'a' })

    const { code, alerts } = await lookOnce()
    expect(code).toBe(1)
    expect(alerts).toEqual([
      expect.objectContaining({
        kind: 'promise-broken',
        region: mumbai,
        what: expect.stringContaining(lost.entryId),
      }),
    ])
    const [promise, statement] = alerts[0]!.evidence
    const elsewhere = join(holdfast.folder, 'auditor')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'trust.json'), readFileSync(join(holdfast.customer, 'trust.json')))
    const judged = await holdfast.cli(
      'verify',
      statement!,
      promise!,
      '--trust',
      join(elsewhere, 'trust.json'),
    )
    expect(judged.code).toBe(1)
    expect(judged.stdout).toContain('is not in the statement of')
    // It is told once, and what was proven is not asked for again.
    expect(await lookOnce()).toEqual({ code: 0, alerts: [] })
  })

  it('holds promises of a region that does not answer, and believes none that are said to be erased', async () => {
    const signer = await loadLogKey(
      join(holdfast.data, 'regions', mumbai, 'log.key'),
      readFileSync(join(holdfast.data, 'regions', mumbai, 'log.origin'), 'utf8').trim(),
      crypto,
    )
    const past = Date.now() - (promiseWithinSeconds + 3600) * 1000
    const body = { bucket: 'watched', by: { accessKeyId: 'AK' } }
    const tenant = holdfast.credentials.tenant as never
    const lost = createDraftBox(mumbai, () => past, randomBytes).draft({
      tenant,
      type: 'bucket.deleted',
      body,
    })
    const text = await createPromiser({ region: mumbai, signer, clock: () => past, crypto }).promise([lost])
    const trust = parseTrust(readFileSync(join(holdfast.customer, 'trust.json'), 'utf8'), crypto)
    if (typeof trust === 'string') throw new Error(trust)
    const raised: string[] = []
    await using promises = await openPromiseStore(join(holdfast.folder, 'held.txt'))
    await promises.add([text!])
    let status = 503
    const api = createServer((_, response) => response.writeHead(status).end('{}'))
    await new Promise<void>(resolve => api.listen(0, '127.0.0.1', resolve))
    const deps = {
      trust,
      api: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
      token: 't',
      archive: join(holdfast.folder, 'archive'),
      promises,
      alerts: { raise: ({ kind }: Alert) => void raised.push(kind), count: () => 0, raised: () => 0 },
      clock: Date.now,
      statementEveryMs: 1,
      lastClosed: new Map<string, number>(),
      onRow: () => {},
    }
    await lookAtPromises(deps)
    expect([raised, promises.all().size]).toEqual([[], 1])
    // Its word alone is worth nothing: the statement has to show it.
    status = 410
    await lookAtPromises(deps)
    expect([raised, promises.all().size]).toEqual([['region-unreachable'], 1])
    api.close()
    api.closeAllConnections()
    await lookAtPromises({ ...deps, api: 'http://127.0.0.1:1' })
    expect([raised, promises.all().size]).toEqual([['region-unreachable'], 1])
  })

  it('is alone in its folder', async () => {
    const [port] = await freePorts(1)
    const watch = await startWatch(port!)
    const second = await holdfast.cli('watch', '--once')
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('another watch is running') })
    await watch.end('SIGTERM')
  })

  it('says when the books were not closed in time, and when a region does not answer', async () => {
    const statePath = join(folder, 'state.json')
    const state = JSON.parse(readFileSync(statePath, 'utf8')) as { closed: Record<string, number> }
    expect(Object.keys(state.closed)).toContain(mumbai)
    await holdfast.server.stop()
    const away = await lookOnce()
    expect(away.code).toBe(1)
    expect(away.alerts.map(({ kind }) => kind)).toContain('region-unreachable')
    await holdfast.server.start()
    expect((await lookOnce()).code).toBe(0)
  })

  it('follows the key of a log that is replaced', async () => {
    expect((await holdfast.cli('log', 'rotate', '--region', mumbai)).code).toBe(0)
    await holdfast.server.stop()
    await holdfast.server.start()
    await holdfast.s3.call('PUT', '/watched/rotated', { body: 'x' })
    expect(await lookOnce()).toEqual({ code: 0, alerts: [] })
    const trust = JSON.parse(readFileSync(join(holdfast.customer, 'trust.json'), 'utf8')) as {
      regions: Record<string, { rotations?: string[] }>
    }
    expect(trust.regions[mumbai]!.rotations).toHaveLength(1)
  })

  it('says when what it has seen is not what is shown now', async () => {
    const seenPath = join(folder, 'seen.json')
    const seen = readFileSync(seenPath, 'utf8')
    const memory = JSON.parse(seen) as {
      chains: Record<string, { count: number; commitment: string; treeSize: number }>
    }
    const key = `${holdfast.credentials.tenant}/${mumbai}`
    const known = memory.chains[key]!
    writeFileSync(
      seenPath,
      JSON.stringify({ ...memory, chains: { [key]: { ...known, commitment: 'a'.repeat(64) } } }),
    )
    const changed = await lookOnce()
    expect(changed.alerts).toEqual([
      expect.objectContaining({
        kind: 'history-changed',
        what: expect.stringContaining('history was rewritten'),
      }),
    ])
    writeFileSync(
      seenPath,
      JSON.stringify({ ...memory, chains: { [key]: { ...known, count: known.count + 1000 } } }),
    )
    expect((await lookOnce()).alerts.map(({ kind }) => kind)).toEqual(['history-changed'])
    writeFileSync(seenPath, seen)
  })

  it('says when there are more refusals than usual', async () => {
    const statePath = join(folder, 'state.json')
    const state = JSON.parse(readFileSync(statePath, 'utf8')) as { usual: Record<string, unknown> }
    const hour = Math.floor(Date.now() / 3600e3)
    const usual = { ...state.usual, [`${mumbai}/refusals`]: { hours: 10, mean: 0.5, hour, count: 30 } }
    writeFileSync(statePath, JSON.stringify({ ...state, usual }))
    expect((await lookOnce()).alerts).toEqual([
      expect.objectContaining({
        kind: 'refusals-unusual',
        region: mumbai,
        what: expect.stringContaining('0.5 an hour are usual'),
      }),
    ])
  })
})
