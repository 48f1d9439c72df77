import { canonicalAddress } from '../address.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { NameSink } from '../names/sighting.ts'
import { readZeekNames } from '../names/zeek-names.ts'
import type { ByteSource } from './byte-source.ts'
import { type JsonRow, objectAt, readJsonRows } from './json-rows.ts'
import type { Notes } from './notes.ts'
import { protocolNumber } from './protocol-names.ts'
import { unsampled } from './sampling.ts'
import { readLines } from './text-lines.ts'
import { textUnixMs } from './timestamps.ts'
import { addTwoWay, type WayCounts } from './two-way-record.ts'

const name = 'Zeek conn.log'

/** A cell by its column's name; `null` when it is unset or not there. */
type Cells = (column: string) => string | null

/** Logs that say which name a connection was for. */
const nameLogs = new Set(['dns', 'ssl', 'http', 'quic'])

/** Zeek's own format: a header of `#` lines that name the log, its columns and what stands for nothing. */
export async function* readZeekTsv(
  source: ByteSource,
  inputName: string,
  notes: Notes,
  names: NameSink | null = null,
): AsyncGenerator<readonly FlowRecord[]> {
  let separator = '\t'
  let unset = '-'
  let path = 'conn'
  let columns = new Map<string, number>()
  for await (const lines of readLines(source, notes, 'kept')) {
    const records: FlowRecord[] = []
    for (const line of lines) {
      if (line.startsWith('#')) {
        const [key, ...values] = line.startsWith('#separator') ? line.split(' ') : line.split(separator)
        if (key === '#separator') separator = separatorOf(values[0] ?? '')
        else if (key === '#unset_field') unset = values[0] ?? '-'
        else if (key === '#path') path = (values[0] ?? '').slice(0, 32)
        else if (key === '#fields') columns = new Map(values.map((column, i) => [column, i]))
        continue
      }
      if (path !== 'conn' && (names === null || !nameLogs.has(path))) {
        setAsideLog(path, notes)
        continue
      }
      const cells = line.split(separator)
      if (cells.length !== columns.size) {
        notes.unread(`${name}: row with another number of columns than the header`, line.length)
        continue
      }
      const get: Cells = column => {
        const cell = cells[columns.get(column) ?? -1]
        return cell === undefined || cell === unset ? null : cell
      }
      if (path === 'conn') readConnection(get, inputName, notes, records)
      else {
        setAsideLog(path, notes)
        if (names !== null) readZeekNames(path, get, names)
      }
    }
    yield records
  }
}

/** JSON lines, with names that are dotted (`id.orig_h`) or nested. */
export async function* readZeekJson(
  source: ByteSource,
  inputName: string,
  notes: Notes,
  names: NameSink | null = null,
): AsyncGenerator<readonly FlowRecord[]> {
  for await (const rows of readJsonRows(source, name, notes)) {
    const records: FlowRecord[] = []
    for (const row of rows) {
      const path = zeekPath(row)
      const get: Cells = column => cellOf(row, column)
      if (path === 'conn') readConnection(get, inputName, notes, records)
      else {
        setAsideLog(path ?? 'unknown', notes)
        if (path !== null && names !== null) readZeekNames(path, get, names)
      }
    }
    yield records
  }
}

/** Which log a JSON row is of, by its name if it has one, else by its columns; `null` when it is none of Zeek's. */
export function zeekPath(row: JsonRow): string | null {
  if (typeof row._path === 'string') return row._path.slice(0, 32)
  if (cellOf(row, 'id.orig_h') === null) return null
  if ('conn_state' in row || 'orig_ip_bytes' in row || 'orig_bytes' in row) return 'conn'
  if ('query' in row) return 'dns'
  if ('client_initial_dcid' in row) return 'quic'
  if ('server_name' in row || 'cipher' in row) return 'ssl'
  return 'host' in row && 'method' in row ? 'http' : 'unknown'
}

function cellOf(row: JsonRow, column: string): string | null {
  const value = row[column] ?? (column.startsWith('id.') ? objectAt(row, 'id')?.[column.slice(3)] : undefined)
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) return value.length === 0 ? null : value.join(',')
  return typeof value === 'string' ? value : null
}

