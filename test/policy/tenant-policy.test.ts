/** A tenant's own policy narrows, never widens, and lets nothing through where it cannot be read or asked. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { CountryCode } from '../../src/core/ids.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import { createTenantPolicies, toldPolicy } from '../../src/policy/tenant/policies.ts'
import type { PolicyFacts } from '../../src/policy/tenant/request.ts'
import { splitPolicies } from '../../src/policy/tenant/text.ts'
import { run } from '../support/child.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-tenant-policy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const groups = {
  groups: { EEA: ['DE', 'FR'] as CountryCode[] },
  classGroups: { everything: ['personal'] as const },
}
const policies = createTenantPolicies(groups)
const saturday = Date.parse('2026-11-28T10:59:59.000Z')

const named = (scope: string, conditions = '', id = 'it'): string =>
  `@id("${id}") @reason("because of ${id}") forbid (${scope}) ${conditions};\n`
const when = (condition: string, id?: string): string =>
  named('principal, action in Action::"transfer", resource', `when { ${condition} }`, id)

type Transfer = Extract<PolicyFacts['act'], { kind: 'transfer' }>
function facts(change: Partial<Omit<PolicyFacts, 'act'>> = {}, act: Partial<Transfer> = {}): PolicyFacts {
  return {
    principal: { type: 'Tenant', id: 't' },
    tenant: 't',
    bucket: {
      name: 'b',
      region: 'in-mumbai',
      country: 'IN' as CountryCode,
      dataClass: 'health',
      prefix: 'hr/',
    },
    from: 'IN' as CountryCode,
    to: 'DE' as CountryCode,
    purpose: 'a test',
    expiresUnixMs: saturday + 3600e3,
    limits: { objects: null, bytes: null },
    capacities: null,
    ...change,
    act: {
      ...{ kind: 'transfer', mode: 'copy', end: 'out', fromRegion: 'in-mumbai', toRegion: 'de-frankfurt' },
      ...{ fromBucket: 'b', toBucket: 'c', mechanisms: ['scc'], versions: 'current' },
      ...act,
    } as Transfer,
  }
}
const forbids = (text: string, asked = facts(), at = saturday): boolean => {
  expect(policies.faultOf(text)).toBeNull()
  const { refusals, faults } = policies.decide(text, asked, at)
  expect(faults).toEqual([])
  return refusals.length > 0
}

describe('what a policy can say', () => {
  it.each([
    ['a country', when('context.to == Country::"DE"')],
    ['a group', when('context.to in Group::"EEA"')],
    ['a region by its group', when('context.toRegion in Group::"EEA"')],
    ['a region', when('context.fromRegion == Region::"in-mumbai"')],
    ['a bucket', named('principal, action in Action::"out", resource == Bucket::"b"')],
    ['a bucket by its country', named('principal, action in Action::"out", resource in Country::"IN"')],
    ['a class', when('resource.dataClass in DataClass::"sensitive-personal"')],
    ['a prefix', when('resource.prefix like "hr/*"')],
    ['a mechanism', when('context.mechanisms.contains("scc")')],
    ['no limits', when('!(context has bytes)')],
    ['a day of the week', when('context.weekday == 6')],
    ['an hour', when('context.hour == 10')],
    ['a time', when(`context.at < ${saturday / 1000 + 1}`)],
    ['how long it lives', when('context.expires - context.at >= 3600')],
    ['a purpose', when('context.purpose like "*test"')],
    ['whoever names nobody', named('principal is Tenant, action in Action::"copy", resource')],
    ['everybody', named('principal in Tenant::"t", action, resource')],
  ])('%s', (_, text) => {
    expect(forbids(text)).toBe(true)
    const untrue = text
      .replace('when {', 'when { context.purpose == "x" && ')
      .replace(/"(t|b|IN)"(?=,|\))/, '"CN"')
    if (untrue !== text && !/Tenant/.test(text)) expect(forbids(untrue)).toBe(false)
  })

  it.each([
    ['copy', 'out', ['transfer', 'copy', 'out', 'copy-out']],
    ['copy', 'in', ['transfer', 'copy', 'in', 'copy-in']],
    ['move', 'out', ['transfer', 'move', 'out', 'move-out']],
    ['move', 'in', ['transfer', 'move', 'in', 'move-in']],
    ['standing', 'out', ['transfer', 'copy', 'standing', 'out', 'standing-out']],
    ['standing', 'in', ['transfer', 'copy', 'standing', 'in', 'standing-in']],
  ] as const)('of a %s, %s: %s, and no other act', (mode, end, groupsOf) => {
    const all =
      'transfer copy move standing out in copy-out copy-in move-out move-in standing-out standing-in'
    const hit = all
      .split(' ')
      .filter(act =>
        forbids(named(`principal, action in [Action::"${act}"], resource`), facts({}, { mode, end })),
      )
    expect(hit.sort()).toEqual([...groupsOf].sort())
  })

  it('of drafters and approvers, by kind and by key', () => {
    const asked = facts({ principal: { type: 'Drafter', id: 'abc' } })
    expect(forbids(named('principal is Drafter, action, resource'), asked)).toBe(true)
    expect(forbids(named('principal == Drafter::"abc", action, resource'), asked)).toBe(true)
    expect(forbids(named('principal is Approver, action, resource'), asked)).toBe(false)
  })

  it('of who is let see', () => {
    const act = { kind: 'disclose', name: 'a court', form: 'plaintext', actions: [] } as const
    const asked = { ...facts(), act }
    expect(
      forbids(
        named('principal, action == Action::"disclose", resource', 'when { context.form == "plaintext" }'),
        asked,
      ),
    ).toBe(true)
    expect(forbids(named('principal, action == Action::"access", resource'), asked)).toBe(false)
    expect(forbids(when('true'), asked)).toBe(false)
  })

  it('is told with its name and its reason, as the tenant’s own', () => {
    const text = when('true', 'b-second') + when('context.hour > 2', 'a-first')
    expect(toldPolicy(policies.decide(text, facts(), saturday))).toBe(
      'The tenant’s own policy “a-first” forbids it: because of a-first. ' +
        'The tenant’s own policy “b-second” forbids it: because of b-second. ' +
        'What would change it: holdfast instruct approvers --policy FILE',
    )
    expect(toldPolicy(policies.decide(when('context.hour > 20'), facts(), saturday))).toBeNull()
  })
})

describe('what is no policy', () => {
  it.each<[string, string, RegExp]>([
    [
      'a permit',
      '@id("a") @reason("r") permit (principal, action, resource);',
      /^policy 1 is a permit: .*allows nothing by itself$/,
    ],
    [
      'a permit behind others',
      `${when('true')}permit (principal, action, resource);`,
      /^policy 2 is a permit/,
    ],
    ['a template', '@id("a") @reason("r") forbid (principal == ?principal, action, resource);', /template/],
    ['one without a name', 'forbid (principal, action, resource);', /has no @id/],
    [
      'one with a name for something else',
      named('principal, action, resource', '', '__proto__'),
      /has no @id/,
    ],
    ['one without a reason', '@id("a") forbid (principal, action, resource);', /has no @reason/],
    ['two of one name', when('true') + when('true'), /two policies are named it/],
    ['an attribute that is not there', when('context.foo == 1'), /attribute `foo` in context .* not found/],
    ['an attribute that some lack', when('context.bytes > 4'), /optional attribute `bytes`/],
    [
      'an attribute of other acts',
      named('principal, action, resource', 'when { context.toBucket == "x" }'),
      /not found/,
    ],
    [
      'an act that is not there',
      named('principal, action == Action::"sell", resource'),
      /unrecognized action/,
    ],
    ['a type that is not there', when('resource in Planet::"x"'), /unrecognized entity type/],
    ['a type that does not fit', when('context.hour == "ten"'), /./],
    ['a group that is not there', when('context.to in Group::"EU"'), /there is no Group EU/],
    ['a country that is none', when('context.to == Country::"India"'), /there is no Country India/],
    [
      'a country that is none, in the scope',
      named('principal, action, resource in Country::"India"'),
      /there is no Country India/,
    ],
    [
      'a class that is not there',
      when('resource.dataClass in DataClass::"secret"'),
      /there is no DataClass secret/,
    ],
    ['what can never hold', when('context.hour > 3 && false'), /impossible/],
    ['what cannot be parsed', when('context.hour >'), /unexpected token/],
    ['half a policy', 'forbid (principal, action', /does not end with ;/],
    ['a text that does not end', '@id("a', /does not end on its line/],
    ['a return that another reader takes for the end of a line', `// x\r${when('true')}`, /do not show/],
    ['what is turned round on the screen', `// \u202e\n${when('true')}`, /do not show/],
    ['nothing', '', /is empty/],
    ['only words', '// nothing\n', /there is no policy in it/],
    ['a huge text', `${when('true')}//${'x'.repeat(17_000)}`, /longer than 16384/],
    [
      'a crowd',
      Array.from(
        { length: 101 },
        (_, at) => `@id("p${at}") @reason("r") forbid (principal, action, resource);`,
      ).join(''),
      /more than 100/,
    ],
  ])('%s', (_, text, fault) => {
    expect(policies.faultOf(text)).toMatch(fault)
    const verdict = policies.decide(text, facts(), saturday)
    expect(verdict.faults).toEqual([expect.stringMatching(fault)])
    expect(toldPolicy(verdict)).toContain('could not be asked')
  })

  const nested = [
    '(',
    '[',
    '{a: ',
    '!(',
    'if true then (',
    'if (',
    '-(',
    '[[',
    'f(',
    'context["',
    'true && (',
  ]
  it.each(nested)('what is nested deeper than Cedar can follow: %s', open => {
    expect(policies.faultOf(when(open.repeat(300)))).toMatch(/nested|does not end|operators/)
  })

  it.each(['true && ', 'true || ', '1 + ', '1 * ', 'if true then true else ', '!', '-'])(
    'a chain of %s',
    link => {
      expect(policies.faultOf(when(`${link.repeat(400)}true`))).toMatch(/more than 120 operators/)
    },
  )
})

describe('an evaluation that fails', () => {
  // Strict validation cannot see it: the number is too large only when it is computed.
  const overflows = when('context.at * 9223372036854775807 > 0')

  it('refuses, also when another policy has nothing against it', () => {
    expect(policies.faultOf(overflows)).toBeNull()
    const verdict = policies.decide(when('context.hour > 20', 'quiet') + overflows, facts(), saturday)
    expect([verdict.refusals, verdict.faults]).toEqual([[], [expect.stringContaining('overflow')]])
    expect(toldPolicy(verdict)).toMatch(/^The tenant’s own policy could not be asked: .*overflow/)
  })
})

describe('a decision that is kept', () => {
  it.each([
    ['for ever', 'context.to == Country::"DE"', null],
    ['for the hour', 'context.hour == 10', 3600e3],
    ['for the hour, by the day', 'context.weekday == 6', 3600e3],
    ['for the second', `context.at <= ${saturday / 1000}`, 1000],
    [
      'for the second, behind a condition',
      `(if context.hour < 25 then context else context).at <= ${saturday / 1000}`,
      1000,
    ],
  ] as const)('%s', (_, condition, life) => {
    const text = when(condition)
    const { sinceUnixMs, untilUnixMs } = policies.decide(text, facts(), saturday)
    expect(forbids(text)).toBe(true)
    if (life === null) expect([sinceUnixMs, untilUnixMs]).toEqual([-Infinity, Infinity])
    else {
      expect(untilUnixMs - sinceUnixMs).toBe(life)
      expect(saturday >= sinceUnixMs && saturday < untilUnixMs).toBe(true)
      if (!condition.includes('weekday')) expect(forbids(text, facts(), untilUnixMs)).toBe(false)
      expect(forbids(text, facts(), saturday)).toBe(true)
    }
  })

  it('is that of one that never heard the question before', () => {
    const text =
      when('context.weekday < 6 && context.to in Group::"EEA"', 'a') +
      when('resource.dataClass in DataClass::"health" && context.hour >= 18', 'b')
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 14 * 86_400 }),
        fc.constantFrom('DE', 'US'),
        fc.constantFrom('health', 'logs'),
        (seconds, to, dataClass) => {
          const at = saturday + seconds * 1000
          const asked = facts({ to: to as CountryCode, bucket: { ...facts().bucket, dataClass } })
          const said = policies.decide(text, asked, at)
          expect(said).toEqual(createTenantPolicies(groups).decide(text, asked, at))
        },
      ),
      { numRuns: 60 },
    )
  })
})

it('what Cedar gets is what was counted: texts in quotation marks and comments hide nothing', () => {
  expect(splitPolicies('a; // b;\n"c;\\"" d;')).toEqual(['a;', '"c;\\"" d;'])
  expect(policies.faultOf(when('context.purpose == "// ((((((((((((((((((;"'))).toBeNull()
  expect(policies.faultOf(`${when('true')}// " ((((((((((((((\n${when('true', 'b')}`)).toBeNull()
})

it('the packs that come with Holdfast take policies of their groups', () => {
  expect(loadPackBook(packsFolder).policies.faultOf(when('!(context.to in Group::"EEA")'))).toBeNull()
})

describe('every check is needed', () => {
  const permit = 'permit (principal, action, resource);'
  const overflow = when('context.at * 9223372036854775807 > 0')
  it.each<[what: string, file: string, find: string, replace: string, text: string, without: string]>([
    [
      'that operators are counted',
      'text.ts',
      'if (operators > maxOperators)',
      'if (false)',
      when(Array(1000).fill('context.at==1').join('&&')),
      'memory access out of bounds',
    ],
    [
      'that nothing is permitted',
      'policies.ts',
      "if (parsed.effect !== 'forbid')",
      'if (false)',
      permit.replace('permit', '@id("a") @reason("r") permit'),
      'refuses: The tenant’s own policy “a”',
    ],
    [
      'that names are known',
      'policies.ts',
      'if (!isKnownName(groups, type, name))',
      'if (false)',
      when('context.to in Group::"Sanctioned"'),
      'lets it through',
    ],
    [
      'that it fits the schema',
      'policies.ts',
      'const unfit = faultOfPolicies(policies, tenantSchema)',
      'const unfit = null as string | null',
      when('context.too == Country::"DE"'),
      'could not be asked',
    ],
    [
      'that an error refuses',
      'policies.ts',
      'if (refusals.length === 0 && faults.length === 0) return null',
      'if (refusals.length === 0) return null',
      overflow,
      'lets it through',
    ],
    [
      'that acts are in their groups',
      'request.ts',
      'transferActions.get(action.id) ?? []',
      '[] as string[]',
      when('true'),
      'lets it through',
    ],
  ])('%s', async (_what, file, find, replace, text, without) => {
    const copy = mkdtempSync(join(folder, 'copy-'))
    for (const layer of ['core', 'crypto', 'verify', 'policy'])
      cpSync(join(root, 'src', layer), join(copy, layer), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    symlinkSync(join(root, 'package.json'), join(copy, 'package.json'))
    const path = join(copy, 'policy', 'tenant', file)
    const judge = async (): Promise<string> => {
      const program = `
        const { createTenantPolicies, toldPolicy } = await import(${JSON.stringify(join(copy, 'policy/tenant/policies.ts'))})
        const [text, facts, groups, at] = JSON.parse(process.argv[1])
        const told = toldPolicy(createTenantPolicies(groups).decide(text, facts, at))
        console.log(told === null ? 'lets it through' : 'refuses: ' + told)`
      const { stdout, stderr } = await run(process.execPath, [
        '--input-type=module',
        '-e',
        program,
        JSON.stringify([text, facts(), groups, saturday]),
      ])
      return stdout + stderr
    }
    expect(await judge()).toMatch(/^refuses: /)
    const source = readFileSync(path, 'utf8')
    if (source.split(find).length !== 2) throw new Error(`${file} does not hold once: ${find}`)
    writeFileSync(
      path,
      source.replace(find, () => replace),
    )
    expect(await judge()).toContain(without)
  })
})
