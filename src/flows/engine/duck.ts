/**
 * DuckDB, embedded: what an audit holds that memory does not. The database is a folder of this run's own and is gone with
 * it; DuckDB writes to it what exceeds its memory.
 *
 * Columns go in and out as memory, not value by value: hot path, measured by `bench/audit.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DOUBLE,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  UHUGEINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
} from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import {
  bytesOf,
  type ColumnArray,
  type ColumnKind,
  type ColumnSpecs,
  type Columns,
  makeColumns,
} from '../columns.ts'

const types: Readonly<Record<ColumnKind, DuckDBType>> = {
  u8: UTINYINT,
  u16: USMALLINT,
  u32: UINTEGER,
  f64: DOUBLE,
  address: UHUGEINT,
}

/** Rows of one vector: what DuckDB takes and gives at once. */
const vectorRows = 2048

export type DuckOptions = {
  /** What DuckDB may hold in memory; the rest is written to `folder`. */
  readonly memoryMiB: number
  readonly threads: number
  /** Where its files go; left out, the system's folder for such. */
  readonly folder?: string
  /** Tables stay in memory until that is full: for what is written elsewhere at once. */
  readonly inMemory?: boolean
}

export class Duck {
  readonly #folder: string
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #tables: ColumnTable<ColumnSpecs>[] = []

  private constructor(folder: string, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#folder = folder
    this.#instance = instance
    this.#connection = connection
  }

