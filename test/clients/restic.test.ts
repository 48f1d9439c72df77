import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { succeed } from '../support/child.ts'
import { clientEnv } from '../support/client-env.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { digestTree, makeTree } from '../support/tree.ts'

describeWith('restic', 'restic', () => {
  let holdfast: Holdfast
  let tree: string
  const restic = (...args: string[]) =>
    succeed('restic', ['--no-cache', '--repo', `s3:${holdfast.endpoint}/backups/mine`, ...args], {
      env: { ...clientEnv(holdfast), RESTIC_PASSWORD: 'secret' },
    })

  beforeAll(async () => {
    holdfast = await startHoldfast()
    tree = makeTree(join(holdfast.folder, 'tree'))
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('backs up, checks every byte, and restores each state as it was', async () => {
    await restic('init')
    await restic('backup', tree)
    const first = digestTree(tree)
    rmSync(join(tree, 'many', '5'))
    writeFileSync(join(tree, 'added'), 'later')
    await restic('backup', tree)
    await restic('check', '--read-data')
    const snapshots = JSON.parse(await restic('snapshots', '--json')) as { id: string }[]
    expect(snapshots).toHaveLength(2)

    for (const [index, expected] of [first, digestTree(tree)].entries()) {
      const back = join(holdfast.folder, `back-${index}`)
      await restic('restore', snapshots[index]!.id, '--target', back)
      expect(digestTree(join(back, tree))).toEqual(expected)
    }
    await restic('forget', '--keep-last', '1', '--prune')
    await restic('check', '--read-data')
  })
})
