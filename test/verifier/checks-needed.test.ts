import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/child.ts'
import type { JudgeCase, Judgement } from '../support/judge.ts'
import { honestOrders, orderChecks } from '../support/order-attacks.ts'
import {
  type Attack,
  checks as documentChecks,
  erased,
  receipt,
  statement,
  victim,
} from '../support/verifier-attacks.ts'

const checks = [...documentChecks, ...orderChecks]

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-checks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

describe('every check of the verifier is needed', () => {
  const whole = join(root, 'src')
  let before: Judgement[]
  let without: Judgement[]
  let honest: Judgement[]

  beforeAll(async () => {
    const attacks = checks.map(({ attack }) => attack())
    const caseOf = (where: string, { kind, document, trust }: Attack): JudgeCase => ({
      folder: where,
      kind,
      document: Buffer.from(document).toString('base64'),
      trust: trust ?? victim.trust(),
    })
    const judge = async (cases: readonly JudgeCase[]): Promise<Judgement[]> => {
      const judged = await run(process.execPath, [join(root, 'test/support/judge.ts')], {
        input: JSON.stringify(cases),
      })
      if (judged.code !== 0) throw new Error(judged.stderr)
      return JSON.parse(judged.stdout) as Judgement[]
    }
    honest = await judge([
      caseOf(whole, statement({})),
      caseOf(whole, statement({ first: 4 })),
      caseOf(whole, statement({ rows: [] })),
      caseOf(whole, erased({})),
      caseOf(whole, receipt({})),
      ...honestOrders.map(([, made]) => caseOf(whole, made())),
    ])
    before = await judge(attacks.map(attack => caseOf(whole, attack)))
    const copies = checks.map(({ file, find, replace }, at) => {
      const copy = join(folder, `${at}`)
      for (const layer of ['core', 'crypto', 'verify'])
        cpSync(join(whole, layer), join(copy, layer), { recursive: true })
      const path = join(copy, 'verify', file)
      const text = readFileSync(path, 'utf8')
      // However the line is broken.
      const pattern = new RegExp(find.split(/ +/).map(literal).join('\\s+'), 'g')
      if ([...text.matchAll(pattern)].length !== 1) throw new Error(`${file} does not hold once: ${find}`)
      writeFileSync(
        path,
        text.replace(pattern, () => replace),
      )
      return copy
    })
    without = await judge(attacks.map((attack, at) => caseOf(copies[at]!, attack)))
  })

  it('and honest documents pass them all', () => {
    expect(honest).toEqual(honest.map(() => ({ verified: true, failures: [] })))
    expect(honest.length).toBe(5 + honestOrders.length)
  })

  it.each(checks.map((check, at) => [check.check, check, at] as const))('%s', (_, check, at) => {
    expect(before[at]!.verified).toBe(false)
    expect(before[at]!.failures.join('\n')).toContain(check.says)
    // With the check taken out the attack goes through, or is refused for another reason.
    if (check.secondLine) expect(without[at]!.failures.join('\n')).not.toContain(check.says)
    else expect(without[at]).toEqual({ verified: true, failures: [] })
  })
})
