/** Questions in the SQL that both engines understand. */
import { type Field, fields, type Layer, type Question } from './question.ts'

/** What differs between engines. */
export type Dialect = {
  readonly key: (field: 'hour' | 'day', layer: Layer) => string
  /** A moment (Unix, ms) as what `begin` is compared with. */
  readonly moment: (unixMs: number) => string
}

/** When a flow began; of a roll-up, its hour. */
export const beginOf = { raw: '"start"', rollup: '"hour"' } as const satisfies Record<Layer, string>

export const keySql = (dialect: Dialect, field: Field, layer: Layer): string =>
  field === 'hour' || field === 'day' ? dialect.key(field, layer) : field

/** A sum of products is exact only when each is whole, as reports state it. */
export const sumsSql = {
  raw: 'sum(round(bytes * sampling_rate)) AS sum_bytes, sum(round(packets * sampling_rate)) AS sum_packets, count(*) AS sum_flows',
  rollup: 'sum(bytes) AS sum_bytes, sum(packets) AS sum_packets, sum(flows) AS sum_flows',
} as const satisfies Record<Layer, string>

/** Empty, or ` WHERE …`. */
export function whereSql(dialect: Dialect, question: Question, layer: Layer): string {
  const { fromUnixMs, untilUnixMs, where } = question
  const begin = beginOf[layer]
  const conditions = [
    ...(fromUnixMs === null ? [] : [`${begin} >= ${dialect.moment(fromUnixMs)}`]),
    ...(untilUnixMs === null ? [] : [`${begin} < ${dialect.moment(untilUnixMs)}`]),
    ...where.map(({ field, values }) => oneOfSql(field, values, layer)),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

/** Values are what `spelling` let pass: none can end its literal. */
function oneOfSql(field: Field, values: readonly string[], layer: Layer): string {
  const { kind } = fields[field]
  const isNumber = kind === 'number' || (kind === 'port' && layer === 'raw')
  const ranges = isNumber ? values.filter(value => value.includes('-')) : []
  const single = values.filter(value => !ranges.includes(value))
  const parts = ranges.map(range => `${field} BETWEEN ${range.replace('-', ' AND ')}`)
  if (single.length > 0)
    parts.push(`${field} IN (${single.map(value => (isNumber ? value : `'${value}'`)).join(', ')})`)
  return parts.length === 0 ? '1 = 0' : `(${parts.join(' OR ')})`
}
