import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { dataClasses } from '../../src/policy/data-classes.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import { parsePack } from '../../src/policy/packs/pack.ts'
import type { PackFacts } from '../../src/policy/packs/pack-book.ts'
import { packFacts } from '../support/packs.ts'

const day = (text: string): number => Date.parse(`${text}T00:00:00.000Z`)
const today = day('2026-12-01')
const folders = mkdtempSync(join(tmpdir(), 'holdfast-packs-'))
afterAll(() => rmSync(folders, { recursive: true, force: true }))

/** A folder of packs: the groups that come with Holdfast, and what a test writes. */
function packs(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(folders, 'p-'))
  writeFileSync(join(folder, 'groups.yaml'), readFileSync(join(packsFolder, 'groups.yaml')))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

const rule = (change: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    id: 'xx-1',
    act: 'An Act',
    section: 's. 1',
    says: 'No.',
    binds: 'everybody',
    classes: '[personal]',
    effect: 'localise',
    from: '2020-01-01',
    status: 'in-force',
    evidence: 'T',
    verifiedOn: '2026-11',
    reviewBy: '2027-11',
    source: 'a gazette',
    ...change,
  })
    .map(([name, value], at) => `${at === 0 ? '  - ' : '    '}${name}: ${value}\n`)
    .join('')
const pack = (rules: string, jurisdiction = 'IN'): string =>
  `pack: xx\ntitle: X\nversion: 2026-11-28\njurisdiction: ${jurisdiction}\nrules:\n${rules}`

const kinds = (book: ReturnType<typeof loadPackBook>, facts: PackFacts, at = today): string[] =>
  book.decide(facts, at).findings.map(({ kind, rule }) => (rule === null ? kind : `${kind} ${rule.id}`))

