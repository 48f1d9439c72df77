import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run, succeed } from '../support/child.ts'
import { clientEnv } from '../support/client-env.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { digestTree, makeTree } from '../support/tree.ts'

describeWith('rclone', 'rclone', () => {
  let holdfast: Holdfast
  let tree: string
  const env = () => ({
    ...clientEnv(holdfast),
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_HF_TYPE: 's3',
    RCLONE_CONFIG_HF_PROVIDER: 'Other',
    RCLONE_CONFIG_HF_ENV_AUTH: 'true',
    RCLONE_CONFIG_HF_REGION: holdfast.credentials.region,
    RCLONE_CONFIG_HF_ENDPOINT: holdfast.endpoint,
    RCLONE_CONFIG_HF_CHUNK_SIZE: '5Mi',
    RCLONE_CONFIG_HF_UPLOAD_CUTOFF: '6Mi',
  })
  const rclone = (...args: string[]) => succeed('rclone', ['--retries', '1', ...args], { env: env() })

  beforeAll(async () => {
    holdfast = await startHoldfast()
    tree = makeTree(join(holdfast.folder, 'tree'))
    writeFileSync(join(tree, 'odd [name] #1 & more'), 'odd')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('syncs a tree there and back, and finds nothing to object to', async () => {
    await rclone('mkdir', 'hf:papers')
    await rclone('sync', tree, 'hf:papers/tree')
    await rclone('check', tree, 'hf:papers/tree')
    await rclone('check', '--download', tree, 'hf:papers/tree')
    const back = join(holdfast.folder, 'back')
    await rclone('sync', 'hf:papers/tree', back)
    expect(digestTree(back)).toEqual(digestTree(tree))
  })

  it('follows changes and deletions, and copies within the store', async () => {
    rmSync(join(tree, 'many', '7'))
    writeFileSync(join(tree, 'many', '8'), 'changed')
    const different = await run('rclone', ['check', tree, 'hf:papers/tree'], { env: env() })
    expect(different.code).toBe(1)
    expect(different.stderr).toContain('2 differences found')
    await rclone('sync', tree, 'hf:papers/tree')
    await rclone('check', tree, 'hf:papers/tree')
    await rclone('sync', 'hf:papers/tree', 'hf:papers/again')
    await rclone('check', '--download', tree, 'hf:papers/again')
    await rclone('purge', 'hf:papers/again')
    expect(await rclone('lsf', 'hf:papers')).toBe('tree/\n')
  })
})
