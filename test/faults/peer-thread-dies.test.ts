/** The thread that hears the peers dies of an error that nobody expects: so does the process, with its workers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { startHoldfast } from '../support/holdfast.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-thread-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('ends the process, which starts again clean', async () => {
  const [fault, preload] = [join(folder, 'fault'), join(folder, 'preload.mjs')]
  writeFileSync(
    preload,
    `import { existsSync } from 'node:fs'
     import { isMainThread, workerData } from 'node:worker_threads'
     if (!isMainThread && workerData?.writer !== undefined)
       setInterval(() => { if (existsSync(${JSON.stringify(fault)})) throw new Error('injected in the thread') }, 20)`,
  )
  await using holdfast = await startHoldfast({
    under: ([node, ...command]) => [node!, '--import', preload, ...command],
    config: { workers: 2 },
  })
  const { s3, server } = holdfast
  await s3.makeBucket('papers')
  await s3.put('/papers/kept', Buffer.from('kept'))
  const gone = () =>
    fetch(`${holdfast.endpoint}/`).then(
      () => false,
      () => true,
    )
  expect(await gone()).toBe(false)
  writeFileSync(fault, '')
  await expect.poll(gone).toBe(true)
  expect(server.said()).toContain('injected in the thread')
  rmSync(fault)
  await server.stop()
  await server.start()
  expect((await s3.get('/papers/kept')).body.toString()).toBe('kept')
  const fsck = await holdfast.cli('fsck', '--json')
  expect(JSON.parse(fsck.stdout).regions.flatMap(({ findings }: { findings: string[] }) => findings)).toEqual(
    [],
  )
})
