/** What a destination answers to a dry run is a peer's word: shown when it can be read, and unknown otherwise. */
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import type { BucketName } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/log.ts'
import { openInstruction } from '../../src/instructions/instruction.ts'
import { findBucket } from '../../src/store/buckets.ts'
import { createFindDestination } from '../../src/transfers/ask-destination.ts'
import type { DestinationAnswer } from '../../src/transfers/dry-run.ts'
import type { Peers } from '../../src/transfers/peers.ts'
import { createWorld, type Load, type World } from '../support/attacked-regions.ts'

const load: Load = path => import(/* @vite-ignore */ `../../src/${path}`)

async function asked(prepare: (w: World) => void | Promise<void> = () => {}): Promise<DestinationAnswer> {
  const w = await createWorld(load)
  await prepare(w)
  const envelope = w.instruction()
  const instruction = openInstruction(envelope)
  if (typeof instruction === 'string' || instruction.kind !== 'transfer') throw new Error('it is no transfer')
  const { region, door } = w.source
  const peers: Peers = new Map([[w.target.peer.id, w.target.peer]])
  const find = createFindDestination({ region, peers, door, clock: w.now, randomBytes, log: silentLog })
  const bucket = await findBucket(region.catalog, 'source' as BucketName)
  return find(instruction, envelope, bucket!.row)!.ask()
}
const unknown = { answer: 'unknown', why: 'de-frankfurt did not answer.' }

it('is told as it is', async () => {
  expect(await asked()).toMatchObject({
    answer: 'told',
    end: { law: { region: 'de-frankfurt', bucket: 'target', outcome: 'allowed', ownPolicy: null } },
  })
})

it.each<[string, (honest: any) => unknown]>([
  ['nothing', () => null],
  ['less', ({ head: _head, ...rest }) => rest],
  ['another region’s', ({ law, ...rest }) => ({ ...rest, law: { ...law, region: 'sg-singapore' } })],
  ['of another bucket', ({ law, ...rest }) => ({ ...rest, law: { ...law, bucket: 'other' } })],
  ['an outcome that there is not', ({ law, ...rest }) => ({ ...rest, law: { ...law, outcome: 'yes' } })],
  ['what moves a cursor', answer => ({ ...answer, classLost: '\u001b[2Jall is well' })],
  ['what moves a cursor, deeper', ({ law, ...rest }) => ({ ...rest, law: { ...law, at: '\u009b2J' } })],
  ['without end', answer => ({ ...answer, classLost: 'x'.repeat(4001) })],
])('is not known when it answers %s', async (_, lie) => {
  expect(
    await asked(w => w.answers((path, honest) => (path.includes('dry-runs') ? lie(honest) : honest))),
  ).toEqual(unknown)
})

it('is not known when it is away', async () => {
  const away = asked(w =>
    w.beforeEach(async () => {
      throw new Error('connect ECONNREFUSED 10.0.0.7:9443')
    }),
  )
  expect(await away).toEqual(unknown)
})

it('is a refusal when it refuses', async () => {
  const answer = await asked(w => w.bucket('de-frankfurt', 'target', { tenant: w.rival.id }))
  expect(answer).toEqual({
    answer: 'refused',
    why: 'de-frankfurt: The tenant has no bucket target in de-frankfurt.',
  })
})
