import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run, succeed } from '../support/child.ts'
import { clientEnv } from '../support/client-env.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { digestTree, makeTree } from '../support/tree.ts'

describeWith('aws', 'AWS CLI', () => {
  let holdfast: Holdfast
  let tree: string
  const aws = (...args: string[]) =>
    succeed('aws', ['--endpoint-url', holdfast.endpoint, ...args], { env: clientEnv(holdfast) })

  beforeAll(async () => {
    holdfast = await startHoldfast()
    tree = makeTree(join(holdfast.folder, 'tree'))
    await aws('s3', 'mb', 's3://papers')
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('copies files there and back, large ones in parts', async () => {
    for (const name of ['empty', 'plus+plus.txt', 'big.bin']) {
      await aws('s3', 'cp', join(tree, name), `s3://papers/copied/${name}`)
      const back = join(holdfast.folder, 'back')
      await aws('s3', 'cp', `s3://papers/copied/${name}`, back)
      expect(readFileSync(back).equals(readFileSync(join(tree, name)))).toBe(true)
    }
    const listed = await aws('s3', 'ls', 's3://papers/copied/')
    expect(listed.match(/\d+ \S+$/gm)).toEqual(['12582919 big.bin', '0 empty', '1000 plus+plus.txt'])
  })

  it('syncs a tree there and back, and what was deleted goes', async () => {
    await aws('s3', 'sync', tree, 's3://papers/tree')
    const back = join(holdfast.folder, 'synced')
    await aws('s3', 'sync', 's3://papers/tree', back)
    expect(digestTree(back)).toEqual(digestTree(tree))
    expect(await aws('s3', 'sync', tree, 's3://papers/tree')).toBe('')

    rmSync(join(tree, 'many', '3'))
    writeFileSync(join(tree, 'many', '4'), 'changed')
    const changes = await aws('s3', 'sync', '--delete', '--no-progress', tree, 's3://papers/tree')
    expect(changes.trim().split('\n')).toHaveLength(2)
    await aws('s3', 'sync', '--delete', 's3://papers/tree', back)
    expect(digestTree(back)).toEqual(digestTree(tree))
  })

  it('makes links that anyone can follow until they end, and only unchanged', async () => {
    await aws('s3', 'cp', join(tree, 'one byte'), 's3://papers/a b+c')
    const link = (await aws('s3', 'presign', 's3://papers/a b+c', '--expires-in', '60')).trim()
    const answer = await fetch(link)
    expect(Buffer.from(await answer.arrayBuffer()).equals(readFileSync(join(tree, 'one byte')))).toBe(true)
    expect((await fetch(link.replace('a%20b', 'a%20c'))).status).toBe(403)
    expect((await fetch(link, { method: 'DELETE' })).status).toBe(403)
  })

  it('removes a prefix, and then the bucket', async () => {
    await aws('s3', 'mb', 's3://passing')
    await aws('s3', 'sync', join(tree, 'many'), 's3://passing/x')
    await aws('s3', 'rm', '--recursive', 's3://passing/x')
    const { stdout } = await run('aws', ['--endpoint-url', holdfast.endpoint, 's3', 'ls', 's3://passing/'], {
      env: clientEnv(holdfast),
    })
    expect(stdout).toBe('')
    await aws('s3', 'rb', 's3://passing')
    expect(await aws('s3', 'ls')).not.toContain('passing')
  })
})
