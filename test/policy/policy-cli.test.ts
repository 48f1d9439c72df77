import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from '../support/child.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-policy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const policy = (...args: string[]) => run(process.execPath, [main, 'policy', ...args], { cwd: folder })

describe('holdfast policy', () => {
  it('explains with citation, dates and what would change it', async () => {
    const ask = ['explain', '--from', 'IN', '--to', 'CN', '--class', 'payment', '--at', '2026-12-01']
    const told = await policy(...ask)
    expect(told).toMatchObject({ code: 1, stderr: '' })
    expect(told.stdout).toMatch(
      /^REFUSED: copy of payment data from IN to CN, on 2026-12-01\n {2}refuses {6}in-rbi-psd/,
    )
    for (const words of [
      'DPSS.CO.OD.No 2785',
      'in-force since 2018-10-15',
      'a rule begins or ends on 2027-05-13',
    ])
      expect(told.stdout).toContain(words)
    expect(told.stdout).toContain('→ --mechanism cross-border-payment-leg')
    const json = await policy(...ask, '--mechanism', 'cross-border-payment-leg,consent', '--json')
    expect(json.code).toBe(0)
    expect(JSON.parse(json.stdout)).toMatchObject({
      outcome: 'allowed',
      at: '2026-12-01T00:00:00.000Z',
      packs: expect.stringMatching(/^[0-9a-f]{64}$/),
      until: '2027-05-13T00:00:00.000Z',
      findings: expect.arrayContaining([
        expect.objectContaining({ kind: 'met', rule: 'in-rbi-psd', effect: 'localise', evidence: 'T' }),
      ]),
    })
  })

  it('says when a review was due', async () => {
    const told = await policy(
      'explain',
      '--from',
      'CH',
      '--to',
      'IN',
      '--class',
      'personal',
      '--at',
      '2027-08-01',
    )
    expect(told.stdout).toContain('review was due 2027-05')
  })

  it('runs a tenant’s own cases', async () => {
    const cases = join(folder, 'cases.yaml')
    const good = `cases:
  - {name: stays at home, from: IN, to: US, class: payment, expect: refused, rules: [in-rbi-psd], at: 2026-12-01}
  - {name: goes with clauses, from: DE, to: IN, class: personal, mechanisms: [scc], expect: allowed}
`
    writeFileSync(cases, good)
    expect(await policy('test', cases)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2 of 2 hold'),
    })
    writeFileSync(
      cases,
      `${good}  - {name: wrong, from: DE, to: IN, class: personal, expect: allowed, rules: [gb-transfer]}\n`,
    )
    const failed = await policy('test', cases)
    expect(failed.code).toBe(1)
    expect(failed.stdout).toContain('FAILED  wrong: needs-review, without gb-transfer, not allowed')
    expect(JSON.parse((await policy('test', cases, '--json')).stdout)).toMatchObject({ failed: 1 })
    for (const text of ['cases: []', 'cases: [{name: x}]', ': [', `${good}  - {name: y, from: IN}\n`]) {
      writeFileSync(cases, text)
      expect(await policy('test', cases)).toMatchObject({ code: 2, stdout: '' })
    }
  })

  it('takes a tenant’s own policy, which only narrows', async () => {
    const file = join(folder, 'own.cedar')
    const head =
      '@id("no-night-moves") @reason("nobody is there") forbid (principal, action in Action::"move", resource)'
    writeFileSync(file, `${head}\nwhen { context.hour >= 22 };\n`)
    const ask = [
      'explain',
      '--from',
      'DE',
      '--to',
      'IN',
      '--class',
      'personal',
      '--mode',
      'move',
      '--tenant-policy',
      file,
    ]
    const night = await policy(...ask, '--mechanism', 'scc', '--at', '2026-12-01T22:30Z')
    expect(night).toMatchObject({ code: 1, stderr: '' })
    expect(night.stdout).toMatch(
      /^The tenant’s own policy [0-9a-f]{16} forbids this\n {2}forbids {6}no-night-moves {2}nobody is there\nBy the packs: ALLOWED/,
    )
    const day = await policy(...ask, '--mechanism', 'scc', '--at', '2026-12-01T21:59Z', '--json')
    expect(day.code).toBe(0)
    expect(JSON.parse(day.stdout)).toMatchObject({
      outcome: 'allowed',
      ownPolicy: { refusals: [], faults: [] },
    })
    // What the law refuses stays refused.
    expect((await policy(...ask, '--at', '2026-12-01T21:59Z')).code).toBe(1)
    const cases = join(folder, 'own-cases.yaml')
    const common = 'from: DE, to: IN, class: personal, mechanisms: [scc], mode: move'
    writeFileSync(
      cases,
      `cases:
  - {name: by night, ${common}, at: '2026-12-01T22:30Z', expect: refused, rules: [no-night-moves]}
  - {name: by day, ${common}, at: '2026-12-01T12:00Z', expect: allowed}
`,
    )
    expect((await policy('test', cases, '--tenant-policy', file)).stdout).toContain('2 of 2 hold')
    expect((await policy('test', cases)).stdout).toContain('1 of 2 hold')
    writeFileSync(file, 'permit (principal, action, resource);')
    expect(await policy(...ask)).toMatchObject({ code: 2, stderr: expect.stringContaining('is a permit') })
  })

  it('asks about access from another country as about a copy to there, and about what a tenant allows of it', async () => {
    const ask = ['explain', '--action', 'access', '--from', 'DE', '--to', 'IN', '--class', 'personal']
    const stopped = await policy(...ask, '--mode', 'move')
    expect(stopped.code).toBe(1)
    expect(stopped.stdout).toMatch(
      /^NEEDS REVIEW: access to personal data in DE from IN, on .*\n {2}asks +eu-gdpr-ch5/,
    )
    const met = await policy(...ask, '--mechanism', 'scc', '--json')
    expect([met.code, JSON.parse(met.stdout)]).toMatchObject([
      0,
      { action: 'access', facts: { action: 'transfer', mode: 'copy' }, outcome: 'allowed' },
    ])
    const file = join(folder, 'access.cedar')
    const head =
      '@id("no-reading") @reason("names alone") forbid (principal, action == Action::"access", resource)'
    writeFileSync(file, `${head}\nwhen { context.actions.contains("object.read") };\n`)
    const own = [...ask, '--mechanism', 'scc', '--tenant-policy', file]
    expect(await policy(...own)).toMatchObject({ code: 1, stdout: expect.stringContaining('no-reading') })
    expect((await policy(...own, '--access-action', 'object.list')).code).toBe(0)
    expect((await policy(...own, '--access-action', 'object.sell')).code).toBe(2)
    // A copy is none.
    expect((await policy('explain', ...own.slice(3))).code).toBe(0)
  })

  it('lists its rules, and takes packs of another folder whole or not at all', async () => {
    expect((await policy('rules')).stdout).toContain('in-rbi-psd       localise')
    expect(JSON.parse((await policy('rules', '--json')).stdout).rules).toHaveLength(36)
    const broken = mkdtempSync(join(folder, 'packs-'))
    writeFileSync(join(broken, 'groups.yaml'), 'groups: {}\nclassGroups: {}\n')
    writeFileSync(join(broken, 'xx.yaml'), 'pack: xx\n')
    const refused = await policy('rules', '--packs', broken)
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('xx.yaml: ') })
  })

  it.each<[string, string[]]>([
    ['no such country', ['explain', '--from', 'India', '--to', 'CN', '--class', 'personal']],
    ['no class', ['explain', '--from', 'IN', '--to', 'CN']],
    ['no such action', ['explain', '--from', 'IN', '--to', 'CN', '--class', 'personal', '--action', 'sell']],
    ['no such day', ['explain', '--from', 'IN', '--to', 'CN', '--class', 'personal', '--at', '2026-13-01']],
    ['no number', ['explain', '--from', 'IN', '--to', 'CN', '--class', 'personal', '--persons', 'many']],
    ['nothing to do', []],
  ])('with %s is wrong usage', async (_what, args) => {
    expect((await policy(...args)).code).toBe(2)
  })
})