describe('the packs that come with Holdfast', () => {
  const book = loadPackBook(packsFolder)

  it('have every rule that was found, each with what it rests on', () => {
    const rules = book.packs.flatMap(({ rules }) => rules)
    expect(rules.map(({ id }) => id).sort()).toEqual(
      [
        ...['ae-health-13', 'br-33', 'ca-qc-17', 'ch-16', 'ke-26', 'kr-28-8', 'ng-41', 'ru-18-5'],
        ...['cn-block', 'cn-cbdt', 'cn-pipl-36', 'cn-pipl-38', 'cn-pipl-40', 'gb-transfer'],
        ...['eu-adequacy', 'eu-adequacy-us', 'eu-dataact-32', 'eu-dataact-sw', 'eu-gdpr-48', 'eu-gdpr-ch5'],
        ...['in-accounts-r3', 'in-certin', 'in-dpdp-r13', 'in-dpdp-r15', 'in-dpdp-r7', 'in-dpdp-s16'],
        ...['in-rbi-psd', 'in-sebi-cloud', 'in-sebi-cscrf', 'in-spdi-r7', 'sa-pdpl-29', 'tr-9'],
        ...['us-cloud', 'us-dsp', 'us-padfa', 'vn-pdpl'],
      ].sort(),
    )
    for (const { id, reviewBy, verifiedOn, fromUnixMs } of rules) {
      expect(reviewBy > verifiedOn, id).toBe(true)
      expect(fromUnixMs, id).toBeGreaterThan(0)
    }
  })

  it('apply a rule from its day on, and not before', () => {
    const restricted = packs(
      Object.fromEntries(
        readdirSync(packsFolder).map(name => [name, readFileSync(join(packsFolder, name), 'utf8')]),
      ),
    )
    const groups = join(restricted, 'groups.yaml')
    writeFileSync(
      groups,
      readFileSync(groups, 'utf8').replace('in-dpdp-restricted: []', 'in-dpdp-restricted: [CN]'),
    )
    const later = loadPackBook(restricted)
    const facts = packFacts({ to: 'CN' })
    const before = later.decide(facts, day('2027-05-13') - 1)
    expect(before.outcome).toBe('allowed')
    expect(before.findings.find(({ rule }) => rule?.id === 'in-dpdp-s16')).toMatchObject({
      kind: 'not-yet',
      why: 'It applies from 2027-05-13, and would stop this.',
    })
    expect(before.untilUnixMs).toBe(day('2027-05-13'))
    expect(later.decide(facts, day('2027-05-13')).outcome).toBe('refused')
    expect(later.decide(packFacts({ to: 'DE' }), day('2027-05-13')).outcome).toBe('allowed')
    expect(later.hash).not.toBe(book.hash)
  })

  it.each<[string, Parameters<typeof packFacts>[0], string, string]>([
    [
      'payment data stays in India',
      { dataClass: 'payment', mechanisms: ['consent'] },
      'refused',
      'refuses in-rbi-psd',
    ],
    [
      'but for a copy of the domestic leg',
      { dataClass: 'payment', mechanisms: ['consent', 'cross-border-payment-leg'] },
      'allowed',
      'met in-rbi-psd',
    ],
    [
      'which is no move',
      { dataClass: 'payment', mode: 'move', mechanisms: ['consent', 'cross-border-payment-leg'] },
      'refused',
      'refuses in-rbi-psd',
    ],
    ['books of account may be copied', { dataClass: 'accounts' }, 'allowed', 'met in-accounts-r3'],
    ['and not moved', { dataClass: 'accounts', mode: 'move' }, 'refused', 'refuses in-accounts-r3'],
    ['logs must stay', { dataClass: 'logs', mode: 'move' }, 'refused', 'refuses in-certin'],
    ['within the Union nothing leaves', { from: 'DE', to: 'FR' }, 'allowed', ''],
    ['nor within a country', { from: 'SG', to: 'SG' }, 'allowed', ''],
    [
      'the Framework is for the US',
      { from: 'DE', to: 'US', mechanisms: ['dpf'] },
      'allowed',
      'permits eu-adequacy-us',
    ],
    [
      'and for nowhere else',
      { from: 'DE', to: 'IN', mechanisms: ['dpf'] },
      'needs-review',
      'asks eu-gdpr-ch5',
    ],
    [
      'few persons are free in China',
      { from: 'CN', to: 'DE', persons: 99_999, capacities: [] },
      'allowed',
      'met cn-cbdt',
    ],
    [
      'sensitive data of few takes a contract',
      { from: 'CN', to: 'DE', dataClass: 'health', persons: 99, capacities: [] },
      'needs-review',
      'asks cn-cbdt',
    ],
    [
      'and with one is free up to 10,000',
      {
        from: 'CN',
        to: 'DE',
        dataClass: 'health',
        persons: 9999,
        mechanisms: ['cn-standard-contract'],
        capacities: [],
      },
      'allowed',
      'met cn-cbdt',
    ],
    [
      'a million persons take the assessment',
      { from: 'CN', to: 'DE', persons: 1_000_000, mechanisms: ['cn-standard-contract'], capacities: [] },
      'needs-review',
      'asks cn-cbdt',
    ],
    [
      'critical infrastructure is assessed',
      { from: 'CN', to: 'DE', persons: 10, capacities: ['cn-ciio'] },
      'refused',
      'refuses cn-pipl-40',
    ],
    [
      'who has not said what it is, may be it',
      { from: 'CN', to: 'DE', persons: 10 },
      'needs-review',
      'may-bind cn-pipl-40',
    ],
    ['bulk data to a country of concern', { from: 'US', to: 'HK' }, 'refused', 'refuses us-dsp'],
    ['or to whom one controls', { from: 'US', to: 'DE', toOperator: 'CN' }, 'refused', 'refuses us-dsp'],
    ['but not what is not bulk', { from: 'US', to: 'CN', persons: 100_000 }, 'allowed', 'met us-dsp'],
    [
      'a broker gives nothing sensitive to an adversary',
      { from: 'US', to: 'RU', dataClass: 'health', persons: 5, capacities: ['us-data-broker'] },
      'refused',
      'refuses us-padfa',
    ],
    ['a provider under US control is told of', { toOperator: 'US' }, 'allowed', 'exposure us-cloud'],
    [
      'clauses alone are half of it',
      { from: 'SA', to: 'IN', mechanisms: ['scc'] },
      'needs-review',
      'asks sa-pdpl-29',
    ],
    [
      'with the assessment',
      { from: 'SA', to: 'IN', mechanisms: ['scc', 'risk-assessment'] },
      'allowed',
      'met sa-pdpl-29',
    ],
    ['a foreign court', { action: 'disclose', from: 'DE', to: 'US' }, 'needs-review', 'asks eu-gdpr-48'],
    [
      'with a treaty',
      { action: 'disclose', from: 'DE', to: 'US', mechanisms: ['treaty'] },
      'allowed',
      'met eu-gdpr-48',
    ],
    [
      'any data in China',
      { action: 'disclose', from: 'CN', to: 'US', dataClass: 'logs' },
      'needs-review',
      'asks cn-block',
    ],
    ['a country that no pack knows', { from: 'SG' }, 'needs-review', 'not-covered'],
    ['a class that its pack does not speak of', { from: 'AE' }, 'needs-review', 'not-covered'],
    ['a class that nobody knows', { dataClass: 'secret' }, 'needs-review', 'not-covered'],
    [
      'which a quorum may have had looked into',
      { from: 'SG', mechanisms: ['reviewed'] },
      'allowed',
      'not-covered',
    ],
    [
      'but no prohibition',
      { dataClass: 'payment', mechanisms: ['consent', 'reviewed'] },
      'refused',
      'refuses in-rbi-psd',
    ],
    [
      'nor a mechanism',
      { from: 'DE', to: 'IN', mechanisms: ['reviewed'] },
      'needs-review',
      'asks eu-gdpr-ch5',
    ],
  ])('%s', (_what, change, outcome, finding) => {
    const verdict = book.decide(packFacts(change), today)
    expect(verdict.outcome).toBe(outcome)
    if (finding !== '') expect(kinds(book, packFacts(change))).toContain(finding)
  })

  const facts = fc.record({
    action: fc.constantFrom('transfer' as const, 'disclose' as const),
    from: fc.constantFrom('IN', 'DE', 'SG', 'CN', 'US', 'GB', 'KE', 'AE'),
    to: fc.constantFrom('IN', 'FR', 'CN', 'US', 'RU', 'HK'),
    dataClass: fc.constantFrom(...dataClasses, 'unknown'),
    mode: fc.constantFrom('copy' as const, 'move' as const),
    mechanisms: fc.subarray(['scc', 'consent', 'dpf', 'cac-assessment', 'cisa-requirements', 'reviewed']),
    capacities: fc.constantFrom(null, [], ['cn-ciio'], ['us-data-broker', 'in-significant-data-fiduciary']),
    toOperator: fc.constantFrom(null, 'US', 'CN'),
    persons: fc.constantFrom(null, 5, 50_000, 2_000_000),
  })
  const times = fc.integer({ min: day('2024-01-01'), max: day('2028-01-01') })

  it('decide the same whatever was asked before, at any time', () => {
    const fresh = () => loadPackBook(packsFolder)
    let other = fresh()
    fc.assert(
      fc.property(facts, fc.array(times, { minLength: 2, maxLength: 5 }), (change, asked) => {
        other = fresh()
        for (const at of asked) {
          const kept = book.decide(packFacts(change), at)
          expect(at >= kept.sinceUnixMs && at < kept.untilUnixMs).toBe(true)
          const { outcome, findings } = other.decide(packFacts(change), at)
          const alone = fresh().decide(packFacts(change), at)
          expect([kept.outcome, kept.findings.map(({ why }) => why)]).toEqual([
            alone.outcome,
            alone.findings.map(({ why }) => why),
          ])
          expect([outcome, findings.length]).toEqual([alone.outcome, alone.findings.length])
        }
      }),
      { numRuns: 25 },
    )
  })

  it('never allow less for a mechanism more, and open no prohibition by a review', () => {
    const rank = { refused: 0, 'needs-review': 1, allowed: 2 }
    fc.assert(
      fc.property(facts, fc.constantFrom('scc', 'treaty', 'cac-assessment'), (change, more) => {
        const less = book.decide(packFacts(change), today)
        const mechanisms = [...change.mechanisms, more]
        expect(rank[book.decide(packFacts({ ...change, mechanisms }), today).outcome]).toBeGreaterThanOrEqual(
          rank[less.outcome],
        )
        const looked = book.decide(
          packFacts({ ...change, mechanisms: [...change.mechanisms, 'reviewed'] }),
          today,
        )
        expect(looked.outcome === 'refused').toBe(less.outcome === 'refused')
      }),
      { numRuns: 300 },
    )
  })

  it('keep apart what only prints alike', () => {
    const one = book.decide(packFacts({ from: 'SA', to: 'IN', mechanisms: ['scc,risk-assessment'] }), today)
    const two = book.decide(
      packFacts({ from: 'SA', to: 'IN', mechanisms: ['scc', 'risk-assessment'] }),
      today,
    )
    expect([one.outcome, two.outcome]).toEqual(['needs-review', 'allowed'])
  })
})

