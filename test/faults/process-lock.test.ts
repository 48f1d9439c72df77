import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { takeProcessLock } from '../../src/store/process-lock.ts'

const noProcess = '999999999'

describe('a lock that a dead process left', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-lock-'))
  const rivals: ChildProcess[] = []
  beforeAll(async () => {
    const script = join(folder, 'rival.mjs')
    const source = join(import.meta.dirname, '..', '..', 'src', 'store', 'process-lock.ts')
    // At the same moment, as near as it can be had: each waits for it awake.
    writeFileSync(
      script,
      `import { takeProcessLock } from ${JSON.stringify(source)}
      let held = null
      process.on('message', async ({ path, atMs }) => {
        if (path === null) {
          await held?.[Symbol.asyncDispose]()
          process.send('released')
          return
        }
        while (Date.now() < atMs);
        held = await takeProcessLock(path, 'busy').catch(error => error.code === 'conflict' ? null : Promise.reject(error))
        process.send(held === null ? 'busy' : 'held')
      })
      process.send('ready')`,
    )
    for (let i = 0; i < 4; i++) {
      const rival = fork(script)
      rivals.push(rival)
      await once(rival, 'message')
    }
  })
  afterAll(() => {
    for (const rival of rivals) rival.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  const askAll = (message: object): Promise<string[]> =>
    Promise.all(
      rivals.map(async rival => {
        rival.send(message)
        return (await once(rival, 'message'))[0] as string
      }),
    )

  it('is taken by one of those who find it at the same time', async () => {
    for (let round = 0; round < 150; round++) {
      const path = join(folder, `lock${round}`)
      writeFileSync(path, round % 2 === 0 ? noProcess : '')
      const said = await askAll({ path, atMs: Date.now() + 5 })
      expect(said.filter(each => each === 'held').length, `round ${round}`).toBe(1)
      await askAll({ path: null })
    }
  })

  it('is taken, also when one died while it took it, and nothing of it stays', async () => {
    const own = join(folder, 'own')
    const path = join(own, 'lock')
    mkdirSync(own)
    writeFileSync(path, noProcess)
    writeFileSync(`${path}.next`, noProcess)
    {
      await using _lock = await takeProcessLock(path, 'busy')
      expect(readdirSync(own)).toEqual(['lock'])
      // One of another process, which lives.
      writeFileSync(path, String(rivals[0]!.pid))
      await expect(takeProcessLock(path, 'busy')).rejects.toMatchObject({ code: 'conflict', message: 'busy' })
      expect(readdirSync(own)).toEqual(['lock'])
    }
    expect(readdirSync(own)).toEqual([])
  })
})
