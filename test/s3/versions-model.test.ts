import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes, utf8 } from '../../src/core/bytes.ts'
import { listVersionPage } from '../../src/s3/version-listing.ts'
import { publishArrivals } from '../../src/store/arrivals.ts'
import { fsckVersions } from '../../src/store/fsck-versions.ts'
import { findOrigin, findVersion } from '../../src/store/key-versions.ts'
import { createMemoryCatalog } from '../../src/store/memory-catalog.ts'
import type { KnownBucket } from '../../src/store/objects.ts'
import { deleteObject, publishObject } from '../../src/store/objects.ts'
import { claimSmall, type Place } from '../../src/store/places.ts'
import {
  type BucketRow,
  bucketRowKey,
  clientVersionId,
  encodeRow,
  isMarker,
  type ObjectRow,
} from '../../src/store/rows.ts'
import { rowsOf } from '../../src/store/rows-of.ts'
import {
  readVersionRowKey,
  versionRowKey,
  versionsEnd,
  versionsPrefix,
} from '../../src/store/version-keys.ts'

// Bytes that trip encodings: zero, the marks around group lengths, 0xff from other planes.
const unit = fc.constantFrom('\0', '\u0001', 'a', 'b', '/', 'é', '\uffff', '🔑', 'xxxxxxx')
const anyKey = fc.string({ unit, minLength: 1, maxLength: 12 })
const id = (n: number) => `0${n.toString(16).padStart(25, '0')}`
const bucketId = '0123456789abcdef'

describe('keys of versions', () => {
  it('sort by object key, then newest first, and say what they are of', () => {
    fc.assert(
      fc.property(anyKey, anyKey, fc.nat(1000), fc.nat(1000), (a, b, m, n) => {
        const [left, right] = [versionRowKey(bucketId, a, id(m)), versionRowKey(bucketId, b, id(n))]
        const order = compareBytes(utf8(a), utf8(b)) || n - m
        expect(Math.sign(compareBytes(left, right))).toBe(Math.sign(order))
        expect(readVersionRowKey(left)).toEqual({ bucketId, key: a, versionId: id(m) })
      }),
      { numRuns: 1000 },
    )
  })

  it('bound exactly the keys with a prefix', () => {
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 10 }), anyKey, (prefix, key) => {
        const row = versionRowKey(bucketId, key, id(1))
        const end = versionsEnd(bucketId, prefix)!
        const isInside =
          compareBytes(row, versionsPrefix(bucketId, prefix)) >= 0 && compareBytes(row, end) < 0
        expect(isInside).toBe(key.startsWith(prefix))
      }),
      { numRuns: 1000 },
    )
  })

  it('fit the catalog for the longest key of the worst bytes', () => {
    expect(versionRowKey(bucketId, '\0'.repeat(1024), id(1)).length).toBeLessThanOrEqual(1900)
  })
})

interface ModelVersion {
  id: string
  /** `null` for a delete marker. */
  origin: string | null
}

/** S3's versions in the simplest words: for each key a list, newest first. */
class Model {
  versioning: BucketRow['versioning']
  readonly keys = new Map<string, ModelVersion[]>()

  list(key: string): ModelVersion[] {
    return this.keys.get(key) ?? []
  }

  push(key: string, version: ModelVersion): void {
    const others = this.list(key).filter(({ id }) => id !== 'null' || version.id !== 'null')
    this.keys.set(key, [version, ...others])
  }

  remove(key: string, versionId: string): void {
    this.set(
      key,
      this.list(key).filter(({ id }) => id !== versionId),
    )
  }

  private set(key: string, versions: ModelVersion[]): void {
    if (versions.length === 0) this.keys.delete(key)
    else this.keys.set(key, versions)
  }

  all(prefix: string, delimiter: string): (readonly [string, ...unknown[]])[] {
    const keys = [...this.keys.keys()].sort((a, b) => compareBytes(utf8(a), utf8(b)))
    const out: (readonly [string, ...unknown[]])[] = []
    const groups = new Set<string>()
    for (const key of keys) {
      if (!key.startsWith(prefix)) continue
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
      if (cut < 0) {
        for (const [index, { id, origin }] of this.list(key).entries())
          out.push([key, id, origin, index === 0])
        continue
      }
      const group = key.slice(0, cut + delimiter.length)
      if (!groups.has(group)) out.push([group])
      groups.add(group)
    }
    return out
  }
}

