/**
 * Many clients, random operations, crashes in between, and the simplest model of S3 there is: a map. What was
 * acknowledged holds; what was under way at a crash happened or did not, and nothing else.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'

const clients = 6
const keysEach = 8
const rounds = 4
const roundMs = 1200
/** In the catalog, in a segment of one and of two encrypted segments, in a file of its own. */
const sizes = [0, 1, 900, 4000, 70_000, 140_000, 1_300_000]

/** What a key may hold: one thing after an answer, several while one is outstanding. `null`: nothing. */
type Possible = readonly (Buffer | null)[]

describe.each(['', 'Enabled'])('a map of objects, versioning %o', versioning => {
  let holdfast: Holdfast
  const model = new Map<string, Possible>()
  beforeAll(async () => {
    holdfast = await startHoldfast({
      regions: [['in-mumbai', 'IN']],
      config: { workers: 2, trashGraceSeconds: 1 },
    })
    await holdfast.s3.makeBucket('model')
    if (versioning === '') return
    const body = `<VersioningConfiguration><Status>${versioning}</Status></VersioningConfiguration>`
    expect((await holdfast.s3.call('PUT', '/model', { query: { versioning: '' }, body })).status).toBe(200)
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  const work = async (client: number, round: number, running: () => boolean): Promise<void> => {
    const { s3 } = holdfast
    const chance = createChance(1000 * round + client + (versioning === '' ? 0 : 500))
    const keyOf = (i: number): string => `${client}/key ${i}`
    while (running()) {
      const key = keyOf(chance.below(keysEach))
      const other = keyOf(chance.below(keysEach))
      const before = model.get(key) ?? [null]
      const attempt = async (after: Buffer | null, ask: () => Promise<number>, good: readonly number[]) => {
        model.set(key, [...before, after])
        const status = await ask().catch(() => 0)
        // An error is an answer too, and promises that nothing happened; no answer promises nothing.
        if (good.includes(status)) model.set(key, [after])
        else if (status !== 0 && status < 500) model.set(key, before)
      }
      switch (chance.below(6)) {
        case 0:
        case 1:
        case 2: {
          const body = chance.bytes(sizes[chance.below(sizes.length)]!)
          await attempt(body, async () => (await s3.call('PUT', `/model/${key}`, { body })).status, [200])
          break
        }
        case 3:
          await attempt(null, async () => (await s3.call('DELETE', `/model/${key}`)).status, [204])
          break
        case 4: {
          const source = model.get(other) ?? [null]
          // A copy of what is in doubt would be in doubt in ways that one key's model does not tell.
          if (source.length !== 1 || source[0] == null || other === key) break
          const headers = { 'x-amz-copy-source': `/model/${encodeURIComponent(other)}` }
          await attempt(
            source[0]!,
            async () => (await s3.call('PUT', `/model/${key}`, { headers })).status,
            [200],
          )
          break
        }
        default: {
          if (before.length !== 1) break
          const reply = await s3.call('GET', `/model/${key}`).catch(() => null)
          if (reply === null || !reply.complete || reply.status >= 500) break
          expect(reply.status).toBe(before[0] === null ? 404 : 200)
          if (before[0] != null) expect(reply.body.equals(before[0])).toBe(true)
        }
      }
    }
  }

  const settle = async (): Promise<void> => {
    const { s3 } = holdfast
    const there: string[] = []
    for (const [key, possible] of model) {
      const { status, body } = await s3.get(`/model/${key}`)
      const found = possible.find(each =>
        each === null ? status === 404 : status === 200 && body.equals(each),
      )
      expect(
        found,
        `${key}: ${status}, ${body.length} bytes, of ${possible.map(each => each?.length ?? null)}`,
      ).not.toBe(undefined)
      model.set(key, [found!])
      if (found !== null) there.push(key)
    }
    const listed: string[] = []
    for (let token = ''; ; ) {
      const query = { 'list-type': '2', 'max-keys': '7', ...(token && { 'continuation-token': token }) }
      const page = (await s3.call('GET', '/model', { query })).body.toString()
      listed.push(...[...page.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => match[1]!))
      token = /<NextContinuationToken>([^<]*)</.exec(page)?.[1] ?? ''
      if (token === '') break
    }
    expect(listed).toEqual(there.sort())
  }

  it('holds through crashes', async () => {
    for (let round = 0; round < rounds; round++) {
      let running = true
      const working = Array.from({ length: clients }, (_, client) => work(client, round, () => running))
      await new Promise(resolve => setTimeout(resolve, roundMs))
      if (round % 2 === 0) {
        await holdfast.server.kill()
        running = false
        await Promise.all(working)
        await holdfast.server.start()
      } else {
        running = false
        await Promise.all(working)
      }
      await settle()
    }
    const fsck = await holdfast.cli('fsck', '--read', '--json')
    expect(fsck).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(fsck.stdout).regions[0].findings).toEqual([])
  })
})
