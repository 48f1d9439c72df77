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
    ...where.map(({ field, values }) => {
      const isNumber = fields[field].kind === 'number' || (fields[field].kind === 'port' && layer === 'raw')
      const literals = values.map(value => (isNumber ? value : `'${value}'`))
      return literals.length === 0 ? '1 = 0' : `${field} IN (${literals.join(', ')})`
    }),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}
