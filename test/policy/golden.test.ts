/**
 * What the packs that come with Holdfast say of every pair of eight countries and every class of data, on one day,
 * without a mechanism: a table that was read through, with the citation of every rule that is in it. `HOLDFAST_GOLDEN=write`
 * writes it anew; whoever does reads what changed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { dataClasses } from '../../src/policy/data-classes.ts'
import { loadPackBook, packsFolder } from '../../src/policy/packs/load-packs.ts'
import { dayOf } from '../../src/policy/packs/verdict.ts'
import { packFacts } from '../support/packs.ts'

const countries = ['IN', 'DE', 'SG', 'CN', 'US', 'GB', 'RU', 'BR']
const at = Date.parse('2026-12-01T00:00:00.000Z')
const path = join(import.meta.dirname, 'golden.txt')

function table(): string {
  const book = loadPackBook(packsFolder)
  const cited = new Map<string, string>()
  const rows: string[] = []
  for (const from of countries)
    for (const to of countries.filter(each => each !== from))
      for (const dataClass of dataClasses) {
        const { outcome, findings } = book.decide(packFacts({ from, to, dataClass }), at)
        const found = findings.map(({ kind, rule }) => {
          if (rule !== null)
            cited.set(
              rule.id,
              `${rule.act}, ${rule.section} (${rule.status} from ${dayOf(rule.fromUnixMs)}, evidence ${rule.evidence})`,
            )
          return rule === null ? kind : `${kind} ${rule.id}`
        })
        rows.push(`${from} ${to} ${dataClass.padEnd(18)} ${outcome.padEnd(12)} ${found.join('; ')}`.trimEnd())
      }
  const citations = [...cited].sort().map(([id, text]) => `${id}: ${text}`)
  return `${citations.join('\n')}\n\n${rows.join('\n')}\n`
}

describe('the packs that come with Holdfast', () => {
  it('say what was read through, of every pair and class', () => {
    const now = table()
    if (process.env.HOLDFAST_GOLDEN === 'write') writeFileSync(path, now)
    expect(now.split('\n')).toEqual(readFileSync(path, 'utf8').split('\n'))
  })
})