  static async open(options: DuckOptions): Promise<Duck> {
    const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'holdfast-flows-'))
    try {
      const instance = await DuckDBInstance.create(
        options.inMemory === true ? ':memory:' : join(folder, 'flows.duckdb'),
        {
          memory_limit: `${options.memoryMiB}MiB`,
          threads: String(options.threads),
          temp_directory: folder,
          // No extension is ever fetched: what is read is read by what is here.
          autoinstall_known_extensions: 'false',
          autoload_known_extensions: 'false',
          preserve_insertion_order: 'false',
        },
      )
      const connection = await instance.connect()
      // It is thrown away with its folder.
      await connection.run('PRAGMA disable_checkpoint_on_shutdown')
      return new Duck(folder, instance, connection)
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw failed(error)
    }
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql).catch(rethrow)
  }

  /** Rows as objects: for answers that are few. */
  async rows(sql: string): Promise<readonly Record<string, unknown>[]> {
    const reader = await this.#connection.runAndReadAll(sql).catch(rethrow)
    return reader.getRowObjects()
  }

  /** A new table that columns are appended to. Every table is read only after `flush`. */
  async table<Specs extends ColumnSpecs>(name: string, specs: Specs): Promise<ColumnTable<Specs>> {
    const columns = Object.entries(specs).map(([column, kind]) => `"${column}" ${sqlType[kind]}`)
    await this.run(`CREATE TABLE ${name} (${columns.join(', ')})`)
    const table = new ColumnTable(await this.#connection.createAppender(name), specs)
    this.#tables.push(table as unknown as ColumnTable<ColumnSpecs>)
    return table
  }

  /** Ends the appending: from here on the tables hold every row. */
  flush(): void {
    for (const table of this.#tables.splice(0)) table.close()
  }

  /**
   * Rows of a query, some at a time, in its order. Several queries can be read at once. `sql` must give exactly the columns of `specs`, in their order and of
   * their types. The columns are valid until the next step.
   */
  async *stream<Specs extends ColumnSpecs>(
    sql: string,
    specs: Specs,
  ): AsyncGenerator<{ readonly rows: number; readonly columns: Columns<Specs> }> {
    const names = Object.keys(specs)
    const columns = makeColumns(specs, vectorRows)
    for await (const chunk of this.#chunks(sql)) {
      const rows = chunk.rowCount
      for (const [index, name] of names.entries()) {
        const size = bytesOf[specs[name]!] * rows
        const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
        const into = columns[name] as ColumnArray
        new Uint8Array(into.buffer, into.byteOffset, size).set(duckdb.vector_get_data(vector, size))
      }
      yield { rows, columns }
    }
  }

  /** Each on a connection of its own: on one, a second query ends the first. */
  async *#chunks(sql: string): AsyncGenerator<DuckDBDataChunk> {
    const connection = await this.#instance.connect()
    try {
      const result = await connection.stream(sql).catch(rethrow)
      for (;;) {
        const chunk = await result.fetchChunk().catch(rethrow)
        if (chunk === null || chunk.rowCount === 0) return
        yield chunk
      }
    } finally {
      connection.closeSync()
    }
  }

  /** Rows of a text and a number, some at a time. */
  async *texts(sql: string): AsyncGenerator<readonly (readonly [string, number])[]> {
    for await (const chunk of this.#chunks(sql)) {
      const numbers = chunk.getColumnValues(1)
      yield chunk.getColumnValues(0).map((text, row) => [String(text), Number(numbers[row])] as const)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.flush()
    this.#connection.closeSync()
    this.#instance.closeSync()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

const sqlType: Readonly<Record<ColumnKind, string>> = {
  u8: 'UTINYINT',
  u16: 'USMALLINT',
  u32: 'UINTEGER',
  f64: 'DOUBLE',
  address: 'UHUGEINT',
}

export class ColumnTable<Specs extends ColumnSpecs> {
  readonly specs: Specs
  readonly #appender: DuckDBAppender
  readonly #specs: readonly (readonly [string, ColumnKind])[]
  readonly #chunk: DuckDBDataChunk
  readonly #vectors: readonly duckdb.Vector[]

  constructor(appender: DuckDBAppender, specs: Specs) {
    this.#appender = appender
    this.specs = specs
    this.#specs = Object.entries(specs)
    this.#chunk = DuckDBDataChunk.create(
      this.#specs.map(([, kind]) => types[kind]),
      vectorRows,
    )
    this.#vectors = this.#specs.map((_, index) => duckdb.data_chunk_get_vector(this.#chunk.chunk, index))
  }

  append(columns: Columns<Specs>, rows: number): void {
    try {
      for (let from = 0; from < rows; from += vectorRows) {
        const count = Math.min(vectorRows, rows - from)
        for (const [index, [name, kind]] of this.#specs.entries()) {
          const array = columns[name] as ColumnArray
          const size = bytesOf[kind]
          const at = array.byteOffset + from * size
          duckdb.copy_data_to_vector(this.#vectors[index]!, 0, array.buffer as ArrayBuffer, at, count * size)
        }
        duckdb.data_chunk_set_size(this.#chunk.chunk, count)
        this.#appender.appendDataChunk(this.#chunk)
      }
    } catch (error) {
      throw failed(error)
    }
  }

  /** To append row by row: fill the row that `next` names. What was filled is appended by `end` at the latest. */
  filler(): { readonly columns: Columns<Specs>; next(): number; end(): void } {
    const columns = makeColumns(this.specs, vectorRows)
    let rows = 0
    const end = (): void => {
      this.append(columns, rows)
      rows = 0
    }
    return {
      columns,
      next() {
        if (rows === vectorRows) end()
        return rows++
      },
      end,
    }
  }

  close(): void {
    try {
      this.#appender.closeSync()
    } catch (error) {
      throw failed(error)
    }
  }
}

export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`

function rethrow(error: unknown): never {
  throw failed(error)
}

/** A full disk is the user's to mend, and so is a bound on memory that is too tight; all else is a fault of ours. */
function failed(error: unknown): Error {
  const text = messageOf(error)
  if (/no space|disk full|failed to write|out of memory/i.test(text))
    return new HoldfastError(
      'bad-input',
      `the engine has no room left for its work: ${text.split('\n', 1)[0]}`,
    )
  return error instanceof Error ? error : new Error(text)
}
