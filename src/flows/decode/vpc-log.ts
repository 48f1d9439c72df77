import { canonicalAddress } from '../address.ts'
import { batchRows, type FlowBatch } from '../flow-columns.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ObserverBook } from '../observer.ts'
import type { ByteSource } from './byte-source.ts'
import { type JsonRow, parseRow } from './json-rows.ts'
import type { Notes } from './notes.ts'
import { createQuickRows, type QuickPlan } from './quick-rows.ts'
import { unsampled } from './sampling.ts'
import { maxLineBytes, readLineBlocks } from './text-lines.ts'

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

/** Where each wanted column is among a row's cells; -1 where the row has none. Worked out once for each header. */
type Plan = { readonly [Name in Scalar]: number } & {
  readonly cells: number
  readonly direction: number
  readonly srcAddr: readonly number[]
  readonly dstAddr: readonly number[]
  readonly observer: readonly number[]
}
type Scalar = (typeof scalars)[number]
const scalars = [
  'srcport',
  'dstport',
  'protocol',
  'packets',
  'bytes',
  'start',
  'end',
  'action',
  'log-status',
] as const

export async function* readVpcLog(
  format: VpcLogFormat,
  source: ByteSource,
  inputName: string,
  notes: Notes,
  observers: ObserverBook | null,
): AsyncGenerator<FlowBatch | readonly FlowRecord[]> {
  const jsonColumns = [
    ...scalars,
    format.direction.column,
    ...format.srcAddr,
    ...format.dstAddr,
    ...format.observer,
  ]
  const jsonPlan = planOf(format, jsonColumns)
  let plan = planOf(format, format.defaultColumns)
  const quickRows = () =>
    observers === null ? null : createQuickRows(quickPlan(plan), format.direction, observers)
  let quick = quickRows()

  const readLine = (line: string, records: FlowRecord[]): void => {
    if (line.startsWith('{')) {
      const row = parseRow(line)
      if (row === null) notes.unread(`${format.name}: line that is not JSON`, line.length)
      else {
        const get = jsonFields(row)
        const cells = jsonColumns.map(column => get(column) ?? '-')
        readRow(format, jsonPlan, cells, inputName, notes, records)
      }
      return
    }
    const cells = splitCells(line)
    const header = /srcaddr/i.test(line) ? headerOf(cells) : null
    if (header !== null) {
      plan = planOf(format, header)
      return
    }
    // CloudWatch puts its own time before each row.
    if (cells.length === plan.cells + 1 && /^\d{4}-\d\d-\d\dT/.test(cells[0]!)) cells.shift()
    if (cells.length === plan.cells) readRow(format, plan, cells, inputName, notes, records)
    else notes.unread(`${format.name}: row with another number of columns than the header`, line.length)
  }

  for await (const block of readLineBlocks(source, notes)) {
    const records: FlowRecord[] = []
    for (let from = 0; from < block.length; ) {
      const found = block.indexOf(newline, from)
      const end = found < 0 ? block.length : found
      if (quick === null || !quick.read(block, from, end)) {
        const line = block.toString('utf8', from, end).trim()
        const before = plan
        if (line.length > maxLineBytes) notes.unread('line too long', line.length)
        else if (line !== '') readLine(line, records)
        if (plan !== before) {
          if (quick !== null && quick.rows > 0) yield quick
          quick = quickRows()
        }
      }
      if (quick?.rows === batchRows) {
        yield quick
        quick.clear()
      }
      from = end + 1
    }
    if (quick !== null && quick.rows > 0) {
      yield quick
      quick.clear()
    }
    if (records.length > 0) yield records
  }
}

const newline = 10

function quickPlan(plan: Plan): QuickPlan {
  return {
    cells: plan.cells,
    src: plan.srcAddr[0] ?? -1,
    dst: plan.dstAddr[0] ?? -1,
    srcPort: plan.srcport,
    dstPort: plan.dstport,
    protocol: plan.protocol,
    packets: plan.packets,
    bytes: plan.bytes,
    start: plan.start,
    end: plan.end,
    action: plan.action,
    status: plan['log-status'],
    direction: plan.direction,
    observer: plan.observer[0] ?? -1,
  }
}

