import fc from 'fast-check'
import { expect, it } from 'vitest'
import { checksums } from '../../src/crypto/checksums.ts'
import { type CrcName, combineCrcs, polynomials } from '../../src/crypto/crc-combine.ts'

const crcOf = (name: CrcName, bytes: Uint8Array): Buffer => {
  const running = checksums[name]()
  running.update(bytes)
  return running.digest()
}
const names = Object.keys(polynomials) as CrcName[]
const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 })

it.each(names)('%s of pieces together is that of one pass', name => {
  fc.assert(
    fc.property(pieces, all => {
      const combined = combineCrcs(
        name,
        all.map(piece => ({ digest: crcOf(name, piece), bytes: piece.length })),
      )
      expect(combined).toEqual(crcOf(name, Buffer.concat(all)))
    }),
  )
})

it.each(names)('%s does not depend on how its bytes come', name => {
  fc.assert(
    fc.property(pieces, all => {
      const running = checksums[name]()
      for (const piece of all) running.update(piece)
      expect(running.digest()).toEqual(crcOf(name, Buffer.concat(all)))
    }),
  )
})

it('has the published check values', () => {
  const check = Buffer.from('123456789')
  expect(names.map(name => crcOf(name, check).toString('hex'))).toEqual([
    'cbf43926',
    'e3069283',
    'ae8b14860a799888',
  ])
})