function setAsideLog(path: string, notes: Notes): void {
  notes.setAside(`Zeek ${path}.log: ${nameLogs.has(path) ? 'names, not traffic' : 'not about traffic'}`)
}

function readConnection(get: Cells, inputName: string, notes: Notes, into: FlowRecord[]): void {
  const srcAddr = canonicalAddress(get('id.orig_h') ?? '')
  const dstAddr = canonicalAddress(get('id.resp_h') ?? '')
  const startUnixMs = textUnixMs(get('ts') ?? '')
  if (srcAddr === null || dstAddr === null || startUnixMs === null) {
    notes.unread(`${name}: row without addresses or time that can be read`)
    return
  }
  const there = countsOf(get('orig_bytes'), get('orig_pkts'), get('orig_ip_bytes'))
  const back = countsOf(get('resp_bytes'), get('resp_pkts'), get('resp_ip_bytes'))
  const tunnel = get('tunnel_parents')
  if (tunnel !== null && tunnel !== '(empty)' && tunnel !== '') {
    notes.setAside(`${name}: connection within a tunnel`, 1, (there?.bytes ?? 0) + (back?.bytes ?? 0))
    notes.remark(
      'Zeek lists connections within tunnels beside the tunnels: the outer ones count. Of GRE and IP in IP it lists no outer one, so their bytes are among what was set aside',
    )
    return
  }
  if (there === null && back === null) {
    notes.setAside(`${name}: connection whose bytes were not counted`)
    return
  }
  if (there?.basis === 'payload' || back?.basis === 'payload') {
    notes.remark(
      `${name}: without orig_ip_bytes and resp_ip_bytes, sums are estimated from payload and packets`,
    )
  }
  const missed = wholeOf(get('missed_bytes')) ?? 0
  if (missed > 0) notes.lost(`${name}: connections of which packets were missed`, 1)
  const protocol =
    get('ip_proto') === null ? protocolOf(get('proto'), srcAddr) : protocolNumber(get('ip_proto'))
  const durationMs = Math.min(Number(get('duration') ?? 0) * 1000, 1e12)
  // ICMP has types and codes where others have ports.
  const hasPorts = protocol !== 1 && protocol !== 58
  addTwoWay(
    into,
    {
      srcAddr,
      dstAddr,
      srcPort: hasPorts ? portOf(get('id.orig_p')) : 0,
      dstPort: hasPorts ? portOf(get('id.resp_p')) : 0,
      protocol,
      startUnixMs,
      endUnixMs: startUnixMs + (durationMs >= 0 ? Math.floor(durationMs) : 0),
      direction: null,
      exporter: (get('_system_name') ?? inputName).slice(0, 64),
      sampling: unsampled,
      there,
      back,
    },
    name,
    notes,
  )
}

/** The IP bytes are counted packet by packet; the payload comes from TCP's numbers, which can be wrong. */
function countsOf(payload: string | null, packets: string | null, ip: string | null): WayCounts | null {
  const ipBytes = wholeOf(ip)
  if (ipBytes !== null) return { bytes: ipBytes, packets: wholeOf(packets) ?? 0, basis: 'ip' }
  const bytes = wholeOf(payload)
  return bytes === null ? null : { bytes, packets: wholeOf(packets) ?? 0, basis: 'payload' }
}

function protocolOf(proto: string | null, address: string): number {
  const number = protocolNumber(proto)
  return number === 1 && address.includes(':') ? 58 : number
}

function wholeOf(text: string | null): number | null {
  return text !== null && /^\d{1,16}$/.test(text) ? Number(text) : null
}

function portOf(text: string | null): number {
  const value = wholeOf(text) ?? 0
  return value > 65_535 ? 0 : value
}

/** `\x09` is a tab. */
function separatorOf(text: string): string {
  const match = /^\\x([0-9a-fA-F]{2})$/.exec(text)
  return match === null ? text || '\t' : String.fromCharCode(Number.parseInt(match[1]!, 16))
}
