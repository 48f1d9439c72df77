import { HoldfastError } from '../../core/errors.ts'
import { type CountryCode, parseCountryCode } from '../../core/ids.ts'
import type { Address } from '../address.ts'
import { CidrTable, parseCidr } from './cidr.ts'
import { type CsvRow, parseCsvTable } from './csv-table.ts'
import { type InventoryCells, importInventory } from './inventory-import.ts'

/** One row of `inventory.csv`: who an address was, between two dates. */
export type InventoryRow = {
  readonly server: string
  readonly tenant: string | null
  readonly region: string | null
  readonly country: CountryCode | null
  readonly role: string | null
  readonly validFromUnixMs: number
  /** Exclusive. */
  readonly validToUnixMs: number
}

export type Inventory = {
  readonly rows: readonly InventoryRow[]
  /** The rows that hold the address at any time, the most specific first. */
  readonly rowsOf: (address: Address) => readonly InventoryRow[]
}

/** Of the rows that hold an address, the one that held at that time. */
export function rowAt(rows: readonly InventoryRow[], unixMs: number): InventoryRow | null {
  for (const row of rows) if (unixMs >= row.validFromUnixMs && unixMs < row.validToUnixMs) return row
  return null
}

/** Throws `bad-input`, naming file and line. */
export function parseInventory(name: string, text: string): Inventory {
  const table = new CidrTable<InventoryRow>()
  const rows: InventoryRow[] = []
  const imported = importInventory(name, text)?.map(cellsRow)
  for (const row of imported ?? parseCsvTable(name, text, ['cidr', 'server'])) {
    const cidr = parseCidr(row.get('cidr') ?? '')
    const server = row.get('server')
    if (cidr === null) fail(name, row, `"${row.get('cidr') ?? ''}" is not an address or prefix`)
    if (server === null) fail(name, row, 'no server is named')
    const parsed: InventoryRow = {
      server,
      tenant: row.get('tenant'),
      region: row.get('region'),
      country: countryOf(name, row),
      role: row.get('role'),
      validFromUnixMs: dateOf(name, row, 'valid_from') ?? Number.NEGATIVE_INFINITY,
      validToUnixMs: dateOf(name, row, 'valid_to') ?? Number.POSITIVE_INFINITY,
    }
    const isOther = (other: InventoryRow): boolean =>
      other.country !== parsed.country &&
      other.validFromUnixMs < parsed.validToUnixMs &&
      parsed.validFromUnixMs < other.validToUnixMs
    if (table.at(cidr).some(isOther))
      fail(name, row, `${row.get('cidr')} is in another country further up, at the same time`)
    rows.push(parsed)
    table.add(cidr, parsed)
  }
  if (rows.length === 0) throw new HoldfastError('bad-input', `${name} names no server`)
  return {
    rows,
    rowsOf: address => table.find(address),
  }
}

/** Told by its number where a table's row is told by its line. */
function cellsRow(cells: InventoryCells, index: number): CsvRow {
  return { line: index + 1, get: column => cells[column] ?? null }
}

export function countryOf(name: string, row: CsvRow): CountryCode | null {
  const text = row.get('country')
  if (text === null) return null
  return (
    parseCountryCode(text.toUpperCase()) ??
    fail(name, row, `country "${text}" is not a two-letter code (ISO 3166-1 alpha-2)`)
  )
}

function dateOf(name: string, row: CsvRow, column: string): number | null {
  const text = row.get(column)
  if (text === null) return null
  const unixMs = /^\d{4}-\d\d-\d\d(?:T.*)?$/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(unixMs)
    ? fail(name, row, `${column} "${text}" is not a date such as 2026-01-31`)
    : unixMs
}

function fail(name: string, row: CsvRow, what: string): never {
  throw new HoldfastError('bad-input', `${name}:${row.line}: ${what}`)
}
