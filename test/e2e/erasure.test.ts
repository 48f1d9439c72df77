/** The right to erasure, with the command line and the processes that a customer and a provider have. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readU64be } from '../../src/core/bytes.ts'
import { entryKey } from '../../src/ledger/tables.ts'
import { regionFiles } from '../../src/open-region.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { untilEntered } from '../support/statement.ts'

interface Found {
  readonly seq: number
  readonly id: string
  readonly type: string
}

describe('an erasure', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']], approvers: [3, 2] })
    await holdfast.s3.makeBucket('people')
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  const key = (n: number): string => join(holdfast.customer, n === 1 ? 'approver.key' : `approver-${n}.key`)
  const cli = async (...args: string[]): Promise<any> => {
    const { code, stdout, stderr } = await holdfast.cli(...args, '--json')
    if (code !== 0) throw new Error(`${stdout}${stderr}`)
    return JSON.parse(stdout)
  }
  /** Stores an object, deletes it again, and gives back the entries that name it. */
  const once = async (name: string): Promise<{ entry: string; promise: string }> => {
    const { headers } = await holdfast.s3.put(`/people/${name}`, 'personal')
    const deleted = await holdfast.s3.call('DELETE', `/people/${name}`)
    await untilEntered(holdfast, deleted.headers['x-holdfast-entry'] as string)
    return {
      entry: headers['x-holdfast-entry'] as string,
      promise: headers['x-holdfast-promise'] as string,
    }
  }
  const erase = (...args: string[]): Promise<any> =>
    cli('instruct', 'erase', '--region', 'in-mumbai', '--purpose', 'article 17', ...args)
  const settled = async (id: string): Promise<any> => {
    for (;;) {
      const answer = await cli('instructions', id)
      if (!['approved', 'running'].includes(answer.state)) return answer
      await sleep(50)
    }
  }
  const statement = async (name = 'statement.json'): Promise<string> => {
    const file = join(holdfast.folder, name)
    const { code, stderr } = await holdfast.cli('statement', '--region', 'in-mumbai', '-o', file)
    if (code !== 0) throw new Error(stderr)
    return file
  }
  const fsck = async (): Promise<string[]> =>
    JSON.parse((await holdfast.cli('fsck', '--json')).stdout).regions.flatMap(
      (region: { findings: string[] }) => region.findings,
    )

  it('takes the quorum, and leaves rows that are honestly blank', async () => {
    const { entry, promise } = await once('jane-doe.pdf')
    const promises = join(holdfast.folder, 'promises.txt')
    writeFileSync(promises, `${promise}\n`)
    const { entries } = (await erase('--bucket', 'people', '--key', 'jane-doe.pdf', '--dry-run')) as {
      entries: Found[]
    }
    expect(entries.map(({ type }) => type)).toEqual(['object.put', 'object.deleted'])
    expect(readFileSync(await statement(), 'utf8')).toContain('jane-doe')

    const { id } = await erase('--bucket', 'people', '--key', 'jane-doe.pdf')
    expect(await cli('approve', id, '--key', key(1))).toMatchObject({ state: 'drafted', approvals: 1 })
    expect(await cli('approve', id, '--key', key(1))).toMatchObject({ state: 'drafted', approvals: 1 })
    expect((await holdfast.cli('receipt', entry)).code).toBe(0)
    await cli('approve', id, '--key', key(3))
    expect(await settled(id)).toMatchObject({ state: 'completed', objects: 2 })

    const file = await statement()
    const verified = await holdfast.cli('verify', file, promises)
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('2, on the tenant') })
    expect(verified.stdout).toContain('1 of 1')
    expect(readFileSync(file, 'utf8')).not.toContain('jane-doe')
    const receipt = await holdfast.cli('receipt', entry)
    expect(receipt).toMatchObject({ code: 1, stderr: expect.stringContaining('was erased in in-mumbai') })
    const { api, apiToken } = holdfast.credentials
    const answer = await fetch(`${api}/api/v1/entries/${entry}/receipt`, {
      headers: { authorization: `Bearer ${apiToken}` },
    })
    expect(answer.status).toBe(410)
    expect(await answer.json()).toMatchObject({ error: 'erased' })
    expect(await fsck()).toEqual([])
    expect(await holdfast.cli('watch', '--once')).toMatchObject({ code: 0, stdout: '' })
    // What has been erased is not found again, and asked for by its number it is said to be gone.
    await expect(erase('--bucket', 'people', '--key', 'jane-doe.pdf')).rejects.toThrow('no entry')
    await expect(erase('--entry', entry)).rejects.toThrow('erased before')
  })

  it('does nothing at all when one entry must stay', async () => {
    const { entry } = await once('half.pdf')
    const { headers } = await holdfast.s3.put('/people/half.pdf', 'still here')
    await untilEntered(holdfast, headers['x-holdfast-entry'] as string)
    const { id } = await erase('--bucket', 'people', '--key', 'half.pdf')
    await cli('approve', id, '--key', key(1))
    await cli('approve', id, '--key', key(2))
    expect(await settled(id)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('its object is still stored; delete it first'),
    })
    expect((await holdfast.cli('receipt', entry)).code).toBe(0)
    expect((await holdfast.s3.call('DELETE', '/people/half.pdf')).status).toBe(204)

    const all = JSON.parse(
      `[${readFileSync(await statement(), 'utf8')
        .split('\n')
        .slice(1, -2)
        .join('')}]`,
    ) as { p?: Found }[]
    const kept = all.find(({ p }) => p?.type === 'instruction.approved')!.p!
    await expect(erase('--entry', kept.id)).rejects.toThrow('is not erased: what was done is judged by it')
  })

  it('survives kill -9 at any moment: all of it is done, once, or nothing', async () => {
    for (let round = 0; round < 3; round++) {
      const name = `killed-${round}.pdf`
      await once(name)
      const { id } = await erase('--bucket', 'people', '--key', name)
      await cli('approve', id, '--key', key(1))
      const approving = holdfast.cli('approve', id, '--key', key(2))
      const { api, apiToken } = holdfast.credentials
      // The verdict is durable, the erasure may be before, in or behind its commit.
      for (let state = 'drafted'; state === 'drafted'; ) {
        const answer = await fetch(`${api}/api/v1/instructions/${id}`, {
          headers: { authorization: `Bearer ${apiToken}` },
        })
        state = ((await answer.json()) as { state: string }).state
      }
      await sleep(round * 5)
      await holdfast.server.kill()
      await approving
      await holdfast.server.start()
      expect(await settled(id)).toMatchObject({ state: 'completed', objects: 2 })
    }
    const file = await statement()
    expect(await holdfast.cli('verify', file)).toMatchObject({ code: 0 })
    const text = readFileSync(file, 'utf8')
    expect(text).not.toContain('killed-')
    expect(text.match(/"type":"entries.erased"/g)).toHaveLength(4)
    expect(await fsck()).toEqual([])
  })

  it('without an instruction is caught, by fsck and by whoever verifies', async () => {
    const { entry } = await once('hushed-up.pdf')
    await holdfast.server.stop()
    {
      await using catalog = await openLmdbCatalog(regionFiles(holdfast.data, 'in-mumbai').catalog)
      const index = (await catalog.get('entryids', Buffer.from(entry)))!
      const row = (await catalog.get('entries', entryKey(readU64be(index))))!
      await catalog.commit({
        puts: [{ table: 'entries', key: index, value: new Uint8Array(row.subarray(0, 73)) }],
      })
    }
    expect(await fsck()).toEqual([expect.stringContaining('it is blank, and no instruction of tenant')])
    await holdfast.server.start()
    const verified = await holdfast.cli('verify', await statement('hushed.json'))
    expect(verified).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('it is blank, and no instruction'),
    })
  })
})
