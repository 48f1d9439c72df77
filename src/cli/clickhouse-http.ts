/** ClickHouse over HTTP: one statement a request. */
import { Readable } from 'node:stream'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { plain } from '../core/plain-text.ts'
import type { ClickHouse } from '../flows/ask/clickhouse-store.ts'
import { limitedBody } from './limited-body.ts'

const mostQueryBytes = 16 * 1024 * 1024
const mostAnswerBytes = 256 * 1024 * 1024

/** User and password are those of the URL, else of `CLICKHOUSE_USER` and `CLICKHOUSE_PASSWORD`. */
export function clickHouseAt(
  address: string,
  database: string,
  env: Readonly<Record<string, string | undefined>>,
): ClickHouse {
  if (!/^[A-Za-z_]\w{0,63}$/.test(database)) throw bad(`"${database}" is no name of a database`)
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol))
    throw bad('--clickhouse takes an address such as http://127.0.0.1:8123')
  const base = new URL(address)
  const user = decoded(base.username) || (env.CLICKHOUSE_USER ?? '')
  const password = decoded(base.password) || (env.CLICKHOUSE_PASSWORD ?? '')
  base.username = ''
  base.password = ''
  base.searchParams.set('database', database)
  // The answer comes when the statement has ended, so that its status says how.
  base.searchParams.set('wait_end_of_query', '1')
  // Lists of addresses are long.
  base.searchParams.set('max_query_size', String(mostQueryBytes))
  base.searchParams.set('max_ast_elements', '1000000')
  const basic = Buffer.from(`${user || 'default'}:${password}`, 'utf8').toString('base64')
  const headers = user || password ? { authorization: `Basic ${basic}` } : {}
  return async (sql, rows) => {
    const url = new URL(base)
    if (rows !== undefined) url.searchParams.set('query', sql)
    const sent =
      rows === undefined ? sql : (Readable.toWeb(Readable.from(rows)) as ReadableStream<Uint8Array>)
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: sent,
      redirect: 'error',
      ...(rows !== undefined && { duplex: 'half' as const }),
    }).catch(error => {
      throw bad(`ClickHouse at ${base.origin} cannot be reached: ${messageOf(error.cause ?? error)}`)
    })
    const body = await limitedBody(response, base.origin, mostAnswerBytes).catch(error => {
      throw bad(`the answer of ClickHouse at ${base.origin} was cut off: ${messageOf(error)}`)
    })
    const text = body.toString('utf8')
    if (response.ok) return text
    throw bad(`ClickHouse refuses: ${plain(text.split('\n', 1)[0]!.slice(0, 400))}`)
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw bad('user or password in the address of ClickHouse has a % that begins nothing')
  }
}

function bad(message: string): HoldfastError {
  return new HoldfastError('bad-input', message)
}