describe('a pack', () => {
  it('that nobody has seen the text of settles nothing', () => {
    const book = loadPackBook(packs({ 'xx.yaml': pack(rule({ effect: 'permit', evidence: 'R' })) }))
    expect(book.decide(packFacts(), today)).toMatchObject({ outcome: 'needs-review' })
    expect(kinds(book, packFacts())).toEqual(['unverified xx-1'])
    expect(book.decide(packFacts({ mechanisms: ['reviewed'] }), today).outcome).toBe('allowed')
  })

  it('ends on its day, and is not applied in abeyance', () => {
    const book = loadPackBook(packs({ 'xx.yaml': pack(rule({ until: '2026-12-15' })) }))
    expect(book.decide(packFacts(), day('2026-12-15') - 1).outcome).toBe('refused')
    expect(book.decide(packFacts(), day('2026-12-15')).outcome).toBe('allowed')
    expect(
      kinds(loadPackBook(packs({ 'xx.yaml': pack(rule({ status: 'abeyance' })) })), packFacts()),
    ).toEqual(['not-applied xx-1'])
  })

  it('whose condition cannot be asked allows nothing', () => {
    const when = "'context.persons > 9223372036854775807 - 1 - context.persons * 2'"
    const text = pack(
      rule({
        effect: 'permit',
        when: when.replace('context.persons >', 'context has persons && context.persons >'),
      }),
    )
    const book = loadPackBook(packs({ 'xx.yaml': text }))
    const persons = Number.MAX_SAFE_INTEGER
    expect(book.decide(packFacts({ persons: 1 }), today).outcome).toBe('allowed')
    // The product is past 64 bits.
    expect(book.decide(packFacts({ persons: persons * 1024 }), today).outcome).toBe('needs-review')
  })

  it.each<[string, string, RegExp]>([
    ['no YAML', ': [', /no YAML/],
    ['an alias', 'a: &a [1]\nb: *a\n', /no YAML/],
    ['no rules', pack('').replace('rules:\n', 'rules: []\n'), /rules/],
    ['an unknown field', pack(rule({ sayz: 'x' })), /sayz/],
    ['an unknown class', pack(rule({ classes: '[secret]' })), /classes/],
    ['no citation', pack(rule({ source: "''" })), /source/],
    ['no such day', pack(rule({ from: '2026-02-30' })), /from/],
    ['an end before its beginning', pack(rule({ until: '2019-01-01' })), /ends before it begins/],
    ['a review before it was verified', pack(rule({ reviewBy: '2020-01' })), /reviewBy/],
    ['no mechanism to ask for', pack(rule({ effect: 'permit-with-mechanism' })), /takes mechanisms/],
    ['every side without a condition', pack(rule({ side: 'any' })), /side any/],
    ['two rules of one id', pack(rule() + rule()), /two rules/],
    ['a group that is not there', pack(rule(), 'EAA'), /no group EAA/],
    ['a group misspelt', pack(rule({ unless: '\'context.to in Group::"EAA"\'' })), /no Group EAA/],
    [
      'a class misspelt',
      pack(rule({ when: '\'resource.dataClass in DataClass::"helth"\'' })),
      /no DataClass helth/,
    ],
    [
      'a mechanism misspelt',
      pack(rule({ mechanisms: '[scc]', unless: '\'context.mechanisms.contains("ssc")\'' })),
      /ssc is not among/,
    ],
    ['Cedar that does not parse', pack(rule({ unless: "'context.to in'" })), /./],
    ['Cedar of a type that does not fit', pack(rule({ unless: "'context.mode == 5'" })), /type/i],
    ['what may not be there', pack(rule({ unless: "'context.persons < 5'" })), /persons/],
    ['a policy of its own', pack(rule({ unless: "'true }; permit(principal, action, resource); //'" })), /./],
  ])('with %s is refused whole', (_what, text, words) => {
    expect(() => loadPackBook(packs({ 'xx.yaml': text }))).toThrow(words)
  })

  it('parses to an object, or to words', () => {
    expect(parsePack(pack(rule()))).toMatchObject({ id: 'xx', rules: [{ id: 'xx-1', pack: 'xx' }] })
    expect(parsePack('')).toEqual(expect.any(String))
  })

  it('of the same rule as another is refused', () => {
    const files = { 'a.yaml': pack(rule()), 'b.yaml': pack(rule()).replace('pack: xx', 'pack: yy') }
    expect(() => loadPackBook(packs(files))).toThrow(/two packs have this rule/)
    expect(() => loadPackBook(join(folders, 'none'))).toThrow(/cannot be read/)
  })
})
