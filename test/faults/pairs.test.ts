/**
 * Faults in pairs: whatever two things a disk may do to the ledger, in any two places, no acknowledged entry is lost and
 * no two trees are signed that contradict each other. `docs/order-of-commits.md` says why; this says that it is so.
 *
 * `HOLDFAST_FAULT_RUNS` raises the number of seeded runs, `HOLDFAST_FAULT_SEED` sets the first seed: a run that failed
 * says its own, and alone it is the same again.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { type DiskImage, type FaultKind, faultKinds } from '../support/faulty-disk.ts'
import { createRunParts, type RunParts, type RunPlan, runOnce, type Step } from '../support/faulty-run.ts'
import { createChance } from '../support/random.ts'

const runs = Number(process.env.HOLDFAST_FAULT_RUNS ?? 5000)
const firstSeed = Number(process.env.HOLDFAST_FAULT_SEED ?? 1)

let parts: RunParts
/** A log that is about to fill its first tile. */
let nearlyFull: DiskImage
beforeAll(async () => {
  parts = createRunParts()
  const steps: Step[] = [...Array.from({ length: 251 }, (): Step => 'draft'), 'tick']
  const made = await runOnce(parts, { seed: 1, steps, faults: new Map(), batchSize: 1000 })
  expect(made).toMatchObject({ faults: [], stopped: null })
  nearlyFull = made.image
})

const failed = (plan: RunPlan, faults: readonly string[]): string =>
  `seed ${plan.seed}, ${plan.steps.join(' ')}, batches of ${plan.batchSize}, ${JSON.stringify([...plan.faults])}${
    plan.lies === undefined ? '' : JSON.stringify(plan.lies)
  }: ${faults.join('; ')}`

/** An erasure costs as much as the rest of a life, for its signatures: a third of the lives have one. */
const weights: readonly Step[] = ['draft', 'draft', 'draft', 'tick', 'tick', 'restart', 'erase']

function planOf(seed: number): RunPlan {
  const chance = createChance(seed)
  const steps = Array.from(
    { length: 4 + chance.below(9) },
    () => weights[chance.below(weights.length - (seed % 3 === 0 ? 0 : 1))]!,
  )
  const faults = new Map<number, FaultKind>()
  const within = 4 + 2 * steps.length
  for (let i = 0; i < 2; i++) faults.set(chance.below(within), faultKinds[chance.below(faultKinds.length)]!)
  const batchSize = 1 + chance.below(5)
  return { seed, steps, faults, batchSize, ...(seed % 50 === 0 && { image: nearlyFull }) }
}

describe('two faults on one disk', () => {
  const schedule: readonly Step[] = ['draft', 'tick', 'draft', 'erase', 'tick', 'draft', 'tick']

  it('at every pair of writes of a short life', async () => {
    const bare = await runOnce(parts, { seed: 1, steps: schedule, faults: new Map(), batchSize: 2 })
    expect(bare).toMatchObject({ faults: [], stopped: null, blank: 1 })
    const kinds: readonly FaultKind[] = ['lost', 'kept', 'late', 'cut']
    let seed = 0
    for (let first = 0; first < bare.writes; first++) {
      for (let second = first + 1; second <= first + 4 && second < bare.writes; second++) {
        for (const one of kinds) {
          const other = kinds[seed % kinds.length]!
          const faults = new Map([
            [first, one],
            [second, other],
          ])
          const plan: RunPlan = { seed: ++seed, steps: schedule, faults, batchSize: 2 }
          const outcome = await runOnce(parts, plan)
          if (outcome.faults.length > 0) expect.fail(failed(plan, outcome.faults))
        }
      }
    }
  })

  it(`in ${runs} seeded lives`, { timeout: 60_000 + runs * 40 }, async () => {
    let blank = 0
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const plan = planOf(seed)
      const outcome = await runOnce(parts, plan)
      blank += outcome.blank
      if (outcome.faults.length > 0) expect.fail(failed(plan, outcome.faults))
    }
    if (runs >= 1000) expect(blank).toBeGreaterThan(runs / 20)
  })
})

describe('a disk that breaks its word', () => {
  it('and lost acknowledged commits stops the log, or nobody was shown what it lost', async () => {
    let stops = 0
    for (let seed = firstSeed; seed < firstSeed + runs / 10; seed++) {
      const lies = { lostCommits: 1 + (seed % 5) }
      const steps: Step[] = [...planOf(seed).steps, 'restart', 'draft', 'tick', 'draft', 'tick']
      const plan: RunPlan = { seed, steps, faults: new Map(), batchSize: 2, lies }
      const outcome = await runOnce(parts, plan)
      if (outcome.stopped !== null) stops++
      if (outcome.faults.length > 0) expect.fail(failed(plan, outcome.faults))
    }
    if (runs >= 1000) expect(stops).toBeGreaterThan(0)
  })

  it('and lost tiles loses nothing that a repair does not make again', async () => {
    for (let seed = firstSeed; seed < firstSeed + runs / 20; seed++) {
      const steps: Step[] = [...planOf(seed).steps, 'restart', 'draft', 'tick', 'restart', 'draft', 'tick']
      const image = seed % 10 === 0 ? { image: nearlyFull } : {}
      const lies = { forgetsTiles: true }
      const plan: RunPlan = { seed, steps, faults: new Map(), batchSize: 3, lies, ...image }
      const outcome = await runOnce(parts, plan)
      if (outcome.stopped !== null || outcome.faults.length > 0)
        expect.fail(failed(plan, [...outcome.faults, outcome.stopped ?? '']))
    }
  })
})
