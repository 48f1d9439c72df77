import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { succeed } from '../support/child.ts'
import { clientEnv } from '../support/client-env.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { digestTree, makeTree } from '../support/tree.ts'

describeWith('s3cmd', 's3cmd', () => {
  let holdfast: Holdfast
  let tree: string
  const s3cmd = (...args: string[]) => {
    const { host } = new URL(holdfast.endpoint)
    const where = ['--host', host, '--host-bucket', host, '--no-ssl', '--region', holdfast.credentials.region]
    const keys = [
      '--access_key',
      holdfast.credentials.accessKeyId,
      '--secret_key',
      holdfast.credentials.secretAccessKey,
    ]
    const how = ['--config', '/dev/null', '--no-progress', '--multipart-chunk-size-mb', '5']
    return succeed('s3cmd', [...how, ...where, ...keys, ...args], { env: clientEnv(holdfast) })
  }

  beforeAll(async () => {
    holdfast = await startHoldfast()
    tree = makeTree(join(holdfast.folder, 'tree'))
    await s3cmd('mb', 's3://papers')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('puts, lists, gets and deletes', async () => {
    for (const name of ['empty', 'plus+plus.txt', 'big.bin']) {
      await s3cmd('put', join(tree, name), `s3://papers/x y/${name}`)
      const back = join(holdfast.folder, `back-${name}`)
      await s3cmd('get', `s3://papers/x y/${name}`, back)
      expect(readFileSync(back).equals(readFileSync(join(tree, name)))).toBe(true)
    }
    const listed = await s3cmd('ls', 's3://papers/x y/')
    expect(listed.match(/\d+ {2}s3:.*$/gm)).toEqual([
      '12582919  s3://papers/x y/big.bin',
      '0  s3://papers/x y/empty',
      '1000  s3://papers/x y/plus+plus.txt',
    ])
    await s3cmd('del', 's3://papers/x y/empty')
    expect(await s3cmd('ls', 's3://papers/x y/')).not.toContain('empty')
    await s3cmd('del', '--recursive', '--force', 's3://papers/x y/')
    expect(await s3cmd('ls', '--recursive', 's3://papers')).toBe('')
  })

  it('syncs a tree there and back', async () => {
    await s3cmd('sync', `${tree}/`, 's3://papers/tree/')
    const back = join(holdfast.folder, 'back')
    await s3cmd('sync', 's3://papers/tree/', `${back}/`)
    expect(digestTree(back)).toEqual(digestTree(tree))
    rmSync(join(tree, 'many', '3'))
    writeFileSync(join(tree, 'many', '4'), 'changed')
    await s3cmd('sync', '--delete-removed', `${tree}/`, 's3://papers/tree/')
    await s3cmd('sync', '--delete-removed', 's3://papers/tree/', `${back}/`)
    expect(digestTree(back)).toEqual(digestTree(tree))
  })
})
