/** What newer packs would change is told for each bucket and each order before they take effect. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { CountryCode } from '../../src/core/ids.ts'
import { compareOutcomes, comparePacks } from '../../src/policy/packs/compare.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run } from '../support/child.ts'
import { draft, instruct, instructionFields, say, settled, verdict } from '../support/instructions.ts'

const main = new URL('../../src/main.ts', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'holdfast-packs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Packs in which India forbids personal data to go to Germany, from a day that is to come. */
const newer = join(folder, 'newer')
const day = '2030-01-01'
cpSync(packsFolder, newer, { recursive: true })
const india = readFileSync(join(newer, 'in.yaml'), 'utf8').replace(/^version: .*/m, 'version: 2029-12-01')
writeFileSync(
  join(newer, 'in.yaml'),
  `${india.trimEnd()}
  - id: in-test-germany
    act: A test
    section: s. 1
    says: Personal data stays out of Germany.
    binds: everybody
    classes: [personal]
    effect: forbid-to-countries
    when: 'context.to == Country::"DE"'
    from: ${day}
    status: enacted-not-commenced
    evidence: T
    verifiedOn: 2026-11
    reviewBy: 2027-11
    source: https://law.example/
`,
)

const facts = (to: string) => ({
  ...({ action: 'transfer', mode: 'copy', dataClass: 'personal', mechanisms: [], capacities: null } as const),
  ...{ from: 'IN' as CountryCode, to: to as CountryCode, toOperator: null, persons: null },
})

describe('packs beside newer ones', () => {
  const [before, after] = [loadPackBook(packsFolder), loadPackBook(newer)]
  const now = Date.UTC(2026, 10, 28)

  it('say which packs and rules differ', () => {
    expect(comparePacks(before, before)).toEqual({ packs: [], rules: [] })
    expect(comparePacks(before, after)).toEqual({
      packs: [{ id: 'in', before: expect.any(String), after: '2029-12-01' }],
      rules: [{ id: 'in-test-germany', change: 'added' }],
    })
    expect(comparePacks(after, before).rules).toEqual([{ id: 'in-test-germany', change: 'removed' }])
  })

  it('say what would come to something else, and from which day on', () => {
    expect(compareOutcomes(before, after, facts('SG'), now)).toEqual([])
    expect(compareOutcomes(before, after, facts('DE'), now)).toEqual([
      {
        fromUnixMs: Date.parse(`${day}T00:00:00Z`),
        before: 'allowed',
        after: 'refused',
        rules: expect.arrayContaining(['in-test-germany']),
      },
    ])
    const then = Date.UTC(2031, 0, 1)
    expect(compareOutcomes(before, after, facts('DE'), then)[0]).toMatchObject({
      fromUnixMs: then,
      after: 'refused',
    })
  })
})

describe('holdfast packs compare', () => {
  let test: TestApp
  let acme: Customer
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 1, 1)
    await acme.s3('PUT', '/source')
    await acme.s3('PUT', '/plain', '', { 'x-holdfast-data-class': 'non-personal' })
    await acme.s3(
      'PUT',
      '/target',
      '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>',
    )
  })
  afterAll(() => test?.[Symbol.asyncDispose]())

  it('names each bucket and each order that it would concern, of a region that serves', async () => {
    const id = await instruct(acme, draft(instructionFields(acme)))
    const { from, to, limits, mechanism, mode, scope, ...common } = instructionFields(acme)
    void [from, to, limits, mechanism, mode]
    const here = { ...common, bucket: 'source', region: 'in-mumbai' }
    const seen = {
      kind: 'access',
      actions: ['object.read'],
      operator: { country: 'DE', name: 'one' },
      ticket: '1',
    }
    const seenId = await instruct(acme, draft({ ...here, ...seen, scope: scope! }))
    // Within a bucket that it does not concern, a prefix that it does.
    const ofPrefix = { kind: 'class', bucket: 'plain', class: 'personal', was: 'non-personal' }
    const classed = draft({ ...here, ...ofPrefix, prefix: 'people/' })
    const classId = await instruct(acme, classed)
    await say(acme, verdict('approved', classed, acme.tenant, acme.approvers[0]!), classId)
    expect((await settled(acme, classId)).state).toBe('completed')
    const config = join(folder, 'holdfast.yaml')
    writeFileSync(
      config,
      stringify({
        data: join(test.folder, 'data'),
        regions: [
          { id: 'in-mumbai', country: 'IN', peer: { host: '127.0.0.1', port: 1 } },
          { id: 'de-frankfurt', country: 'DE', peer: { host: '127.0.0.1', port: 2 } },
        ],
      }),
    )
    const compare = (...args: string[]) =>
      run(process.execPath, [main, 'packs', 'compare', '--config', config, ...args])
    const { code, stdout, stderr } = await compare('--packs', newer, '--to', 'SG', '--json')
    expect([code, stderr]).toEqual([0, ''])
    const told = JSON.parse(stdout)
    const concerned = told.changed.map(({ bucket, dataClass, to, from, instruction }: any) => [
      ...[bucket, dataClass, to, from, instruction],
    ])
    const orders = [id, seenId].sort()
    expect(concerned).toEqual([
      ['plain', 'personal', 'DE', day, null],
      ['source', 'personal', 'DE', day, null],
      ...orders.map(each => ['source', 'personal', 'DE', day, each]),
    ])
    expect(told.buckets).toBe(3)
    const text = (await compare('--packs', newer)).stdout
    expect(text).toContain('rule in-test-germany: added')
    expect(text).toContain(`in-mumbai/source (personal) → DE: allowed → refused, from ${day} on`)
    expect((await compare('--packs', packsFolder)).stdout).toContain('The packs are the same.')
    expect((await compare('--packs', join(folder, 'none'))).code).toBe(1)
  })
})
