/** ClickHouse over HTTP: one statement a request. */
import { Readable } from 'node:stream'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { ClickHouse } from '../flows/ask/clickhouse-store.ts'

/** User and password are those of the URL, else of `CLICKHOUSE_USER` and `CLICKHOUSE_PASSWORD`. */
export function clickHouseAt(
  address: string,
  database: string,
  env: Readonly<Record<string, string | undefined>>,
): ClickHouse {
  if (!/^[A-Za-z_]\w{0,63}$/.test(database)) throw bad(`"${database}" is no name of a database`)
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol))
    throw bad(`"${address}" is no address of ClickHouse, such as http://127.0.0.1:8123`)
  const base = new URL(address)
  const user = decodeURIComponent(base.username) || env.CLICKHOUSE_USER
  const password = decodeURIComponent(base.password) || env.CLICKHOUSE_PASSWORD
  base.username = ''
  base.password = ''
  base.searchParams.set('database', database)
  // The answer comes when the statement has ended, so that its status says how.
  base.searchParams.set('wait_end_of_query', '1')
  const headers = {
    ...(user && { 'x-clickhouse-user': user }),
    ...(password && { 'x-clickhouse-key': password }),
  }
  return async (sql, rows) => {
    const url = new URL(base)
    if (rows !== undefined) url.searchParams.set('query', sql)
    const body =
      rows === undefined ? sql : (Readable.toWeb(Readable.from(rows)) as ReadableStream<Uint8Array>)
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'error',
      ...(rows !== undefined && { duplex: 'half' as const }),
    }).catch(error => {
      throw bad(`ClickHouse at ${base.origin} cannot be reached: ${messageOf(error.cause ?? error)}`)
    })
    const text = await response.text()
    if (response.ok) return text
    throw bad(`ClickHouse refuses: ${text.split('\n', 1)[0]!.slice(0, 400)}`)
  }
}

function bad(message: string): HoldfastError {
  return new HoldfastError('bad-input', message)
}
