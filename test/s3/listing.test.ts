import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes, concat, utf8 } from '../../src/core/bytes.ts'
import { type ListPage, listPage, startAfter, textAfter } from '../../src/s3/listing.ts'
import { createMemoryCatalog } from '../../src/store/memory-catalog.ts'

interface Query {
  readonly prefix: string
  readonly delimiter: string
  readonly after: string
}

interface Item {
  readonly kind: 'key' | 'group'
  readonly text: string
}

/** What S3 says a list is, in the simplest words: all of it, in byte order. */
function model(keys: readonly string[], { prefix, delimiter, after }: Query): Item[] {
  const items = new Map<string, Item>()
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const text = cut < 0 ? key : key.slice(0, cut + delimiter.length)
    // A group counts as behind the marker when the marker lies in it.
    const isBehind = compareBytes(utf8(text), utf8(after)) <= 0 || (cut >= 0 && after.startsWith(text))
    if (after === '' || !isBehind) items.set(text, { kind: cut < 0 ? 'key' : 'group', text })
  }
  return [...items.values()].sort((a, b) => compareBytes(utf8(a.text), utf8(b.text)))
}

function itemsOf(page: ListPage): Item[] {
  const keys = page.rows.map(({ key }): Item => ({ kind: 'key', text: key }))
  const groups = page.commonPrefixes.map((text): Item => ({ kind: 'group', text }))
  return [...keys, ...groups].sort((a, b) => compareBytes(utf8(a.text), utf8(b.text)))
}

const base = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)

async function bucketOf(keys: readonly string[]) {
  const catalog = createMemoryCatalog()
  const neighbours = [Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 8), Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 10)]
  const value = utf8('row')
  await catalog.commit({
    puts: [
      ...keys.map(key => ({ table: 'objects' as const, key: concat(base, utf8(key)), value })),
      // Other buckets' rows stand right before and after: they must never show.
      ...neighbours.map(id => ({ table: 'objects' as const, key: concat(id, utf8('a/x')), value })),
    ],
  })
  return (query: Query & { readonly limit: number }) =>
    listPage({
      catalog,
      table: 'objects',
      base,
      from: startAfter(base, query.prefix, query.delimiter, query.after),
      keyOf: row => textAfter(row, base.length),
      ...query,
    })
}

/** The first page by `/`, and how many rows were read for it. */
async function countedList(keys: readonly string[], limit: number) {
  const catalog = createMemoryCatalog()
  await catalog.commit({
    puts: keys.map(key => ({
      table: 'objects' as const,
      key: concat(base, utf8(key)),
      value: utf8('row'),
    })),
  })
  let rows = 0
  const counted = {
    ...catalog,
    scan: async (...args: Parameters<typeof catalog.scan>) => {
      const found = await catalog.scan(...args)
      rows += found.length
      return found
    },
  }
  const page = await listPage({
    catalog: counted,
    table: 'objects',
    base,
    prefix: '',
    delimiter: '/',
    from: base,
    limit,
    keyOf: row => textAfter(row, base.length),
  })
  return { page, rows }
}

// Few letters, so that keys share prefixes; some that sort otherwise in UTF-16 than in bytes.
const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '//', '-', 'é', '\uffee', '🔑'), maxLength: 6 })
const keySet = fc.uniqueArray(
  text.filter(key => key !== ''),
  { maxLength: 25 },
)
const delimiter = fc.constantFrom('', '/', '/', '-', 'ab', 'é')

describe('listing', () => {
  it('is what the model says, page by page', async () => {
    await fc.assert(
      fc.asyncProperty(
        keySet,
        text,
        delimiter,
        text,
        fc.integer({ min: 1, max: 7 }),
        async (keys, prefix, by, after, limit) => {
          const list = await bucketOf(keys)
          const expected = model(keys, { prefix, delimiter: by, after })
          const got: Item[] = []
          for (let marker = after, pages = 0; ; pages++) {
            expect(pages).toBeLessThanOrEqual(expected.length)
            const page = await list({ prefix, delimiter: by, after: marker, limit })
            const items = itemsOf(page)
            expect(items.length).toBeLessThanOrEqual(limit)
            got.push(...items)
            expect(page.last?.key ?? null).toBe(items.at(-1)?.text ?? null)
            expect(page.truncated).toBe(got.length < expected.length)
            if (!page.truncated) break
            expect(items).toHaveLength(limit)
            marker = page.last!.key
          }
          expect(got).toEqual(expected)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('reads a few rows for a group, however many groups there are', async () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `group ${String(i % 50).padStart(2, '0')}/${i}`)
    const { page, rows } = await countedList(keys, 100)
    expect(page.commonPrefixes).toHaveLength(50)
    expect(rows).toBeLessThan(50 * 8)
  })

  it('leaves a group with one seek, however much it hides', async () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `deep/${i}`)
    const { page, rows } = await countedList([...keys, 'z'], 10)
    expect(itemsOf(page).map(item => item.text)).toEqual(['deep/', 'z'])
    expect(rows).toBeLessThan(50)
  })
})
