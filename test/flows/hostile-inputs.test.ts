import { describe, expect, it } from 'vitest'
import { brokenInvariant } from '../../tools/fuzz/invariants.ts'
import { createRandom, mutate } from '../../tools/fuzz/mutate.ts'
import { seedInputs } from '../../tools/fuzz/seeds.ts'

/** A short run of what `npm run fuzz` does for as long as it is let. */
describe('bytes that mean harm', () => {
  const seeds = seedInputs()

  it('inputs of every format are read without a fault to begin with', async () => {
    for (const seed of seeds) expect(await brokenInvariant(seed, 65_536)).toBeNull()
  })

  it('changed at random, they are read or refused: no crash, no hang, no nonsense', async () => {
    const random = createRandom(20_260_115)
    for (let i = 0; i < 3000; i++) {
      const [base, other] = [seeds[random(seeds.length)]!, seeds[random(seeds.length)]!]
      const input = mutate(base, other, random)
      const fault = await brokenInvariant(input, random(4) === 0 ? 1 + random(200) : 65_536)
      expect(fault, input.toString('base64')).toBeNull()
    }
  })

  it('JSON that is nested deeper than any stack', async () => {
    for (const text of [
      '{"a":'.repeat(12_000),
      '['.repeat(60_000),
      `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`,
    ]) {
      expect(await brokenInvariant(Buffer.from(text), 4096)).toBeNull()
    }
  })

  it('packets whose dates jump do not make every packet cost a walk over all flows', async () => {
    const head = Buffer.from('d4c3b2a1020004000000000000000000ffff000065000000', 'hex')
    const packet = Buffer.from('4500001c000000004011000000000000000000000001000200080000', 'hex')
    const frames = Array.from({ length: 60_000 }, (_, i) => {
      const frame = Buffer.alloc(16 + packet.length)
      // Half of them in a future that never comes, each a flow of its own; then steps of a sweep's interval.
      frame.writeUInt32LE(i < 30_000 ? 0xffff_fff0 : i * 31, 0)
      frame.writeUInt32LE(packet.length, 8)
      frame.writeUInt32LE(packet.length, 12)
      packet.copy(frame, 16)
      frame.writeUInt32BE(i, 16 + 12)
      return frame
    })
    expect(await brokenInvariant(Buffer.concat([head, ...frames]), 65_536)).toBeNull()
  })
})
