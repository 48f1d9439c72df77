import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { KeyUses, reconcileJournal } from '../../src/cli/journal-book.ts'
import { isoTime } from '../../src/core/time.ts'
import { openJournal } from '../../src/keys/journal.ts'
import type { EntryPayload } from '../../src/verify/payload.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const hour = 3600e3
const start = Date.UTC(2026, 0, 2)
let files = 0

interface Line {
  readonly at: number
  readonly key: string
  readonly region?: string
  readonly operation?: string
  readonly outcome?: string
}

async function journalOf(lines: readonly Line[]): Promise<string> {
  const path = join(folder, `journal-${files++}.jsonl`)
  let now = start
  await using journal = await openJournal(path, () => now)
  for (const { at, key, region = 'in-mumbai', operation = 'decrypt', outcome = 'done' } of lines) {
    now = start + at
    await journal.append({
      bucketKeyId: key,
      instruction: null,
      keyId: 'k',
      operation,
      outcome,
      reason: 'r',
      requester: region,
    })
  }
  return path
}

function usesOf(
  entries: readonly (readonly [at: number, type: string, body: object, region?: string])[],
): KeyUses {
  const uses = new KeyUses()
  for (const [i, [at, type, body, region = 'in-mumbai']] of entries.entries())
    uses.read({
      v: 1,
      id: `entry-${i}`,
      type,
      tenant: 't',
      region,
      time: isoTime(start + at),
      seq: i,
      prev: '',
      body,
    } as EntryPayload)
  return uses
}

const put = (at: number, key: string) => [at, 'object.put', { bucket: 'b', bucketKeyId: key }] as const

describe('a statement against the key holder’s journal', () => {
  it('agrees where every use was asked for before', async () => {
    const path = await journalOf([
      { at: 0, key: 'K1', operation: 'encrypt' },
      { at: 5 * hour, key: 'K1' },
      { at: 6 * hour, key: 'K1', outcome: 'refused' },
    ])
    const uses = usesOf([
      [0, 'bucketkey.created', { bucket: 'b', bucketKeyId: 'K1' }],
      put(5 * hour + 1000, 'K1'),
      [6 * hour, 'reads.summed', { bucket: 'b', from: isoTime(start + 5.5 * hour) }],
    ])
    expect(reconcileJournal(path, uses)).toEqual({
      failures: [],
      facts: { lines: 3, refused: 1, openings: 2, usesCompared: 3 },
    })
  })

  it.each<[string, Line[], Parameters<typeof usesOf>[0]]>([
    ['a key was never asked for', [], [put(hour, 'K1')]],
    ['another key was', [{ at: 0, key: 'K2' }], [put(hour, 'K1')]],
    ['another region asked', [{ at: 0, key: 'K1', region: 'de-frankfurt' }], [put(hour, 'K1')]],
    ['it was refused', [{ at: 0, key: 'K1', outcome: 'refused' }], [put(hour, 'K1')]],
    ['it was asked for afterwards', [{ at: 2 * hour, key: 'K1' }], [put(hour, 'K1')]],
    ['it was asked for too long ago', [{ at: 0, key: 'K1' }], [put(25 * hour, 'K1')]],
    ['something was read, and no key at all was asked for', [], [[hour, 'read.opened', { bucket: 'b' }]]],
  ])('contradicts it where %s', async (_, lines, entries) => {
    const { failures } = reconcileJournal(await journalOf(lines), usesOf(entries))
    expect(failures).toEqual([expect.stringContaining('the key holder was not asked for it')])
  })

  it('names keys that were opened and that no entry tells a use of', async () => {
    const path = await journalOf([
      { at: 0, key: 'K1' },
      { at: 30 * hour, key: 'K1' },
      { at: 0, key: 'K9', region: 'sg-singapore' },
    ])
    const { failures, facts } = reconcileJournal(path, usesOf([put(60_000, 'K1')]))
    expect(failures).toEqual([])
    // Of a region whose statement is not there nothing can be said.
    expect(facts).toMatchObject({ openings: 2, withoutEntry: '1, lines 2' })
  })

  it('is refused with a line changed, dropped or cut', async () => {
    const path = await journalOf([
      { at: 0, key: 'K1' },
      { at: 1, key: 'K1' },
      { at: 2, key: 'K1' },
    ])
    const text = readFileSync(path, 'utf8')
    const lines = text.split('\n')
    for (const [changed, fault] of [
      [text.replace('"K1"', '"K2"'), 'line 2'],
      [[lines[0], lines[2], ''].join('\n'), 'line 2'],
      [text.slice(0, -10), 'in the middle of a line'],
      [`${text}{}\n`, 'not in its form'],
    ] as const) {
      writeFileSync(path, changed)
      expect(reconcileJournal(path, new KeyUses()).failures).toEqual([expect.stringContaining(fault)])
    }
  })
})
