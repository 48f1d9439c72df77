import { join } from 'node:path'
import { expect, it } from 'vitest'
import { run } from '../support/child.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const holdfast = (...args: string[]) => run(process.execPath, [main, ...args])

it('names the commands that there are, for one that there is not', async () => {
  for (const name of ['aduit', 'constructor', '\u001b[2J']) {
    const { code, stdout, stderr } = await holdfast(name)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(
      /^holdfast: there is no command (aduit|constructor|\ufffd\[2J): start, .*audit \(holdfast --help\)\n$/,
    )
  }
})

it('says how a command is used, and how all are', async () => {
  for (const asked of [[], ['--help'], ['-h'], ['help']]) {
    const { code, stdout } = await holdfast(...asked)
    expect([code, stdout.startsWith('usage: holdfast start\n')]).toEqual([0, true])
    expect(stdout).toContain('holdfast audit FLOWS')
  }
  for (const asked of [
    ['key', '--help'],
    ['help', 'key'],
  ]) {
    const { code, stdout } = await holdfast(...asked)
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^usage: holdfast key create[^\n]*\n$/)])
  }
  const wrong = await holdfast('key', 'list', '--nonsense')
  expect([wrong.code, wrong.stdout]).toEqual([2, ''])
  expect(wrong.stderr).toContain('usage: holdfast key create')
})