type Step =
  | { do: 'put'; key: number }
  | { do: 'delete'; key: number }
  | { do: 'arrive'; key: number }
  | { do: 'delete-version'; key: number; version: number }
  | { do: 'versioning'; to: 'Enabled' | 'Suspended' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), key: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('arrive' as const), key: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('delete-version' as const), key: fc.nat(2), version: fc.nat(4) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('versioning' as const),
      to: fc.constantFrom('Enabled' as const, 'Suspended' as const),
    }),
  },
)

const authorized = {} as never
const entryPut = { table: 'meta', key: utf8('entry'), value: utf8('entered') } as const

/** A bucket in a catalog of its own, driven past S3's own layer. */
async function createStore() {
  const catalog = createMemoryCatalog()
  let count = 0
  const making = {
    // A clock that stands still and steps back: ids must grow all the same.
    clock: () => 1_000_000 - (count % 7),
    randomBytes: (length: number) =>
      createHash('shake256', { outputLength: length }).update(`${count++}`).digest(),
  }
  let row: BucketRow = { v: 1, id: bucketId, name: 'versions' } as unknown as BucketRow
  const save = () =>
    catalog.commit({ puts: [{ table: 'buckets', key: bucketRowKey(row.name), value: encodeRow(row) }] })
  await save()
  const bucket = (): KnownBucket => ({ row, bytes: encodeRow(row) })
  const makeRow = (origin: string): Omit<ObjectRow, 'v' | 'content' | 'versionId'> =>
    ({ originId: origin, partCount: 1, checksum: null }) as unknown as ObjectRow
  const makePlace = (origin: string) => {
    const place = { in: 'catalog', id: origin } as unknown as Place
    return { place, claims: [claimSmall(place, utf8('bytes'))] }
  }
  return {
    catalog,
    making,
    bucket,
    async setVersioning(to: 'Enabled' | 'Suspended') {
      row = { ...row, versioning: to }
      await save()
    },
    async put(key: string, origin: string): Promise<string> {
      const { place, claims } = makePlace(origin)
      const content = { manifest: '', places: [place] }
      const written = await publishObject(catalog, making, authorized, {
        bucket: bucket(),
        key,
        row: makeRow(origin),
        content,
        claims,
        entry: () => entryPut,
      })
      return clientVersionId(written as ObjectRow)
    },
    async arrive(key: string, origin: string): Promise<string> {
      const { place, claims } = makePlace(origin)
      const content = { manifest: '', places: [place] }
      const arrival = { v: 1, versionId: 'staged', ...makeRow(origin), content } as ObjectRow
      await publishArrivals(catalog, making, authorized, bucket(), [{ key, row: arrival }], { puts: claims })
      return clientVersionId((await findOrigin(catalog, row, key, origin))!.row)
    },
    remove: (key: string, versionId?: string) =>
      deleteObject(catalog, making, authorized, {
        bucket: bucket(),
        key,
        ...(versionId !== undefined && { version: { versionId } }),
        entry: () => entryPut,
      }),
    async list(prefix: string, delimiter: string, limit: number) {
      const out: (readonly [string, ...unknown[]])[] = []
      let marker = { keyMarker: '', versionIdMarker: null as string | null }
      for (let pages = 0; ; pages++) {
        expect(pages).toBeLessThan(200)
        const page = await listVersionPage({ catalog, bucket: row, prefix, delimiter, ...marker, limit })
        const versions = page.versions.map(
          ({ key, row: found, isLatest }) =>
            [key, clientVersionId(found), isMarker(found) ? null : found.originId, isLatest] as const,
        )
        const groups = page.commonPrefixes.map(group => [group] as const)
        // Within a page groups and versions stand apart; put back into one order.
        const items = [...versions, ...groups].map((item, index) => ({ item, index }))
        items.sort((a, b) => compareBytes(utf8(a.item[0]), utf8(b.item[0])) || a.index - b.index)
        out.push(...items.map(({ item }) => item))
        if (!page.truncated) return out
        expect(items).toHaveLength(limit)
        marker = page.next!
      }
    },
  }
}

