import { closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { floeParameters, headerBytes } from '../../src/crypto/floe.ts'
import { decodeLocation } from '../../src/store/packed-blob-store.ts'
import { type Disk, operateOnDisk } from '../support/catalog-surgery.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { createChance } from '../support/random.ts'

const { segmentBytes } = floeParameters
const chance = createChance(1)
const small = chance.bytes(2500)
const medium = chance.bytes(100_000)
const large = chance.bytes(3 * 2 ** 20 + 17)
const parts = [chance.bytes(5 * 2 ** 20), chance.bytes(5 * 2 ** 20)]

interface Damage {
  readonly name: string
  readonly key: string
  readonly truth: Buffer
  readonly does: (disk: Disk, key: string) => Promise<void>
}

const appended = inCatalog('a byte too many', bytes => Buffer.concat([bytes, Buffer.of(0)]))

/** Whoever has the provider's disk, trying to pass other bytes off as the customer's. */
const damages: Damage[] = [
  file('a changed byte in the first segment', large, bytes => flip(bytes, headerBytes + 100)),
  file('a changed byte in the header', large, bytes => flip(bytes, 3)),
  file('a changed byte deep inside', large, bytes => flip(bytes, headerBytes + 20 * segmentBytes + 5)),
  file('a changed byte in the last segment', large, bytes => flip(bytes, bytes.length - 1)),
  file('a tail cut inside a segment', large, bytes => bytes.subarray(0, bytes.length - 9)),
  file('a tail cut between two segments', large, bytes => bytes.subarray(0, headerBytes + 10 * segmentBytes)),
  file('two segments swapped', large, bytes => swapSegments(bytes, 4, 9)),
  file('the first two segments swapped', large, bytes => swapSegments(bytes, 0, 1)),
  file('a segment in the place of another', large, bytes => copySegment(bytes, 5, 6)),
  file('the file emptied', large, () => Buffer.alloc(0)),
  inCatalog('a changed byte', bytes => flip(bytes, bytes.length - 1)),
  inCatalog('a changed byte in the header', bytes => flip(bytes, 0)),
  inCatalog('a cut tail', bytes => bytes.subarray(0, bytes.length - 1)),
  inSegment('a changed byte', bytes => flip(bytes, headerBytes + 100)),
  inSegment('a changed byte in the header', bytes => flip(bytes, 0)),
  inSegment('a changed byte in the last segment', bytes => flip(bytes, bytes.length - 1)),
  {
    name: 'in a segment: the place of another blob',
    key: 'packed, other place',
    truth: medium,
    does: async (disk, key) => {
      const [place] = await disk.places('papers', key)
      const [other] = await disk.places('papers', 'medium')
      const value = (await disk.catalog.get('blobs', utf8(other!.id)))!
      await disk.catalog.commit({ puts: [{ table: 'blobs', key: utf8(place!.id), value }] })
    },
  },
  {
    name: 'two parts of an object swapped',
    key: 'swapped parts',
    truth: Buffer.concat(parts),
    does: async (disk, key) => {
      const content = await disk.content('papers', key)
      await disk.setContent('papers', key, { ...content, places: content.places.toReversed() })
    },
  },
  {
    name: 'a part left out of the record',
    key: 'part left out',
    truth: Buffer.concat(parts),
    does: async (disk, key) => {
      const content = await disk.content('papers', key)
      await disk.setContent('papers', key, { ...content, places: content.places.slice(0, 1) })
    },
  },
  {
    name: 'the manifest of another object',
    key: 'other manifest',
    truth: large,
    does: async (disk, key) => {
      const other = await disk.content('papers', 'untouched')
      const own = await disk.content('papers', key)
      await disk.setContent('papers', key, { ...own, manifest: other.manifest })
    },
  },
  {
    name: 'another object whole: manifest, places and all',
    key: 'other object',
    truth: large,
    does: async (disk, key) => disk.setContent('papers', key, await disk.content('papers', 'untouched')),
  },
  {
    name: 'the row of another object, under a new origin',
    key: 'other row',
    truth: large,
    does: async (disk, key) => {
      const [own, other] = [await disk.row('papers', key), await disk.row('papers', 'untouched')]
      const value = utf8(JSON.stringify({ ...other, originId: own.originId }))
      await disk.catalog.commit({
        puts: [{ table: 'objects', key: await disk.rowKey('papers', key), value }],
      })
    },
  },
  {
    name: 'another size in the row',
    key: 'other size',
    truth: large,
    does: async (disk, key) => {
      const row = await disk.row('papers', key)
      const value = utf8(JSON.stringify({ ...row, sizeBytes: row.sizeBytes - 1 }))
      await disk.catalog.commit({
        puts: [{ table: 'objects', key: await disk.rowKey('papers', key), value }],
      })
    },
  },
]

function file(name: string, truth: Buffer, change: (bytes: Buffer) => Uint8Array): Damage {
  return {
    name: `in a file: ${name}`,
    key: name,
    truth,
    does: async (disk, key) => {
      const [place] = await disk.places('papers', key)
      const path = disk.blobPath(place!)
      const changed = Buffer.from(change(readFileSync(path)))
      truncateSync(path, 0)
      writeFileSync(path, changed)
    },
  }
}

function inSegment(name: string, change: (bytes: Buffer) => Buffer): Damage {
  return {
    name: `in a segment: ${name}`,
    key: `packed, ${name}`,
    truth: medium,
    does: async (disk, key) => {
      const [place] = await disk.places('papers', key)
      const { bytes, place: at } = decodeLocation((await disk.catalog.get('blobs', utf8(place!.id)))!)
      const file = openSync(disk.segmentPath(at!.segment), 'r+')
      const ciphertext = Buffer.alloc(bytes)
      readSync(file, ciphertext, 0, bytes, at!.at)
      writeSync(file, change(ciphertext), 0, bytes, at!.at)
      closeSync(file)
    },
  }
}

function inCatalog(name: string, change: (bytes: Buffer) => Uint8Array): Damage {
  return {
    name: `in the catalog: ${name}`,
    key: `small, ${name}`,
    truth: small,
    does: async (disk, key) => {
      const [place] = await disk.places('papers', key)
      const id = utf8(place!.id)
      const bytes = Buffer.from((await disk.catalog.get('smallblobs', id))!)
      await disk.catalog.commit({ puts: [{ table: 'smallblobs', key: id, value: change(bytes) }] })
    },
  }
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1
  return bytes
}

function segment(bytes: Buffer, index: number): Buffer {
  const start = headerBytes + index * segmentBytes
  return bytes.subarray(start, start + segmentBytes)
}

function swapSegments(bytes: Buffer, a: number, b: number): Buffer {
  const first = Buffer.from(segment(bytes, a))
  segment(bytes, b).copy(segment(bytes, a))
  first.copy(segment(bytes, b))
  return bytes
}

function copySegment(bytes: Buffer, from: number, to: number): Buffer {
  segment(bytes, from).copy(segment(bytes, to))
  return bytes
}

describe('stored bytes that somebody changed', () => {
  let holdfast: Holdfast
  let found: string[]
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    const { s3 } = holdfast
    await s3.makeBucket('papers')
    await s3.put('/papers/untouched', chance.bytes(large.length))
    await s3.put('/papers/medium', chance.bytes(medium.length))
    for (const { key, truth } of [...damages, appended]) {
      if (truth.length === 2 * parts[0]!.length) await s3.putParts(`/papers/${key}`, parts)
      else await s3.put(`/papers/${key}`, truth)
      const { body } = await s3.get(`/papers/${key}`)
      if (!body.equals(truth)) throw new Error(`${key} did not read back`)
    }
    await operateOnDisk(holdfast, async disk => {
      for (const { key, does } of [...damages, appended]) await does(disk, key)
    })
    const fsck = JSON.parse((await holdfast.cli('fsck', '--json')).stdout) as {
      regions: { findings: string[] }[]
    }
    found = fsck.regions.flatMap(({ findings }) => findings)
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it.each(damages)('$name: an error, and no wrong byte', async ({ key, truth }) => {
    const { status, body, complete } = await holdfast.s3.get(`/papers/${key}`)
    if (status === 200) {
      expect(complete).toBe(false)
      expect(body.length).toBeLessThan(truth.length)
      expect(body.equals(truth.subarray(0, body.length))).toBe(true)
    } else expect(status).toBe(500)
  })

  it('reads what is whole before and after the damage, by range', async () => {
    const key = 'a changed byte deep inside'
    const before = await holdfast.s3.get(`/papers/${key}`, { range: 'bytes=0-99999' })
    expect(before.body.equals(large.subarray(0, 100_000))).toBe(true)
    const after = await holdfast.s3.get(`/papers/${key}`, { range: 'bytes=-100000' })
    expect(after.body.equals(large.subarray(large.length - 100_000))).toBe(true)
    const inside = await holdfast.s3.get(`/papers/${key}`, { range: `bytes=${20 * 65_000}-${21 * 65_000}` })
    expect(inside.status).toBe(500)
  })

  it('gives out nothing of what was appended: what is right, or an error', async () => {
    const { status, body } = await holdfast.s3.get(`/papers/${appended.key}`)
    expect(status === 500 || body.equals(small)).toBe(true)
  })

  it('a read-back names every change of a stored byte, without keys', async () => {
    const read = JSON.parse((await holdfast.cli('fsck', '--read', '--json')).stdout) as {
      regions: { findings: string[] }[]
    }
    const findings = read.regions.flatMap(each => each.findings)
    for (const { key } of damages.filter(({ name }) => /changed byte|swapped$|in the place of/.test(name)))
      expect(findings.filter(text => text.startsWith(`${key} (`))).not.toEqual([])
    expect(findings.filter(text => /^(untouched|medium) \(/.test(text))).toEqual([])
  })

  it('fsck names what it can see without keys', () => {
    const visible = [
      'a tail cut inside a segment',
      'a tail cut between two segments',
      'the file emptied',
      'small, a cut tail',
      'small, a byte too many',
      'part left out',
      'other manifest',
      'other object',
      'other row',
      'other size',
      'packed, other place',
    ]
    for (const key of visible) expect(found.filter(text => text.includes(`papers/${key} `))).not.toEqual([])
    expect(found.filter(text => text.includes('papers/untouched') && !text.includes('used twice'))).toEqual(
      [],
    )
  })

  it('serves everything else as if nothing had happened', async () => {
    await holdfast.s3.put('/papers/new', small)
    expect((await holdfast.s3.get('/papers/new')).body.equals(small)).toBe(true)
  })
})
