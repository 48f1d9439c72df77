import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readCapture } from '../../../src/flows/collect/capture-reader.ts'
import { segmentPath, segmentsIn, spoolFolder } from '../../../src/flows/collect/folder.ts'
import { Spool } from '../../../src/flows/collect/spool.ts'
import { realDisk, type SpoolDisk, type SpoolFile } from '../../../src/flows/collect/spool-disk.ts'
import { statusOf } from '../../../src/flows/collect/status-report.ts'
import { makeFolderDurable } from '../../../src/store/durable-file.ts'
import { collectInto, collectorFolder, deliver, exportedUnixMs, until } from '../../support/collector.ts'
import { u } from '../../support/export-messages.ts'
import { createChance } from '../../support/random.ts'

const folders = new AsyncDisposableStack()
afterAll(() => folders.disposeAsync())
const folder = () => folders.use(collectorFolder()).path

const recordsEach = 30

function netflowV5(sequence: number): Buffer {
  const head = [u(2, 5), u(2, recordsEach), u(4, 100_000), u(4, exportedUnixMs / 1000), u(4, 0)]
  const one = (number: number) =>
    Buffer.concat([
      ...[Buffer.from([10, 0, 0, 1]), Buffer.from([198, 51, 100, 9]), u(4, 0), u(4, 0), u(4, 2), u(4, 1000)],
      ...[
        u(4, 90_000),
        u(4, 95_000),
        u(2, number & 0xffff),
        u(2, 443),
        u(1, 0),
        u(1, 24),
        u(1, 6),
        u(1, 0),
        u(8, 0),
      ],
    ])
  const records = Array.from({ length: recordsEach }, (_, i) => one(sequence + i))
  return Buffer.concat([...head, u(4, sequence), u(4, 0), ...records])
}

const many = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => netflowV5((from + i) * recordsEach))

class Full extends Error {
  readonly code = 'ENOSPC'
}

/** Received is stored, waiting or not stored, and the last of these says how many records it was. */
async function expectExact(
  path: string,
  received: number,
  unwritten: { datagrams: number; records: number },
) {
  const { stored, lost } = await statusOf(path, exportedUnixMs)
  expect(lost.notStored).toMatchObject(unwritten)
  expect(stored.datagrams).toBe(received - unwritten.datagrams)
  expect(stored.decoded).toBe(stored.datagrams)
  expect(unwritten.records).toBe(unwritten.datagrams * recordsEach)
  expect(stored.records).toBe(stored.datagrams * recordsEach)
}

describe('a full disk', () => {
  it('costs nothing as long as memory reaches, and afterwards exactly what is counted', async () => {
    const path = folder()
    let isFull = false
    const disk: SpoolDisk = {
      ...realDisk,
      async create(name) {
        if (isFull) throw new Full('no space left')
        const file = await realDisk.create(name)
        return {
          ...file,
          async write(buffers, at) {
            if (!isFull) return file.write(buffers, at)
            await file.write([buffers[0]!.subarray(0, 100)], at)
            throw new Full('no space left')
          },
        }
      },
    }
    const events: string[] = []
    const collector = await collectInto(path, {
      disk,
      // Each attempt to write closes a batch, however little is in it.
      limits: { memoryBytes: 4 * 1024 * 1024, retryMs: 2000 },
      onEvent: text => events.push(text),
    })
    await deliver(collector, many(0, 100))
    await until(() => collector.counts().stored === 100)
    isFull = true
    await deliver(collector, many(100, 300))
    expect(collector.counts().unwritten.datagrams).toBe(0)
    await deliver(collector, many(400, 3700))
    expect(collector.counts().unwritten.datagrams).toBeGreaterThan(0)
    await until(() => events.includes('no space left'))
    isFull = false
    await until(() => collector.counts().waiting === 0)
    await deliver(collector, many(4100, 100))
    await until(() => events.includes('all is in order again'))
    const { received, unwritten } = await collector.stop()
    expect(received).toBe(4200)
    await expectExact(path, received, unwritten)
  })

  it('that stays full to the end leaves nothing uncounted', async () => {
    const path = folder()
    let isFull = false
    const disk: SpoolDisk = {
      ...realDisk,
      create: name => (isFull ? Promise.reject(new Full('no space left')) : realDisk.create(name)),
    }
    const collector = await collectInto(path, { disk })
    isFull = true
    await deliver(collector, many(0, 50))
    const { received, waiting, unwritten } = await collector.stop()
    expect({ received, waiting, unwritten }).toEqual({
      received: 50,
      waiting: 0,
      unwritten: { datagrams: 50, records: 50 * recordsEach, datagramsOfUnknownRecords: 0 },
    })
  })

  const mayMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
  it.skipIf(!mayMount)('of a real file system: what fits is stored, and it recovers', async () => {
    const mountPoint = mkdtempSync(join(tmpdir(), 'holdfast-tmpfs-'))
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'holdfast-test', mountPoint])
    try {
      // Without the right to mount there is nothing to test here.
      if (mounted.status !== 0) return
      const path = join(mountPoint, 'collected')
      const ballast = join(mountPoint, 'ballast')
      await writeFile(ballast, Buffer.alloc(20 * 1024 * 1024))
      const collector = await collectInto(path, { limits: { memoryBytes: 2 * 1024 * 1024 } })
      // What it decodes takes less room: it must not make some while the disk fills.
      const lock = join(path, 'decoder.lock')
      await until(() => existsSync(lock) && readFileSync(lock, 'utf8') !== '')
      const decoder = Number(readFileSync(lock, 'utf8'))
      process.kill(decoder, 'SIGSTOP')
      await deliver(collector, many(0, 6000))
      expect(collector.counts().unwritten.datagrams).toBeGreaterThan(0)
      await rm(ballast)
      process.kill(decoder, 'SIGCONT')
      await until(() => collector.counts().waiting === 0)
      await deliver(collector, many(6000, 100))
      const { received, unwritten } = await collector.stop()
      await expectExact(path, received, unwritten)
    } finally {
      if (mounted.status === 0) spawnSync('umount', [mountPoint])
      rmSync(mountPoint, { recursive: true, force: true })
    }
  })
})

