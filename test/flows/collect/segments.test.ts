import { mkdir, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { captureHeader, datagramFrame, endFrame } from '../../../src/flows/collect/capture-writer.ts'
import { openSegmentDecoder } from '../../../src/flows/collect/decode-segments.ts'
import { clockPath, hoursOf, type Kind, segmentPath, spoolFolder } from '../../../src/flows/collect/folder.ts'
import { createMaintenance, type MaintenanceTurn } from '../../../src/flows/collect/maintain.ts'
import { ColumnTable } from '../../../src/flows/engine/duck.ts'
import { makeFolderDurable } from '../../../src/store/durable-file.ts'
import {
  collectorFolder,
  exportedUnixMs,
  hourMs,
  lineOf,
  query,
  record,
  storedLines,
  templateSet,
} from '../../support/collector.ts'
import { address, ipfix, set, template, u } from '../../support/export-messages.ts'
import { flowSample, sflow, tagged } from '../../support/sflow-messages.ts'

const folders = new AsyncDisposableStack()
afterAll(() => folders.disposeAsync())
afterEach(() => void vi.restoreAllMocks())

const dayMs = 24 * hourMs
const hour = exportedUnixMs / hourMs

type Datagram = { readonly payload: Buffer; readonly from?: string }

/** A decoder and maintenance over a folder, without sockets, and with clocks to turn. */
async function openFolder(path: string = folders.use(collectorFolder()).path) {
  await mkdir(spoolFolder(path), { recursive: true })
  const decoder = await openSegmentDecoder({ folder: path, memoryMiB: 256, threads: 1 })
  const maintenance = createMaintenance(path, decoder.duck, {
    keepRawMs: 10 * dayMs,
    keepRollUpMs: 20 * dayMs,
    closeAfterMs: 0,
    rollUp: { places: null, databases: 'none' },
    alerts: null,
  })
  return {
    path,
    decoder,
    async decode(arrivedUnixMs: number, ...datagrams: readonly Datagram[]) {
      const segment = decoder.commit().through + 1
      const frames = datagrams.map(({ payload, from = '192.0.2.1' }) =>
        datagramFrame({ arrivedUnixMs, address: from, port: 1, payload }),
      )
      const bytes = Buffer.concat([captureHeader(), ...frames, endFrame(frames.length)])
      await writeFile(segmentPath(path, segment), bytes)
      await decoder.decode(segment)
    },
    maintain(nowUnixMs: number, monotonicMs = 0) {
      const { through, agreedUnixMs = null } = decoder.commit()
      const at: MaintenanceTurn = { nowUnixMs, monotonicMs, agreedUnixMs, through }
      return maintenance.run(at)
    },
    hours: async (kind: Kind) => (await hoursOf(path, kind)).map(at => (at === null ? null : at - hour)),
    [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose](),
  }
}

function exported(sentUnixMs: number, sequence: number, ...numbers: readonly number[]): Datagram {
  const message = ipfix(sequence, 1, templateSet, set(256, ...numbers.map(number => record(number))))
  message.writeUInt32BE(sentUnixMs / 1000, 4)
  return { payload: message }
}

/** Records of 2^50 bytes each, the most that is believed of one. */
function enormous(sequence: number, count: number): Datagram {
  const fields = [
    [8, 4],
    [12, 4],
    [1, 7],
    [2, 1],
  ]
  const one = Buffer.concat([address('10.0.0.1'), address('203.0.113.5'), u(7, 2n ** 50n), u(1, 1)])
  const data = set(256, ...Array<Buffer>(count).fill(one))
  return { payload: ipfix(sequence, 1, set(2, template(256, fields)), data), from: '192.0.2.66' }
}

describe('an engine that takes no rows', () => {
  it('makes the segment wait to be decoded again, and is no fault of a datagram', async () => {
    await using folder = await openFolder()
    const numbers = Array.from({ length: 20_000 }, (_, number) => number)
    const datagrams = Array.from({ length: 20 }, (_, part) =>
      exported(exportedUnixMs, part * 1000, ...numbers.slice(part * 1000, (part + 1) * 1000)),
    )
    const append = vi.spyOn(ColumnTable.prototype, 'append').mockImplementationOnce(() => {
      throw new Error('the engine has no room')
    })
    await expect(folder.decode(exportedUnixMs, ...datagrams)).rejects.toThrow('the engine has no room')
    expect(folder.decoder.commit().through).toBe(0)
    append.mockRestore()
    await folder.decoder.decode(1)
    const { through, records, notes } = folder.decoder.commit()
    expect({ through, records, unread: notes.unread }).toEqual({ through: 1, records: 20_000, unread: [] })
    expect(await storedLines(folder.path)).toEqual(numbers.map(number => lineOf(number)).sort())
  })
})

describe('hours that are looked after together', () => {
  it('are rolled up whatever one sender says it sent', async () => {
    await using folder = await openFolder()
    const hostile = Array.from({ length: 6 }, (_, part) => enormous(part * 3000, 3000))
    await folder.decode(exportedUnixMs, exported(exportedUnixMs, 0, 1), ...hostile)
    expect(await folder.maintain(exportedUnixMs + hourMs)).toEqual({ alerts: 0, fault: null })
    const rows = await query(folder.path, 'rollup', 'SELECT exporter, bytes, flows', 'ORDER BY exporter')
    expect(rows).toEqual([
      { exporter: '192.0.2.1', bytes: 1001n, flows: 1n },
      { exporter: '192.0.2.66', bytes: 18446744073709549568n, flows: 18_000n },
    ])
  })

  it('have their turn when one of them cannot be looked after, and its fault is told', async () => {
    await using folder = await openFolder()
    await folder.decode(exportedUnixMs, exported(exportedUnixMs, 0, 1))
    await folder.decode(exportedUnixMs + hourMs, exported(exportedUnixMs + hourMs, 1, 2))
    // A folder, where only a file can be taken away.
    await makeFolderDurable(`${folder.path}/raw/2026-01-15T10/stray.part`)
    const { fault } = await folder.maintain(exportedUnixMs + 2 * hourMs)
    expect(fault).toContain('stray.part')
    expect(await folder.hours('rollup')).toEqual([1])
  })
})

describe('a clock that jumps', () => {
  const [from, to] = [address('10.0.0.1'), address('198.51.100.9')]
  const packet = tagged(3, Buffer.concat([u(4, 1500), u(4, 6), from, to, u(4, 7), u(4, 443), u(8, 0)]))
  const fromAgent = (sequence: number): Datagram => ({
    payload: sflow(sequence, [flowSample({ sequence, rate: 1 }, packet)], { agent: '192.0.2.9' }),
    from: '192.0.2.9',
  })
  const later = exportedUnixMs + hourMs
  const jumped = later + 1000 * dayMs

  it('removes nothing, though an sFlow agent has records dated by it', async () => {
    await using folder = await openFolder()
    await folder.decode(exportedUnixMs, exported(exportedUnixMs, 0, 1), fromAgent(1))
    await folder.maintain(later)
    await folder.decode(jumped, exported(later, 1, 2), fromAgent(2))
    const { fault } = await folder.maintain(jumped, 60_000)
    expect(fault).toContain('2028-10-11')
    expect(fault).toContain('2026-01-15')
    await folder.maintain(jumped + 60_000, 120_000)
    expect(await folder.hours('raw')).toContain(0)
    expect(await folder.hours('rollup')).toContain(0)
    // It is set right, and goes on as if nothing had been.
    expect((await folder.maintain(later + 120_000, 120_000)).fault).toBeNull()
  })

  it('is seen when it jumped while nobody collected, and an exporter’s clock decides', async () => {
    const { path } = folders.use(collectorFolder())
    {
      await using folder = await openFolder(path)
      await folder.decode(exportedUnixMs, exported(exportedUnixMs, 0, 1))
      await folder.maintain(later)
    }
    await using folder = await openFolder(path)
    await folder.decode(jumped, fromAgent(1))
    expect((await folder.maintain(jumped)).fault).toContain('nothing is removed')
    expect(await folder.hours('raw')).toContain(0)
    await folder.decode(jumped, exported(jumped, 1, 2))
    expect((await folder.maintain(jumped, 60_000)).fault).toBeNull()
    expect(await folder.hours('raw')).not.toContain(0)
  })

  it('is not what a clock does that goes on, with sFlow alone', async () => {
    await using folder = await openFolder()
    await folder.decode(exportedUnixMs, fromAgent(1))
    await folder.maintain(later)
    const days = 12 * dayMs
    await folder.decode(later + days, fromAgent(2))
    expect((await folder.maintain(later + days, days)).fault).toBeNull()
    expect(await folder.hours('raw')).not.toContain(0)
    expect(await folder.hours('rollup')).toContain(0)
  })

  it('is doubted where the record of it is damaged', async () => {
    await using folder = await openFolder()
    await writeFile(clockPath(folder.path), '{"unixMs"')
    await folder.decode(exportedUnixMs, fromAgent(1))
    expect((await folder.maintain(later)).fault).toContain('1970-01-01')
  })
})
