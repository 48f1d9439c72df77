import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress } from '../../../src/flows/address.ts'
import { wordsOf } from '../../../src/flows/address-words.ts'
import { addressTextSql } from '../../../src/flows/collect/address-sql.ts'
import { dropsIn } from '../../../src/flows/collect/kernel-drops.ts'
import { Duck } from '../../../src/flows/engine/duck.ts'

describe('addresses spelled by the engine', () => {
  it('are spelled as everywhere else', async () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
    const v6 = fc
      .array(group, { minLength: 8, maxLength: 8 })
      .map(groups => groups.map(n => n.toString(16)).join(':'))
    const texts = [
      ...[
        '::',
        '::1',
        '1::',
        '10.0.0.1',
        '255.255.255.255',
        '0.0.0.0',
        '2001:db8::1:0:0:1',
        '1:0:2:3:4:5:6:7',
      ],
      ...fc.sample(v6, { numRuns: 500, seed: 3 }),
      ...fc.sample(fc.ipV4(), { numRuns: 100, seed: 3 }),
    ]
    await using duck = await Duck.open({ memoryMiB: 256, threads: 1 })
    const rows = (await duck.table('a', { id: 'u32', words: 'address' })).filler()
    for (const [id, text] of texts.entries()) {
      const row = rows.next()
      rows.columns.id[row] = id
      rows.columns.words.set(wordsOf(text)!, row * 4)
    }
    rows.end()
    duck.flush()
    const spelled = await duck.rows(`SELECT ${addressTextSql('words')} AS text FROM a ORDER BY id`)
    expect(spelled.map(({ text }) => text)).toEqual(texts.map(text => formatAddress(parseAddress(text)!)))
  })
})

describe('what the kernel threw away', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1: 0100007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 111 2 0 17
 2: 00000000:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 222 2 0 900
 3: 00000000:1283 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 333 2 0 3`

  it('is counted of our own sockets', () => {
    expect(dropsIn(table, new Set([2055, 4739]), new Set(['111', '333']))).toBe(20)
  })

  it('is unknown when a socket is not in the table', () => {
    expect(dropsIn(table, new Set([2055, 6343]), new Set(['111', '333']))).toBeNull()
  })
})
