/**
 * Three regions on three hosts whose clocks are apart, and a network between them that loses, doubles, delays, reorders
 * and is cut: nothing is lost, nothing comes twice, and the books agree in the end.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { run } from '../support/child.ts'
import { type Network, networkMissing, ownAddress, startNetwork } from '../support/network.ts'
import { createChance } from '../support/random.ts'
import { type Site, type Sites, startSites } from '../support/sites.ts'

const why = networkMissing()
const seed = Number(process.env.HOLDFAST_TEST_SEED ?? Date.now() % 2 ** 32)
const fakeTime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
/** Apart, but within the quarter of an hour that verdicts and checkpoints may be. */
const clocks = { 'in-mumbai': 0, 'de-frankfurt': 95, 'sg-singapore': -20 } as const
const countries = { 'in-mumbai': 'IN', 'de-frankfurt': 'DE', 'sg-singapore': 'SG' } as const
type Host = keyof typeof clocks
const hosts = Object.keys(clocks) as Host[]
const bad = { loss: 0.03, duplicate: 0.03, delayMs: 10, jitterMs: 15 }

describe.skipIf(why !== '')(
  `${why}three hosts, clocks apart, and a bad network (HOLDFAST_TEST_SEED=${seed})`,
  () => {
    const random = createChance(seed)
    let network: Network
    let sites: Sites
    let mumbai: Site
    let frankfurt: Site
    beforeAll(async () => {
      network = await startNetwork(hosts, seed)
      const clockOf = (host: Host): Record<string, string> =>
        clocks[host] === 0 || !existsSync(fakeTime)
          ? {}
          : {
              LD_PRELOAD: fakeTime,
              FAKETIME: `${clocks[host] > 0 ? '+' : ''}${clocks[host]}s`,
              FAKETIME_DONT_FAKE_MONOTONIC: '1',
            }
      sites = await startSites(
        hosts.map(region => ({
          region,
          country: countries[region],
          host: network.address(region),
          under: network.within(region),
          env: clockOf(region),
          config: { staleSeconds: 4, places: [{ cidr: '10.77.0.0/24', country: 'IN' }] },
        })),
        { holderHost: ownAddress },
      )
      mumbai = sites.at('in-mumbai')
      frankfurt = sites.at('de-frankfurt')
      await mumbai.s3.makeBucket('source', 'in-mumbai')
      await frankfurt.s3.makeBucket('target', 'de-frankfurt')
    })
    afterAll(async () => {
      await sites?.[Symbol.asyncDispose]()
      await network?.[Symbol.asyncDispose]()
    })

    const json = async (site: Site, ...args: string[]): Promise<any> => {
      const { code, stdout, stderr } = await site.cli(...args, '--json')
      if (code !== 0) throw new Error(`${args.join(' ')}: ${code} ${stdout} ${stderr}`)
      return JSON.parse(stdout)
    }
    const listOf = async (site: Site, bucket: string): Promise<Map<string, string>> => {
      const found = new Map<string, string>()
      let token = ''
      do {
        const { body } = await site.s3.call('GET', `/${bucket}`, {
          query: { 'list-type': '2', ...(token !== '' && { 'continuation-token': token }) },
        })
        const text = body.toString()
        for (const [, key, etag] of text.matchAll(/<Key>(.*?)<\/Key>.*?<ETag>(.*?)<\/ETag>/gs))
          found.set(key!, etag!)
        token = /<NextContinuationToken>(.*?)</.exec(text)?.[1] ?? ''
      } while (token !== '')
      return found
    }
    /** Cuts one host off after the other, and has the network misbehave in between. */
    const misbehave = async (forMs: number): Promise<void> => {
      for (const until = Date.now() + forMs; Date.now() < until; ) {
        const victim = hosts[random.below(hosts.length)]!
        await network.set(victim, { ...bad, cut: true })
        await sleep(500 + random.below(4000))
        await network.set(victim, bad)
        await sleep(500 + random.below(2500))
      }
    }

    it('moves every object once, whatever happens to packets and processes on the way', async () => {
      const digests = new Map<string, string>()
      for (let at = 0; at < 300; at++) {
        const body = randomBytes(at % 8 === 0 ? 1_000_000 : 1 + random.below(4000))
        digests.set(`k${at}`, createHash('md5').update(body).digest('hex'))
        await mumbai.s3.put(`/source/k${at}`, body)
      }
      const { id } = await json(
        mumbai,
        ...[
          'instruct',
          'transfer',
          '--bucket',
          'source',
          '--to-bucket',
          'target',
          '--to-region',
          'de-frankfurt',
        ],
        ...['--mode', 'move', '--purpose', 'a test of faults'],
      )
      // So that both kills below fall into the middle of it, however good the bad network happens to be.
      await json(mumbai, 'transfers', 'limit', id, '--bytes-per-second', '3000000')
      for (const host of hosts) await network.set(host, bad)
      await json(mumbai, 'approve', id, '--key', sites.approverFiles[0]!)
      await Promise.all([
        misbehave(30_000),
        (async () => {
          await sleep(4000)
          // The question itself may fall into a cut.
          const state = () => json(mumbai, 'transfers', id).then(told => told.state, String)
          await expect.poll(state).toMatch(/^(approved|running)$/)
          await frankfurt.kill()
          await frankfurt.start()
          await sleep(5000)
          await mumbai.kill()
          await mumbai.start()
        })(),
      ])
      for (const host of hosts) await network.set(host, {})
      await expect.poll(async () => (await json(mumbai, 'transfers', id)).state).toBe('completed')
      const arrived = await listOf(frankfurt, 'target')
      expect(new Map([...arrived].map(([key, etag]) => [key, etag.replace(/&quot;|"/g, '')]))).toEqual(
        digests,
      )
      expect((await listOf(mumbai, 'source')).size).toBe(0)
    })

    it('follows what is written through faults, and its lag recovers', async () => {
      const singapore = sites.at('sg-singapore')
      await mumbai.s3.makeBucket('journal', 'in-mumbai')
      await singapore.s3.makeBucket('replica', 'sg-singapore')
      const { id } = await json(
        mumbai,
        ...['instruct', 'standing-transfer', '--bucket', 'journal', '--to-bucket', 'replica'],
        ...['--to-region', 'sg-singapore', '--expires', '1d', '--purpose', 'a second copy'],
      )
      await json(mumbai, 'approve', id, '--key', sites.approverFiles[0]!)
      const written = new Map<string, string>()
      const faults = misbehave(20_000)
      for (let at = 0; at < 120; at++) {
        const key = `j${at % 40}`
        const body = `version ${at}`
        await mumbai.s3.put(`/journal/${key}`, body)
        written.set(key, createHash('md5').update(body).digest('hex'))
        await sleep(100)
      }
      await faults
      for (const host of hosts) await network.set(host, {})
      const there = async () =>
        new Map(
          [...(await listOf(singapore, 'replica'))].map(([key, etag]) => [
            key,
            etag.replace(/&quot;|"/g, ''),
          ]),
        )
      await expect.poll(there).toEqual(written)
      const state = async () => {
        const { lagSeconds, waitingFor } = await json(mumbai, 'transfers', id)
        return { lagSeconds, waitingFor }
      }
      // It waited for the other end more than once, and says so no longer.
      await expect.poll(state).toEqual({ lagSeconds: 0, waitingFor: null })
      await json(mumbai, 'revoke', id, '--key', sites.approverFiles[0]!)
      await expect.poll(async () => (await json(mumbai, 'transfers', id)).state).toBe('revoked')
    })

    it('and the books of both ends balance, to the last byte that is stored', async () => {
      for (const host of hosts) await sites.at(host).stop()
      // As one process would have them, so that they can be held against each other.
      const folder = join(sites.folder, 'together')
      mkdirSync(join(folder, 'regions'), { recursive: true })
      for (const host of hosts)
        symlinkSync(join(sites.at(host).data, 'regions', host), join(folder, 'regions', host))
      const config = join(sites.folder, 'together.yaml')
      const regions = hosts.map((id, at) => ({
        id,
        country: countries[id],
        peer: { host: '127.0.0.1', port: 1 + at },
      }))
      writeFileSync(config, stringify({ data: folder, regions }))
      const checked = await run(process.execPath, [
        main,
        'fsck',
        '--peers',
        '--read',
        '--config',
        config,
        '--json',
      ])
      expect([checked.code, checked.stdout, checked.stderr]).toEqual([0, expect.any(String), ''])
    })
  },
)
