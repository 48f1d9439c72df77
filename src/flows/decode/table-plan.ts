import type { ByteBasis } from '../flow-record.ts'
import type { CsvMapping } from './csv-mapping.ts'
import {
  aliasBasis,
  columnAliases,
  packetAliases,
  plainName,
  type TableField,
  tableFields,
} from './table-fields.ts'

/** Which cells of a row are which field, in the order in which they are tried. Worked out once for each header. */
export type TablePlan = {
  readonly cells: number
  readonly at: { readonly [Field in TableField]: readonly number[] }
  readonly basis: ByteBasis
  /** A row is one packet, where nothing counts packets. */
  readonly rowIsPacket: boolean
}

/** Does a row say what came back, by a column of its own or as what a sum of both leaves? */
export const countsBack = ({ at }: TablePlan): boolean =>
  at.backBytes.length > 0 || (at.bytes.length > 0 && at.bothBytes.length > 0)

/** Does a header name what a flow needs? `null` when it does not, for then this is a table of something else. */
export function planTable(header: readonly string[], mapping: CsvMapping | null): TablePlan | null {
  const names = mapping === null ? header.map(plainName) : header.map(name => name.trim().toLowerCase())
  const find = (field: TableField): number[] => {
    const wanted =
      mapping === null ? columnAliases[field] : (mapping.columns[field] ?? []).map(name => name.toLowerCase())
    return wanted.map(name => names.indexOf(name)).filter(position => position >= 0)
  }
  const at = Object.fromEntries(tableFields.map(field => [field, find(field)])) as Record<
    TableField,
    number[]
  >
  // Addresses of both families can have columns of their own; of everything else the first column found is the one.
  for (const field of tableFields) {
    const isTriedInTurn = mapping !== null || /Addr$|Port$/.test(field)
    if (!isTriedInTurn) at[field] = at[field].slice(0, 1)
  }
  const has = (field: TableField) => at[field].length > 0
  if (!has('srcAddr') || !has('dstAddr') || !(has('start') || has('end'))) return null
  if (!has('bytes') && !has('bothBytes')) return null
  if (at.srcAddr[0] === at.dstAddr[0]) return null
  const bytesName = names[at.bytes[0] ?? at.bothBytes[0]!]!
  return {
    cells: header.length,
    at,
    basis: mapping?.basis ?? (mapping === null ? aliasBasis[bytesName] : undefined) ?? 'ip',
    rowIsPacket: mapping === null && !has('packets') && packetAliases.has(bytesName),
  }
}
