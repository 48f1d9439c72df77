/** What another process has committed, and said so, is there for a read that begins then: S3 promises it to its clients. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-other-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('is seen by the first read after its answer, however busy this process reads', async () => {
  const path = join(folder, 'catalog')
  const writer = join(folder, 'writer.ts')
  writeFileSync(
    writer,
    `import { openLmdbCatalog } from '${new URL('../../src/store/lmdb-catalog.ts', import.meta.url).pathname}'
const catalog = await openLmdbCatalog(process.argv[2])
process.on('message', async number => {
  await catalog.commit({ puts: [{ table: 'objects', key: Buffer.from('k'), value: Buffer.from(String(number)) }] })
  process.send(number)
})
process.send('ready')
`,
  )
  await using catalog = await openLmdbCatalog(path)
  const child = fork(writer, [path])
  await once(child, 'message')
  let going = true
  // Reads on every turn, as a worker under load does: a snapshot is always at hand.
  const busy = (async () => {
    while (going) {
      await catalog.get('objects', utf8('k'))
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  const stale: number[] = []
  for (let number = 1; number <= 400; number++) {
    child.send(number)
    await once(child, 'message')
    const read = await catalog.get('objects', utf8('k'))
    if (read === null || Number(Buffer.from(read).toString()) !== number) stale.push(number)
    const [row] = await catalog.scan('objects', { limit: 1 })
    if (Number(Buffer.from(row?.value ?? []).toString()) !== number) stale.push(-number)
  }
  going = false
  await busy
  child.disconnect()
  await once(child, 'exit')
  expect(stale).toEqual([])
})
