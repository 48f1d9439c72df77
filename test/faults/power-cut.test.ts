import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { regionFiles } from '../../src/open-region.ts'
import { faultsOf, type Promised, tracedCalls, unsyncedNames } from '../support/durability-trace.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { untilEntered } from '../support/statement.ts'

const objects = [
  { kind: 'small', name: 'object-in-the-catalog', bytes: 3000 },
  { kind: 'large', name: 'object-in-a-file', bytes: 2_000_000 },
  { kind: 'of one segment', name: 'object-just-in-a-file', bytes: 20_000 },
]

/** Traced, not timed: whatever the disk does later, the order of these calls is what survives the cut. */
describeWith('strace', 'a power cut after the answer', () => {
  let holdfast: Holdfast
  let trace: string
  const promised = new Map<string, Promised>()

  beforeAll(async () => {
    const file = join(tmpdir(), `holdfast-trace-${process.pid}`)
    const strace = ['strace', '-f', '-y', '-s', '20000', '-e', `trace=${tracedCalls}`, '-o', file]
    holdfast = await startHoldfast({
      regions: [['in-mumbai', 'IN']],
      under: command => [...strace, ...command],
    })
    const { s3 } = holdfast
    const files = regionFiles(holdfast.data, 'in-mumbai')
    await s3.makeBucket('papers')
    for (const { kind, name, bytes } of objects) {
      const { headers } = await s3.put(`/papers/${name}`, Buffer.alloc(bytes, name))
      const entry = String(headers['x-holdfast-entry'])
      promised.set(kind, {
        name,
        answer: entry,
        catalog: join(files.catalog, 'catalog.mdb'),
        blobs: bytes > 16_384 ? files.blobs : null,
      })
      // So that the ledger's own commits do not run into the next object's.
      await untilEntered(holdfast, entry)
    }
    await holdfast.server.stop()
    trace = readFileSync(file, 'latin1')
    rmSync(file)
  })
  afterAll(() => holdfast[Symbol.asyncDispose]())

  it.each(objects)('leaves an object that is $kind', ({ kind }) => {
    expect(faultsOf(trace, promised.get(kind)!)).toEqual([])
  })

  it('leaves the folders that were made for it', () => {
    expect(unsyncedNames(trace, promised.get('small')!.answer, holdfast.folder)).toEqual([])
  })

  /** The checker itself, on traces of programs that forgot something. */
  describe('would be noticed', () => {
    const without = (drop: (line: string) => boolean): string =>
      trace
        .split('\n')
        .filter(line => !drop(line))
        .join('\n')
    const isSyncOf = (line: string, path: string): boolean =>
      /f(data)?sync/.test(line) && line.includes(`<${path}`)

    it('without any sync of the catalog', () => {
      const { catalog } = promised.get('small')!
      const doctored = without(line => isSyncOf(line, catalog))
      expect(faultsOf(doctored, promised.get('small')!)).not.toEqual([])
    })

    it('with a root page that is written lazily', () => {
      const doctored = trace.replaceAll('O_DSYNC|', '')
      expect(faultsOf(doctored, promised.get('small')!)).toEqual([
        'the catalog’s root page was not on disk before the answer',
      ])
    })

    it('with a blob that is not synced before its rename', () => {
      const doctored = without(line => /f(data)?sync/.test(line) && line.includes('.part>'))
      expect(faultsOf(doctored, promised.get('large')!)).toEqual([
        'the blob was renamed before its last bytes were synced',
      ])
    })

    it('with a blob whose folder is not synced', () => {
      const doctored = without(line => /fsync/.test(line) && /\/blobs\/[0-9a-f]{2}>/.test(line))
      expect(faultsOf(doctored, promised.get('large')!)).toEqual([
        'the catalog named the blob before its folder was synced',
      ])
    })

    it('with an answer that leaves before all of it', () => {
      const { answer, name } = promised.get('small')!
      const lines = trace.split('\n')
      const sent = lines.findIndex(line => line.includes('HTTP/1.1 200') && line.includes(answer))
      const published = lines.findIndex(line => line.includes('catalog.mdb') && line.includes(name))
      const early = lines.toSpliced(sent, 1).toSpliced(published, 0, lines[sent]!)
      expect(faultsOf(early.join('\n'), promised.get('small')!)).not.toEqual([])
    })
  })
})
