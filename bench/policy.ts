/**
 * What the packs cost, one thread: `node bench/policy.ts [--keep NAME]`. Every pair of eight countries and every class
 * of data, all packs loaded; uncached, each question is asked of a book that has not heard it, and cached, of one that
 * has. The limit beside it is Cedar itself, asked one of the same questions again and again.
 */
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CountryCode } from '../src/core/ids.ts'
import { dataClasses } from '../src/policy/data-classes.ts'
import { compilePolicies } from '../src/policy/packs/cedar.ts'
import { loadPackBook, packsFolder } from '../src/policy/packs/load-packs.ts'
import type { PackFacts } from '../src/policy/packs/pack-book.ts'
import type { PolicyFacts } from '../src/policy/tenant/request.ts'

const { values } = parseArgs({ options: { keep: { type: 'string' } } })
const countries = ['IN', 'DE', 'SG', 'CN', 'US', 'GB', 'RU', 'BR'] as CountryCode[]
const at = Date.parse('2026-12-01T00:00:00.000Z')

/** Distinct in what the cache goes by: `persons` tells one round from the next. */
function questions(round: number): PackFacts[] {
  return countries.flatMap(from =>
    countries.flatMap(to =>
      dataClasses.map(dataClass => ({
        action: 'transfer' as const,
        from,
        to,
        dataClass,
        mode: 'copy' as const,
        mechanisms: ['scc'],
        capacities: null,
        toOperator: null,
        persons: round,
      })),
    ),
  )
}

const started = performance.now()
const book = loadPackBook(packsFolder)
const loadMs = performance.now() - started
for (const facts of questions(0)) book.decide(facts, at)

const rounds = 12
let uncached = 0
for (let round = 1; round <= rounds; round++) {
  const asked = questions(round)
  const begun = performance.now()
  for (const facts of asked) book.decide(facts, at)
  uncached = Math.max(uncached, asked.length / ((performance.now() - begun) / 1000))
}

const asked = questions(rounds)
const times = 200
const begun = performance.now()
for (let i = 0; i < times; i++) for (const facts of asked) book.decide(facts, at + i)
const cachedUs = ((performance.now() - begun) * 1000) / (times * asked.length)

const policies = compilePolicies({
  one: 'permit (principal, action, resource) when { context.mode == "copy" };',
})
const request = {
  principal: { type: 'Tenant', id: 'tenant' },
  action: { type: 'Action', id: 'transfer' },
  resource: { type: 'Bucket', id: 'bucket' },
  context: { mode: 'copy' },
  entities: [],
}
const asks = 20_000
const begunLimit = performance.now()
for (let i = 0; i < asks; i++) policies(request)
const limit = asks / ((performance.now() - begunLimit) / 1000)

/** A tenant's own, of `count` policies, each of which is asked. */
const ownText = (count: number): string =>
  Array.from(
    { length: count },
    (_, at) =>
      `@id("p${at}") @reason("r") forbid (principal, action in Action::"transfer", resource)\n` +
      `when { context.purpose == "x${at}" && !(context.to in Group::"EEA") && resource.prefix like "a/*" };\n`,
  ).join('')
const ownFacts = (round: number, at: number): PolicyFacts => ({
  principal: { type: 'Tenant', id: 't' },
  tenant: 't',
  bucket: { name: 'b', region: 'in-mumbai', country: countries[0]!, dataClass: 'personal', prefix: `${at}` },
  ...{ from: countries[0]!, to: countries[1]!, purpose: `${round}`, expiresUnixMs: 0 },
  ...{ limits: { objects: null, bytes: null }, capacities: null },
  act: {
    ...{ kind: 'transfer', mode: 'copy', end: 'out', fromRegion: 'in-mumbai', toRegion: 'de-frankfurt' },
    ...{ fromBucket: 'b', toBucket: 'c', mechanisms: [], versions: 'current' },
  },
})
const own = [1, 10, 80].map(count => {
  const text = ownText(count)
  const begunLoad = performance.now()
  const fault = book.policies.faultOf(text)
  if (fault !== null) throw new Error(fault)
  const loadMs = performance.now() - begunLoad
  book.policies.decide(text, ownFacts(-1, 0), at)
  let fresh = 0
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now()
    for (let i = 0; i < 200; i++) book.policies.decide(text, ownFacts(round, i), at)
    fresh = Math.max(fresh, 200 / ((performance.now() - begun) / 1000))
  }
  const same = ownFacts(0, 0)
  const begun = performance.now()
  for (let i = 0; i < 20_000; i++) book.policies.decide(text, same, at)
  return { count, bytes: text.length, loadMs, fresh, keptUs: ((performance.now() - begun) * 1000) / 20_000 }
})

const rules = book.packs.reduce((sum, { rules }) => sum + rules.length, 0)
const n = (value: number): string => Math.round(value).toLocaleString('en')
const lines = [
  '# Packs',
  '',
  `- date: ${new Date().toISOString()}`,
  `- machine: ${cpus().length} × ${cpus()[0]!.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  `- node: ${process.version}`,
  '- command: node bench/policy.ts',
  '',
  '| | | |',
  '|---|---:|---|',
  `| limit: Cedar with one policy and no entities | ${n(limit)}/s | |`,
  `| ${book.packs.length} packs with ${rules} rules loaded and checked | ${loadMs.toFixed(0)} ms | |`,
  `| decided, not asked before | ${n(uncached)}/s | best of ${rounds} rounds of ${asked.length}, one thread; asked: 5,000/s |`,
  `| decided, asked before | ${cachedUs.toFixed(2)} µs | asked: under 3 µs |`,
  ...own.flatMap(({ count, bytes, loadMs, fresh, keptUs }) => [
    `| a tenant’s own ${count} policies (${n(bytes)} characters) checked | ${loadMs.toFixed(1)} ms | |`,
    `| … decided, not asked before | ${n(fresh)}/s | |`,
    `| … decided, asked before | ${keptUs.toFixed(2)} µs | |`,
  ]),
  '',
]
console.log(lines.join('\n'))
if (values.keep !== undefined)
  writeFileSync(join(import.meta.dirname, 'results', `${values.keep}.md`), lines.join('\n'))
