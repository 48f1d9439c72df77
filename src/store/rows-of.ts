import { type Catalog, prefixEnd, type Row, type Table } from './catalog.ts'

const pageRows = 1000

/** Every row of a table, or those whose keys start with `prefix`, a page at a time: each page its own snapshot. */
export async function* rowsOf(catalog: Catalog, table: Table, prefix?: Uint8Array): AsyncGenerator<Row> {
  const to = prefix === undefined ? null : prefixEnd(prefix)
  for (let from = prefix; ; ) {
    const rows = await catalog.scan(table, { limit: pageRows, ...(from && { from }), ...(to && { to }) })
    yield* rows
    if (rows.length < pageRows) return
    from = Buffer.concat([rows.at(-1)!.key, Buffer.of(0)])
  }
}
