/**
 * Every check on the way of an instruction is needed: with it an attack is refused, for the reason that it is there for
 * and in the books of who refused it; without it the attack goes through, or meets a second line.
 */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from '../support/attack-run.ts'
import { run } from '../support/child.ts'
import { honestPaths, type PathAttack, pathAttacks } from '../support/instruction-attacks.ts'

const program = join(import.meta.dirname, '..', 'support', 'attack-run.ts')
const shares = 2
let answers: ReadonlyMap<number, Answer>

beforeAll(async () => {
  const halves = await Promise.all(
    Array.from({ length: shares }, async (_, share) => {
      const { code, stdout, stderr } = await run(process.execPath, [program, `${share}`, `${shares}`])
      if (code !== 0) throw new Error(stderr)
      return JSON.parse(stdout) as Answer[]
    }),
  )
  answers = new Map(halves.flat().map(answer => [answer.at, answer]))
})

describe('every check of the instruction path is needed', () => {
  it.each(pathAttacks.map((attack, at) => [attack.check, attack, at] as const))(
    '%s',
    (_, { says, entered, secondLine }: PathAttack, at) => {
      const { before, without } = answers.get(at)!
      expect(before.refused).toContain(says)
      if (entered !== undefined) expect(before.entered).toContain(entered)
      if (secondLine) expect(without!.refused).not.toBeNull()
      else expect(without!.refused).toBeNull()
    },
  )
})

describe('what is honest passes them all', () => {
  it.each(honestPaths.map(({ check }, at) => [check, pathAttacks.length + at] as const))('%s', (_, at) => {
    expect(answers.get(at)!.before.refused).toBeNull()
  })
})
