import { describe, expect, it } from 'vitest'
import { createNameBook } from '../../../src/flows/names/name-book.ts'
import type { NameSighting } from '../../../src/flows/names/sighting.ts'

const minute = 60_000
const t0 = 1_700_000_000_000
const dstAddr = '203.0.113.1'

const seen = (name: string, at: number, srcPort: number, rest: Partial<NameSighting> = {}): NameSighting => ({
  ...{ server: 1, dstAddr, socket: { protocol: 6, srcPort, dstPort: 443 }, name, source: 'sni' },
  ...{ mayBeOuter: false, fromUnixMs: t0 + at, untilUnixMs: t0 + at },
  ...rest,
})
const answered = (name: string, at: number, forMs: number): NameSighting =>
  seen(name, at, 0, { socket: null, source: 'dns', untilUnixMs: t0 + at + forMs })
const connection = (from: number, until: number, srcPort: number) => ({
  ...{ protocol: 6, srcPort, dstAddr, dstPort: 443, fromUnixMs: t0 + from, untilUnixMs: t0 + until },
})

describe('the name book', () => {
  it('a connection has the name of its own handshake, however many names its address has', () => {
    const book = createNameBook()
    book.add(seen('a.example', 0, 1))
    book.add(seen('b.example', 1000, 2))
    book.add(answered('c.example', 0, 10 * minute))
    expect(book.find(1, connection(0, 5000, 1))).toMatchObject({
      name: 'a.example',
      isExact: true,
      isShared: false,
    })
    expect(book.find(1, connection(0, 5000, 2))).toMatchObject({
      name: 'b.example',
      isExact: true,
      isShared: false,
    })
    expect(book.find(1, connection(2000, 5000, 3))).toMatchObject({
      name: 'b.example',
      isExact: false,
      isShared: true,
    })
    expect(book.find(2, connection(0, 5000, 1))).toBeNull()
  })

  it('an answer names connections that begin while it holds, the last answer first', () => {
    const book = createNameBook()
    book.add(answered('a.example', 0, 10 * minute))
    book.add(answered('b.example', 5 * minute, 10 * minute))
    const of = (from: number) => book.find(1, connection(from, from + 3_600_000, 9))
    expect(of(-5 * minute)).toBeNull()
    expect(of(2 * minute)).toMatchObject({ name: 'a.example', isShared: false })
    expect(of(8 * minute)).toMatchObject({ name: 'b.example', isShared: true })
    expect(of(13 * minute)).toMatchObject({ name: 'b.example', isShared: false })
    expect(of(17 * minute)).toBeNull()
  })

  it('says the same whatever the order it learnt in, and by way of other books', () => {
    const all = [
      seen('a.example', 0, 1),
      seen('b.example', 1000, 1),
      seen('a.example', 30 * minute, 2),
      answered('c.example', 0, minute),
    ]
    const forth = createNameBook()
    for (const sighting of all) forth.add(sighting)
    const back = createNameBook()
    for (const sighting of all.toReversed()) {
      const other = createNameBook()
      other.add(sighting)
      back.addPages(structuredClone(other.pages()))
    }
    for (const from of [0, 2 * minute, 29 * minute, 60 * minute])
      for (const port of [1, 2, 3])
        expect(back.find(1, connection(from, from + minute, port))).toEqual(
          forth.find(1, connection(from, from + minute, port)),
        )
  })

  it('holds so many claims and no more, forgets the first ones, and counts them', () => {
    const book = createNameBook(1000)
    for (let i = 0; i < 5000; i++)
      book.add(seen(`n${i}.example`, i, i % 60_000, { dstAddr: `203.0.${Math.floor(i / 200)}.${i % 200}` }))
    for (let i = 0; i < 5000; i++) book.add(answered(`n${i}.example`, i, 0))
    const pages = book.pages()
    const size = (page: ReadonlyMap<string, readonly unknown[]>) =>
      [...page.values()].reduce((sum, claims) => sum + claims.length, 0)
    expect(size(pages.connections)).toBe(1000)
    expect(size(pages.ports)).toBe(1000)
    // All of one server and address.
    expect(size(pages.addresses)).toBe(16)
    expect(pages.forgotten).toBe(4000 + 4000 + 4984)
    expect(book.find(1, { ...connection(4999, 5000, 4999), dstAddr: '203.0.24.199' })).toMatchObject({
      name: 'n4999.example',
    })
  })
})
