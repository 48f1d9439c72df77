/** What each checksum costs a KiB of content, by the size of the content. `node bench/checksums.ts` */
import { createHash, randomBytes } from 'node:crypto'
import { checksums } from '../src/crypto/checksums.ts'

const kinds = { ...checksums, MD5: () => createHash('md5') }
for (const [name, create] of Object.entries(kinds)) {
  const costs = [1 << 10, 1 << 16, 1 << 20].map(bytes => {
    const content = randomBytes(bytes)
    const rounds = Math.ceil((64 << 20) / bytes)
    let best = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 3; attempt++) {
      const began = performance.now()
      for (let round = 0; round < rounds; round++) {
        const sum = create()
        sum.update(content)
        sum.digest()
      }
      best = Math.min(best, (performance.now() - began) / rounds / (bytes >> 10))
    }
    return `${(best * 1000).toFixed(2)} µs`
  })
  process.stdout.write(`${name.padEnd(10)} a KiB of 1 KiB, 64 KiB, 1 MiB: ${costs.join(', ')}\n`)
}