function planOf(format: VpcLogFormat, columns: readonly string[]): Plan {
  const at = (name: string) => columns.indexOf(name)
  const positions = Object.fromEntries(scalars.map(name => [name, at(name)])) as Record<Scalar, number>
  const present = (names: readonly string[]) => names.map(at).filter(position => position >= 0)
  return {
    ...positions,
    cells: columns.length,
    srcAddr: present(format.srcAddr),
    dstAddr: present(format.dstAddr),
    observer: present(format.observer),
    direction: at(format.direction.column),
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
  return line.includes('  ') ? line.split(/ +/) : line.split(' ')
}

function unquoted(cell: string): string {
  const trimmed = cell.trim()
  return trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"')
    ? trimmed.slice(1, -1)
    : trimmed
}

/** Fields of a JSON row by name. */
export function jsonFields(row: JsonRow): (column: string) => string | null {
  const fields = new Map(
    Object.entries(row).map(([key, cell]) => [key.toLowerCase().replaceAll('_', '-'), cell]),
  )
  return column => {
    const cell: unknown = fields.get(column)
    if (typeof cell === 'number') return String(cell)
    return typeof cell === 'string' && cell !== '-' && cell !== '' ? cell : null
  }
}

function readRow(
  format: VpcLogFormat,
  plan: Plan,
  cells: readonly string[],
  inputName: string,
  notes: Notes,
  into: FlowRecord[],
): void {
  const status = cells[plan['log-status']]
  if (status === 'NODATA') {
    notes.setAside('NODATA: a window without traffic')
    return
  }
  if (status === 'SKIPDATA') {
    notes.lost('SKIPDATA: windows that the cloud did not record', 1)
    return
  }
  const srcAddr = firstAddress(cells, plan.srcAddr)
  const dstAddr = firstAddress(cells, plan.dstAddr)
  const bytes = count(cells[plan.bytes])
  const packets = count(cells[plan.packets])
  const start = seconds(cells[plan.start])
  const end = seconds(cells[plan.end])
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
  const action = cells[plan.action] ?? '-'
  if (action !== 'ACCEPT' && action !== '-') {
    notes.setAside('rejected by a security group or access list: it did not pass', 1, bytes)
    return
  }
  const way = cells[plan.direction]
  into.push({
    srcAddr,
    dstAddr,
    srcPort: port(cells[plan.srcport]),
    dstPort: port(cells[plan.dstport]),
    protocol: port(cells[plan.protocol]) & 0xff,
    packets: packets ?? 0,
    ipBytes: bytes,
    payloadBytes: null,
    original: { bytes, packets: packets ?? 0, basis: 'ip' },
    startUnixMs: start,
    endUnixMs: Math.max(start, end),
    direction: way === format.direction.in ? 'in' : way === format.direction.out ? 'out' : null,
    exporter: observer(cells, plan.observer) ?? inputName,
    sampling: unsampled,
  })
}

function firstAddress(cells: readonly string[], positions: readonly number[]): string | null {
  for (const position of positions) {
    const address = canonicalAddress(cells[position]!)
    if (address !== null) return address
  }
  return null
}

function observer(cells: readonly string[], positions: readonly number[]): string | null {
  for (const position of positions) {
    const name = cells[position]!
    if (name !== '-' && name !== '') return name.slice(0, 64)
  }
  return null
}

/** A whole number of at most 15 digits, by hand: this runs six times for each row. */
function count(text: string | undefined): number | null {
  if (text === undefined || text.length === 0 || text.length > 15) return null
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return null
    value = value * 10 + digit
  }
  return value
}

function port(text: string | undefined): number {
  const value = count(text)
  return value === null || value > 65_535 ? 0 : value
}

/** Seconds, as both clouds write; milliseconds, as some exports of them do, are recognised by their size. */
function seconds(text: string | undefined): number | null {
  const value = count(text)
  if (value === null) return null
  return value > 1e11 ? value : value * 1000
}
