import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { cases } from './cases.ts'
import { createHarness, type Harness } from './harness.ts'

describe('conformance', () => {
  let holdfast: Holdfast
  let harness: Harness
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    harness = createHarness(holdfast.s3)
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it('names each case once', () => {
    const names = cases.map(({ operation, name }) => `${operation}: ${name}`)
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })

  it('is documented as it is', () => {
    const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8')
    expect(page).toContain(`${cases.length} cases`)
  })

  it.each(cases.map(each => [`${each.operation}: ${each.name}`, each] as const))('%s', (_, { run }) =>
    run(harness),
  )
})