describe('a disk that fails in all ways', () => {
  /** Each call may reject before or after it did what it was asked, and a write may do a part. */
  function failing(chance: ReturnType<typeof createChance>, isBad: () => boolean): SpoolDisk {
    const maybe = async <T>(act: () => Promise<T>): Promise<T> => {
      const kind = isBad() ? chance.below(8) : 9
      if (kind === 0) throw new Full('injected, before')
      const answer = await act()
      if (kind === 1) throw new Full('injected, after')
      return answer
    }
    const wrap = (file: SpoolFile): SpoolFile => ({
      async write(buffers, at) {
        if (isBad() && chance.below(8) === 0) {
          await file.write([buffers[0]!.subarray(0, chance.below(buffers[0]!.length))], at)
          throw new Full('injected, in the middle')
        }
        await maybe(() => file.write(buffers, at))
      },
      sync: () => maybe(file.sync),
      truncate: bytes => maybe(() => file.truncate(bytes)),
      close: file.close,
    })
    return {
      create: async name =>
        wrap(
          isBad() && chance.below(8) === 0
            ? await Promise.reject(new Full('injected'))
            : await realDisk.create(name),
        ),
      rename: (from, to) => maybe(() => realDisk.rename(from, to)),
      remove: name => maybe(() => realDisk.remove(name)),
      freeBytes: realDisk.freeBytes,
    }
  }

  it('goes on after a segment that got its name and was not known to be on disk with it', async () => {
    const path = folder()
    let failures = 0
    const collector = await collectInto(path, {
      limits: { segmentMs: 50 },
      disk: {
        ...realDisk,
        async rename(from, to) {
          await realDisk.rename(from, to)
          if (failures++ === 0) throw new Full('injected, after')
        },
      },
    })
    await deliver(collector, many(0, 10))
    await until(() => failures > 1)
    await deliver(collector, many(10, 10))
    const { received, unwritten } = await collector.stop()
    expect(unwritten.datagrams).toBe(0)
    await expectExact(path, received, unwritten)
  })

  it.each([1, 2, 3, 4, 5, 6])(
    'keeps every datagram that memory can hold, once and in order (seed %i)',
    async seed => {
      const path = folder()
      await makeFolderDurable(spoolFolder(path))
      const chance = createChance(seed)
      let isBad = true
      const spool = new Spool({
        disk: failing(chance, () => isBad),
        folder: path,
        firstSegment: 1,
        limits: {
          segmentBytes: 50_000,
          segmentMs: 60_000,
          memoryBytes: 64 * 1024 * 1024,
          keepFreeBytes: 0,
          retryMs: 1,
        },
        now: () => exportedUnixMs,
        monotonicMs: () => performance.now(),
        onSegment: () => {},
      })
      spool.start()
      for (let number = 0; number < 3000; number++) {
        spool.add(u(4, number), '127.0.0.1', 1)
        if (number % 50 === 49) await new Promise(done => setTimeout(done, chance.below(4)))
      }
      isBad = false
      await until(() => spool.counts().waiting === 0)
      await spool.stop()
      const numbers: number[] = []
      for (const segment of (await segmentsIn(path)).finished)
        readCapture(await readFile(segmentPath(path, segment)), payload =>
          numbers.push(payload.readUInt32BE(0)),
        )
      expect(numbers.find((number, index) => number !== index)).toBeUndefined()
      expect(numbers).toHaveLength(3000)
      expect(spool.counts()).toMatchObject({ received: 3000, stored: 3000, unwritten: { datagrams: 0 } })
      expect((await segmentsIn(path)).open).toEqual([])
    },
  )
})
