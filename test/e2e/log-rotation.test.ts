import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { verifiedStatement } from '../support/statement.ts'

describe('a log whose key is replaced', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast()
    await holdfast.s3.makeBucket('rotated')
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  const trustPath = (): string => join(holdfast.customer, 'trust.json')
  const receiptOf = async (key: string, file: string): Promise<string> => {
    const put = await holdfast.s3.put(`/rotated/${key}`, key)
    const path = join(holdfast.folder, file)
    expect((await holdfast.cli('receipt', put.headers['x-holdfast-entry'] as string, '-o', path)).code).toBe(
      0,
    )
    return path
  }
  const rotate = async (): Promise<void> => {
    const asked = await holdfast.cli('log', 'rotate', '--region', 'in-mumbai')
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('at its next start') })
    await holdfast.server.stop()
    await holdfast.server.start()
  }

  it('keeps old receipts, and is followed by who trusts the key before', async () => {
    const before = readFileSync(trustPath(), 'utf8')
    const old = await receiptOf('one', 'old.txt')
    await rotate()
    const fresh = await receiptOf('two', 'fresh.txt')

    expect((await holdfast.cli('verify', old)).code).toBe(0)
    const untold = await holdfast.cli('verify', fresh)
    expect(untold).toMatchObject({ code: 1, stdout: expect.stringContaining('no signature by') })
    const updated = await holdfast.cli('trust', 'update')
    expect(updated).toMatchObject({ code: 0, stdout: 'in-mumbai: 1 new key(s) followed\n' })
    expect((await holdfast.cli('verify', old, fresh)).code).toBe(0)
    const entries = await verifiedStatement(holdfast)
    expect(entries.filter(({ type }) => type === 'log.rotated')).toHaveLength(1)
    expect((await holdfast.cli('trust', 'update')).stdout).toContain('nothing changed')

    // A second time, and from the very first trust file.
    await rotate()
    const third = await receiptOf('three', 'third.txt')
    writeFileSync(trustPath(), before)
    expect((await holdfast.cli('trust', 'update')).stdout).toBe('in-mumbai: 2 new key(s) followed\n')
    expect((await holdfast.cli('verify', old, fresh, third)).code).toBe(0)
    await holdfast.server.stop()
    const checked = await holdfast.cli('fsck')
    expect(checked).toMatchObject({ code: 0 })
    await holdfast.server.start()
  })

  it('is not followed over a key that the one before has not signed for', async () => {
    const path = join(holdfast.data, 'regions', 'in-mumbai', 'log.key.rotations')
    const trust = readFileSync(trustPath(), 'utf8')
    const history = JSON.parse(readFileSync(path, 'utf8')) as { rotations: string[] }
    const known = JSON.parse(trust) as { regions: Record<string, { rotations: string[] }> }
    const mumbai = known.regions['in-mumbai']!
    // What is trusted says another past than what the region tells.
    const other = {
      ...known,
      regions: { ...known.regions, 'in-mumbai': { ...mumbai, rotations: [history.rotations[1]!] } },
    }
    writeFileSync(trustPath(), JSON.stringify(other))
    expect(await holdfast.cli('trust', 'update')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('other keys'),
    })
    writeFileSync(trustPath(), trust)
  })
})
