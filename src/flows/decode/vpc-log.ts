import { canonicalAddress } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import { unsampled } from './netflow-v5.ts'
import type { Notes } from './notes.ts'
import { readLines } from './text-lines.ts'

/**
 * What the flow logs of cloud networks share: rows of named columns in an order that the user chose, `-` for
 * nothing, NODATA and SKIPDATA rows. Separated by spaces, tabs or commas, or one JSON object a line.
 */
export type VpcLogFormat = {
  readonly name: string
  /** The order when a file has no header. */
  readonly defaultColumns: readonly string[]
  /** Columns tried in turn: the packet's own addresses come before the interface's. */
  readonly srcAddr: readonly string[]
  readonly dstAddr: readonly string[]
  readonly direction: { readonly column: string; readonly in: string; readonly out: string }
  /** Which columns name the observer. */
  readonly observer: readonly string[]
}

type Get = (column: string) => string | null

export async function* readVpcLog(
  format: VpcLogFormat,
  source: ByteSource,
  inputName: string,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  let columns = indexOf(format.defaultColumns)
  for await (const lines of readLines(source, notes)) {
    const records: FlowRecord[] = []
    for (const line of lines) {
      if (line.startsWith('{')) {
        const get = jsonGet(line)
        if (get === null) notes.unread(`${format.name}: line that is not JSON`, line.length)
        else readRow(format, get, inputName, notes, records)
        continue
      }
      const cells = splitCells(line)
      const header = headerOf(cells)
      if (header !== null) {
        columns = indexOf(header)
        continue
      }
      // CloudWatch puts its own time before each row.
      if (cells.length === columns.size + 1 && /^\d{4}-\d\d-\d\dT/.test(cells[0]!)) cells.shift()
      if (cells.length !== columns.size) {
        notes.unread(`${format.name}: row with another number of columns than the header`, line.length)
        continue
      }
      readRow(
        format,
        column => {
          const at = columns.get(column)
          const cell = at === undefined ? undefined : cells[at]
          return cell === undefined || cell === '-' || cell === '' ? null : cell
        },
        inputName,
        notes,
        records,
      )
    }
    yield records
  }
}

/** Names in lower case with hyphens, so that `${srcaddr}`, `traffic_path` and a CSV export read alike. */
export function headerOf(cells: readonly string[]): string[] | null {
  const names = cells.map(cell =>
    cell
      .replace(/^\$\{(.*)\}$/, '$1')
      .toLowerCase()
      .replaceAll('_', '-'),
  )
  const has = (name: string) => names.includes(name) || names.includes(`pkt-${name}`)
  return has('srcaddr') && has('dstaddr') ? names : null
}

export function splitCells(line: string): string[] {
  if (line.includes('\t')) return line.split('\t').map(unquoted)
  if (line.includes(',')) return line.split(',').map(unquoted)
  return line.split(/ +/)
}

function unquoted(cell: string): string {
  const trimmed = cell.trim()
  return trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"')
    ? trimmed.slice(1, -1)
    : trimmed
}

function indexOf(columns: readonly string[]): Map<string, number> {
  const map = new Map(columns.map((name, i) => [name, i]))
  // A column named twice would make the count of cells disagree with every row.
  for (let i = 0; map.size < columns.length; i++) if (!map.has(`#${i}`)) map.set(`#${i}`, -1)
  return map
}

export function jsonGet(line: string): Get | null {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    const fields = new Map(
      Object.entries(value).map(([key, cell]) => [key.toLowerCase().replaceAll('_', '-'), cell]),
    )
    return column => {
      const cell: unknown = fields.get(column)
      if (typeof cell === 'number') return String(cell)
      return typeof cell === 'string' && cell !== '-' && cell !== '' ? cell : null
    }
  } catch {
    return null
  }
}

function readRow(format: VpcLogFormat, get: Get, inputName: string, notes: Notes, into: FlowRecord[]): void {
  const status = get('log-status')
  if (status === 'NODATA') {
    notes.setAside('NODATA: a window without traffic')
    return
  }
  if (status === 'SKIPDATA') {
    notes.lost('SKIPDATA: windows that the cloud did not record', 1)
    return
  }
  const first = (names: readonly string[]) => {
    for (const name of names) {
      const text = get(name)
      const address = text === null ? null : canonicalAddress(text)
      if (address !== null) return address
    }
    return null
  }
  const srcAddr = first(format.srcAddr)
  const dstAddr = first(format.dstAddr)
  const bytes = count(get('bytes'))
  const packets = count(get('packets'))
  const start = seconds(get('start'))
  const end = seconds(get('end'))
  if (srcAddr === null || dstAddr === null || bytes === null || start === null || end === null) {
    notes.unread(`${format.name}: row without addresses, bytes or times that can be read`)
    return
  }
  if (packets === null)
    notes.remark(`${format.name}: rows without a packet count: headers cannot be estimated`)
  if (bytes > MAX_RECORD_BYTES || (packets ?? 0) > MAX_RECORD_BYTES) {
    notes.unread(`${format.name}: counter too large to be true`)
    return
  }
  const action = get('action')
  if (action !== null && action !== 'ACCEPT') {
    notes.setAside('rejected by a security group or access list: it did not pass', 1, bytes)
    return
  }
  const way = get(format.direction.column)
  into.push({
    srcAddr,
    dstAddr,
    srcPort: port(get('srcport')),
    dstPort: port(get('dstport')),
    protocol: port(get('protocol')) & 0xff,
    packets: packets ?? 0,
    ipBytes: bytes,
    payloadBytes: null,
    original: { bytes, packets: packets ?? 0, basis: 'ip' },
    startUnixMs: start,
    endUnixMs: Math.max(start, end),
    direction: way === format.direction.in ? 'in' : way === format.direction.out ? 'out' : null,
    exporter: observer(format, get) ?? inputName,
    sampling: unsampled,
  })
}

function observer(format: VpcLogFormat, get: Get): string | null {
  for (const name of format.observer) {
    const value = get(name)
    if (value !== null) return value.slice(0, 64)
  }
  return null
}

function count(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}

function port(text: string | null): number {
  const value = count(text)
  return value === null || value > 65_535 ? 0 : value
}

/** Seconds, as both clouds write; milliseconds, as some exports of them do, are recognised by their size. */
function seconds(text: string | null): number | null {
  const value = count(text)
  if (value === null) return null
  return value > 1e11 ? value : value * 1000
}
