import { createReadStream, existsSync } from 'node:fs'
import { HoldfastError } from '../../core/errors.ts'
import type { CsvMapping } from '../decode/csv-mapping.ts'
import { type ReadInput, readColumns } from '../decode/read-input.ts'
import type { DuckOptions } from '../engine/duck.ts'
import { isParquet, readParquet } from '../engine/parquet.ts'
import type { DatabaseUse } from '../locate/databases.ts'
import type { Directory } from '../locate/directory.ts'
import { createNameBook, type NamePages } from '../names/name-book.ts'
import type { NameSink } from '../names/sighting.ts'
import { createObserverBook } from '../observer.ts'
import type { AttributedRows } from './abroad-columns.ts'
import { createAttribution, type TrafficSums } from './attribute.ts'

/** A file by its path, or bytes from anywhere else. */
export type FlowInput =
  | { readonly name: string; readonly path: string }
  | { readonly name: string; readonly open: () => AsyncIterable<Uint8Array> }

/** What is left of inputs when their rows are handed on. */
export type Attributed = {
  readonly traffic: TrafficSums
  readonly observers: ReadonlyMap<number, string>
  readonly databases: readonly DatabaseUse[]
  /** Names that servers of the inventory used for addresses. */
  readonly names: NamePages
}

/** Reads inputs one after another and attributes their records as they come. One for each thread. */
export function createInputReader(
  directory: Directory,
  settings: { readonly mapping: CsvMapping | null; readonly engine: DuckOptions },
  rows: AttributedRows,
) {
  const { mapping, engine } = settings
  const attribution = createAttribution(directory.book, directory.list, rows)
  const observers = createObserverBook()
  const names = createNameBook()
  const sink: NameSink = {
    serverAt: (address, unixMs) => directory.book.serverAt(directory.book.find(address), unixMs),
    add: names.add,
    refuse: names.refuse,
  }
  const read = async (
    input: FlowInput,
    turn: (records: number) => Promise<void> | void,
  ): Promise<ReadInput> => {
    const { name } = input
    const reading =
      'path' in input && (await isParquet(input.path))
        ? readParquet(name, input.path, mapping, observers, engine)
        : readColumns(name, bytesOf(input), mapping, observers, sink)
    let records = 0
    for (;;) {
      const step = await reading.next()
      if (step.done === true) return step.value
      attribution.add(step.value)
      records += step.value.rows
      await turn(records)
    }
  }
  return {
    /**
     * `turn` is awaited between batches: whoever takes the rows can hold the reader up, and sees how far it is. Throws
     * `conflict` for a file that is gone.
     */
    async read(input: FlowInput, turn: (records: number) => Promise<void> | void): Promise<ReadInput> {
      try {
        return await read(input, turn)
      } catch (error) {
        // Whatever the engine makes of it: a file that it reads it may open again.
        if ('path' in input && !existsSync(input.path)) throw gone(input.name)
        throw error
      }
    },
    finish(): Attributed {
      const traffic = attribution.finish()
      return {
        traffic,
        observers: observers.names,
        databases: directory.locator.databases(),
        names: names.pages(),
      }
    },
  }
}

/** Files were there when they were listed; a collector merges those of an hour that is over. */
function gone(name: string): HoldfastError {
  return new HoldfastError(
    'conflict',
    `${name} is gone since the audit began: when its folder is a collector's, which merges files, run the audit again`,
  )
}

function bytesOf(input: FlowInput): AsyncIterable<Uint8Array> {
  return 'path' in input ? createReadStream(input.path, { highWaterMark: 1 << 20 }) : input.open()
}

/** The sums of several threads. Each used the same inventory, so the servers' numbers are the same. */
export function mergeAttributed(parts: readonly Attributed[]): Attributed {
  const [first, ...others] = parts
  const { traffic } = first!
  const observers = new Map(first!.observers)
  const databases = new Map(first!.databases.map(use => [use.name, use]))
  const names = createNameBook()
  for (const part of parts) names.addPages(part.names)
  for (const part of others) {
    for (const name of ['domesticBytes', 'localBytes', 'records'] as const)
      for (const [server, value] of part.traffic[name].entries()) traffic[name][server]! += value
    traffic.outsideRecords += part.traffic.outsideRecords
    traffic.outsideBytes += part.traffic.outsideBytes
    for (const [id, name] of part.observers) observers.set(id, name)
    for (const use of part.databases) {
      const known = databases.get(use.name)
      databases.set(use.name, { ...use, sha256: { ...known?.sha256, ...use.sha256 } })
    }
  }
  return { traffic, observers, databases: [...databases.values()], names: names.pages() }
}
