/** `policy`: what the packs say of a transfer, a disclosure or access, before anybody orders it. */
import { readFileSync } from 'node:fs'
import { loadPackBook, packsFolder } from '../../policy/packs/load-packs.ts'
import type { PackBook } from '../../policy/packs/pack-book.ts'
import { dayOf } from '../../policy/packs/verdict.ts'
import { verdictJson } from '../../policy/packs/verdict-json.ts'
import type { PolicyVerdict } from '../../policy/tenant/policies.ts'
import { type CommandIo, type ExitCode, UsageError } from '../io.ts'
import { parseOptions, required } from '../options.ts'
import { askOwn, ownPolicyText } from './own-question.ts'
import { readPolicyFile } from './policy-file.ts'
import { parseCases, parseQuestion } from './questions.ts'
import { verdictText } from './render.ts'

/** What only a tenant's own policy asks for. */
const ownOptions = {
  by: { type: 'string' },
  bucket: { type: 'string' },
  'to-bucket': { type: 'string' },
  prefix: { type: 'string' },
  'from-region': { type: 'string' },
  'to-region': { type: 'string' },
  purpose: { type: 'string' },
  versions: { type: 'string' },
  recipient: { type: 'string' },
  'access-action': { type: 'string', multiple: true },
  form: { type: 'string' },
  'max-objects': { type: 'string' },
  'max-bytes': { type: 'string' },
  standing: { type: 'boolean' },
} as const

export async function policyCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      action: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      class: { type: 'string' },
      mode: { type: 'string' },
      mechanism: { type: 'string', multiple: true },
      capacity: { type: 'string', multiple: true },
      operator: { type: 'string' },
      persons: { type: 'string' },
      at: { type: 'string' },
      packs: { type: 'string' },
      'tenant-policy': { type: 'string' },
      ...ownOptions,
      json: { type: 'boolean' },
    },
  })
  const book = loadPackBook(values.packs ?? packsFolder)
  const file = values['tenant-policy']
  const text = file === undefined ? null : readPolicyFile(file, book.policies)
  switch (positionals[0]) {
    case 'explain': {
      const question = parseQuestion({
        ...(values.action !== undefined && { action: values.action }),
        from: required(values.from, '--from'),
        to: required(values.to, '--to'),
        class: required(values.class, '--class'),
        ...(values.mode !== undefined && { mode: values.mode }),
        mechanisms: listOf(values.mechanism),
        // `--capacity none`: the tenant has said that it is none of those whom rules single out.
        capacities: values.capacity ? listOf(values.capacity).filter(each => each !== 'none') : null,
        operator: values.operator ?? null,
        ...(values.persons !== undefined && { persons: Number(values.persons) }),
        at: values.at ?? null,
        ...ownValues(values),
      })
      if (typeof question === 'string') throw new UsageError(question)
      const atUnixMs = question.atUnixMs ?? Date.now()
      const { act, facts } = question
      const verdict = verdictJson(book, facts, atUnixMs, book.decide(facts, atUnixMs))
      const ownPolicy = text === null ? null : askOwn(book.policies, text, question, atUnixMs)
      const told = ownPolicy === null ? '' : `${ownPolicyText(ownPolicy)}By the packs: `
      io.stdout.write(
        values.json
          ? `${JSON.stringify({ action: act, ...verdict, ownPolicy })}\n`
          : `${told}${verdictText(verdict, act)}`,
      )
      return verdict.outcome === 'allowed' && !forbids(ownPolicy) ? 0 : 1
    }
    case 'test':
      return testCases(required(positionals[1], 'CASES.yaml'), book, text, values.json === true, io)
    case 'rules':
      listRules(book, values.json === true, io)
      return 0
    default:
      throw new UsageError('explain, test or rules')
  }
}

function forbids(verdict: PolicyVerdict | null): boolean {
  return verdict !== null && (verdict.refusals.length > 0 || verdict.faults.length > 0)
}

function ownValues(
  values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>,
): Record<string, unknown> {
  const given: Record<string, unknown> = {}
  for (const name of Object.keys(ownOptions)) {
    const value = values[name]
    const field = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
    if (value !== undefined) given[field] = name.startsWith('max-') ? Number(value) : value
  }
  return given
}

function testCases(
  path: string,
  book: PackBook,
  text: string | null,
  asJson: boolean,
  io: CommandIo,
): ExitCode {
  const results = parseCases(readFileSync(path, 'utf8'), path).map(each => {
    const atUnixMs = each.atUnixMs ?? Date.now()
    const { findings, ...packs } = book.decide(each.facts, atUnixMs)
    const ownPolicy = text === null ? null : askOwn(book.policies, text, each, atUnixMs)
    const outcome = forbids(ownPolicy) ? 'refused' : packs.outcome
    const found = new Set([
      ...findings.map(({ rule }) => rule?.id),
      ...(ownPolicy?.refusals ?? []).map(({ policy }) => policy),
    ])
    const missing = each.rules.filter(id => !found.has(id))
    const holds = outcome === each.expect && missing.length === 0
    return { name: each.name, holds, expect: each.expect, outcome, missing }
  })
  const failed = results.filter(({ holds }) => !holds).length
  if (asJson) io.stdout.write(`${JSON.stringify({ packs: book.hash, failed, cases: results })}\n`)
  else {
    for (const { name, holds, expect, outcome, missing } of results) {
      const without = missing.length === 0 ? '' : `, without ${missing.join(', ')}`
      io.stdout.write(holds ? `ok      ${name}\n` : `FAILED  ${name}: ${outcome}${without}, not ${expect}\n`)
    }
    io.stdout.write(`${results.length - failed} of ${results.length} hold\n`)
  }
  return failed === 0 ? 0 : 1
}

function listRules({ packs, hash }: PackBook, asJson: boolean, io: CommandIo): void {
  if (asJson) {
    io.stdout.write(`${JSON.stringify({ packs: hash, rules: packs.flatMap(({ rules }) => rules) })}\n`)
    return
  }
  for (const { title, version, rules } of packs) {
    io.stdout.write(`${title} (${version})\n`)
    for (const { id, effect, status, fromUnixMs, evidence, act, section } of rules)
      io.stdout.write(
        `  ${id.padEnd(16)} ${effect.padEnd(24)} ${dayOf(fromUnixMs)} ${evidence} ${status}  ${act}, ${section}\n`,
      )
  }
}

/** `--mechanism a,b --mechanism c` names three. */
function listOf(values: readonly string[] | undefined): string[] {
  return (values ?? []).flatMap(text => text.split(/[,|\s]+/)).filter(text => text !== '')
}
