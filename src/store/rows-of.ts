import { type Catalog, prefixEnd, type Row, type Table } from './catalog.ts'

const pageRows = 1000

export interface RowsRange {
  /** Only keys that start so. */
  readonly prefix?: Uint8Array
  /** Inclusive lower bound. */
  readonly from?: Uint8Array
}

/** Every row of a table, or of a range of it, a page at a time: each page from its own snapshot. */
export async function* rowsOf(
  catalog: Catalog,
  table: Table,
  { prefix, from = prefix }: RowsRange = {},
): AsyncGenerator<Row> {
  const to = prefix === undefined ? null : prefixEnd(prefix)
  for (;;) {
    const rows = await catalog.scan(table, { limit: pageRows, ...(from && { from }), ...(to && { to }) })
    yield* rows
    if (rows.length < pageRows) return
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
}