describe('versions of keys', () => {
  it('are what the model says, whatever is done to them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(anyKey, { minLength: 3, maxLength: 3 }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        fc.string({ unit, maxLength: 2 }),
        fc.constantFrom('', '', '/', 'a', '\0', 'é'),
        fc.integer({ min: 1, max: 5 }),
        async (keys, steps, prefix, delimiter, limit) => {
          const store = await createStore()
          const model = new Model()
          const given = new Set<string>()
          for (const [number, each] of steps.entries()) {
            if (each.do === 'versioning') {
              await store.setVersioning(each.to)
              model.versioning = each.to
              continue
            }
            const key = keys[each.key]!
            const origin = number.toString(16).padStart(32, '0')
            if (each.do === 'put' || each.do === 'arrive') {
              const versionId = await store[each.do](key, origin)
              if (model.versioning !== 'Enabled') expect(versionId).toBe('null')
              else expect(given.has(versionId)).toBe(false)
              given.add(versionId)
              model.push(key, { id: versionId, origin })
            } else if (each.do === 'delete') {
              const deletion = await store.remove(key)
              if (model.versioning === undefined) {
                model.remove(key, 'null')
              } else {
                if (typeof deletion === 'string' || deletion.did !== 'marked') throw new Error('no marker')
                const versionId = clientVersionId(deletion.marker)
                expect(versionId === 'null').toBe(model.versioning === 'Suspended')
                model.push(key, { id: versionId, origin: null })
              }
            } else {
              const versionId = model.list(key)[each.version]?.id ?? 'null'
              const there = model.list(key).some(version => version.id === versionId)
              expect(await store.remove(key, versionId)).toMatchObject({ did: there ? 'removed' : 'nothing' })
              model.remove(key, versionId)
            }
          }
          expect(await store.list('', '', limit)).toEqual(model.all('', ''))
          expect(await store.list(prefix, delimiter, limit)).toEqual(model.all(prefix, delimiter))
          for (const key of keys) {
            for (const { id: versionId, origin } of model.list(key)) {
              const found = (await findVersion(store.catalog, store.bucket().row, key, versionId))!
              expect(isMarker(found.row) ? null : found.row.originId).toBe(origin)
              if (origin === null) continue
              const again = (await findOrigin(store.catalog, store.bucket().row, key, origin))!
              expect(clientVersionId(again.row)).toBe(versionId)
            }
          }
          expect(await fsckVersions(store.catalog, () => 'versions')).toEqual([])
          // Bytes are kept as long as their version is, and no longer.
          const kept: string[] = []
          for await (const { key } of rowsOf(store.catalog, 'smallblobs')) kept.push(String(Buffer.from(key)))
          const live = [...model.keys.values()].flat().flatMap(({ origin }) => origin ?? [])
          expect(kept.sort()).toEqual(live.sort())
        },
      ),
      { numRuns: 300 },
    )
  })

  it('a page of a list costs the page, whatever a group hides', async () => {
    const store = await createStore()
    await store.setVersioning('Enabled')
    for (let i = 0; i < 300; i++) for (let n = 0; n < 3; n++) await store.put(`deep/${i}`, `${i}-${n}`)
    await store.put('z', 'z')
    let rows = 0
    const counted = {
      ...store.catalog,
      scan: async (...args: Parameters<typeof store.catalog.scan>) => {
        const found = await store.catalog.scan(...args)
        rows += found.length
        return found
      },
    }
    const page = await listVersionPage({
      catalog: counted,
      bucket: store.bucket().row,
      prefix: '',
      delimiter: '/',
      keyMarker: '',
      versionIdMarker: null,
      limit: 10,
    })
    expect(page).toMatchObject({ commonPrefixes: ['deep/'], truncated: false })
    expect(page.versions.map(({ key }) => key)).toEqual(['z'])
    expect(rows).toBeLessThan(60)
  })
})
