import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Alert, createAlerts } from '../../src/cli/watch/alerts.ts'
import { openPromiseStore } from '../../src/cli/watch/promise-store.ts'
import { countIn, newUsual, unusual } from '../../src/cli/watch/unusual.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-watch-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the promises that a customer holds', () => {
  const path = join(folder, 'promises.txt')
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)

  it('are on disk when they were added, once each, and gone when they were settled', async () => {
    const store = await openPromiseStore(path)
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.add([`hfp1.${i % 100}`])))
    expect(lines().sort()).toEqual(Array.from({ length: 100 }, (_, i) => `hfp1.${i}`).sort())
    const [added] = await Promise.all([store.add(['hfp1.new']), store.drop(new Set(['hfp1.3']))])
    expect(added).toBeUndefined()
    expect(lines()).toHaveLength(100)
    expect(lines()).toContain('hfp1.new')
    await store.add(['hfp1.after'])
    expect(lines()).toContain('hfp1.after')
    await store[Symbol.asyncDispose]()
  })

  it('lose half a line that a crash left, and no other', async () => {
    writeFileSync(path, 'hfp1.a\nhfp1.b\nhfp1.ha')
    const store = await openPromiseStore(path)
    expect([...store.all()]).toEqual(['hfp1.a', 'hfp1.b'])
    await store.add(['hfp1.c'])
    expect(lines()).toEqual(['hfp1.a', 'hfp1.b', 'hfp1.c'])
    await store[Symbol.asyncDispose]()
  })
})

describe('alerts', () => {
  it('are told once, also after a restart', () => {
    const path = join(folder, 'alerts.jsonl')
    const alert: Alert = { kind: 'statement-late', region: 'r', what: 'w', evidence: [] }
    const told: string[] = []
    const first = createAlerts(
      path,
      () => 0,
      line => told.push(line),
    )
    first.raise(alert)
    first.raise(alert)
    first.raise({ ...alert, what: 'other' })
    expect([first.count(), told.length]).toEqual([2, 2])
    const second = createAlerts(
      path,
      () => 0,
      line => told.push(line),
    )
    second.raise(alert)
    expect([second.count(), told.length]).toEqual([0, 2])
  })
})

describe('what is unusual', () => {
  it('is an hour far above those before, and never the first one or a few', () => {
    let usual = newUsual(100)
    usual = countIn(usual, 100, 5000)
    expect(unusual(usual, 'refusals')).toBeNull()
    usual = countIn(newUsual(100), 100, 3)
    for (let hour = 101; hour < 150; hour++) usual = countIn(usual, hour, 3)
    expect(usual.mean).toBeCloseTo(3)
    expect(unusual(countIn(usual, 150, 20), 'refusals')).toBeNull()
    expect(unusual(countIn(usual, 150, 25), 'refusals')).toContain('25 refusals in the hour from')
    expect(unusual(countIn(usual, 150, 25), 'refusals')).toContain('3.0 an hour are usual')
  })

  it('forgets after silence, also a very long one', () => {
    let usual = countIn(newUsual(0), 0, 1000)
    usual = countIn(usual, 400_000, 1)
    expect(usual.hour).toBe(400_000)
    expect(usual.mean).toBeLessThan(1)
    expect(unusual(countIn(usual, 400_000, 30), 'reads abroad')).not.toBeNull()
  })
})
