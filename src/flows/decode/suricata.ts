import { canonicalAddress } from '../address.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { NameSink } from '../names/sighting.ts'
import { readEveNames } from '../names/suricata-names.ts'
import type { ByteSource } from './byte-source.ts'
import { type JsonRow, objectAt, readJsonRows } from './json-rows.ts'
import { counterOf, portNumber, textOf } from './json-values.ts'
import type { Notes } from './notes.ts'
import { protocolNumber } from './protocol-names.ts'
import { unsampled } from './sampling.ts'
import { textUnixMs } from './timestamps.ts'
import { addTwoWay, type WayCounts } from './two-way-record.ts'

const name = 'Suricata eve'

/** Events that say which name a connection was for. */
const nameEvents = new Set(['dns', 'tls', 'http', 'quic'])

export function isEveEvent(row: JsonRow): boolean {
  return typeof row.event_type === 'string' && typeof row.timestamp === 'string' && !('ip_src' in row)
}

/** Suricata's eve.json: the events `flow` (both directions) and `netflow` (one each). */
export async function* readEve(
  source: ByteSource,
  inputName: string,
  notes: Notes,
  names: NameSink | null = null,
): AsyncGenerator<readonly FlowRecord[]> {
  let drops = 0
  for await (const rows of readJsonRows(source, name, notes)) {
    const records: FlowRecord[] = []
    for (const row of rows) {
      const type = typeof row.event_type === 'string' ? row.event_type.slice(0, 32) : 'without a type'
      if (type === 'flow' || type === 'netflow') readFlow(row, type, inputName, notes, records)
      else if (type === 'stats') drops = Math.max(drops, dropsOf(row))
      else {
        notes.setAside(`${name}: ${type} event${nameEvents.has(type) ? ' (names, not traffic)' : ''}`)
        if (names !== null) readEveNames(type, row, names)
      }
    }
    yield records
  }
  if (drops > 0) notes.lost(`${name}: packets that the capturer says it dropped`, drops)
}

function readFlow(
  row: JsonRow,
  type: 'flow' | 'netflow',
  inputName: string,
  notes: Notes,
  into: FlowRecord[],
): void {
  const flow = objectAt(row, type)
  const srcAddr = canonicalAddress(textOf(row.src_ip) ?? '')
  const dstAddr = canonicalAddress(textOf(row.dest_ip) ?? '')
  const start = flow === null ? null : textUnixMs(textOf(flow.start) ?? '')
  if (flow === null || srcAddr === null || dstAddr === null || start === null) {
    notes.unread(`${name}: ${type} without addresses or times that can be read`)
    return
  }
  const there =
    type === 'flow' ? countsOf(flow.bytes_toserver, flow.pkts_toserver) : countsOf(flow.bytes, flow.pkts)
  const back = type === 'flow' ? countsOf(flow.bytes_toclient, flow.pkts_toclient) : null
  if (there === null && back === null) {
    notes.unread(`${name}: ${type} without bytes that can be read`)
    return
  }
  if ('tunnel' in row || 'parent_id' in row) {
    notes.setAside(`${name}: ${type} within a tunnel: the outer one counts`, 1, there?.bytes ?? 0)
    return
  }
  const end = textUnixMs(textOf(flow.end) ?? '') ?? start
  const where = textOf(row.host) ?? textOf(row.in_iface) ?? inputName
  addTwoWay(
    into,
    {
      srcAddr,
      dstAddr,
      srcPort: portNumber(row.src_port),
      dstPort: portNumber(row.dest_port),
      protocol: protocolNumber(textOf(row.proto)),
      startUnixMs: start,
      endUnixMs: Math.max(start, end),
      direction: null,
      // Both kinds of event describe the same packets: as two observers, what both saw counts once.
      exporter: `${where.slice(0, 64)}${type === 'netflow' ? ' netflow' : ''}`,
      sampling: unsampled,
      there,
      back,
    },
    name,
    notes,
  )
}

/** Suricata sums whole frames as captured, link header included. */
function countsOf(bytes: unknown, packets: unknown): WayCounts | null {
  const counted = counterOf(bytes)
  return counted === null ? null : { bytes: counted, packets: counterOf(packets) ?? 0, basis: 'frame' }
}

/** Counted from the sensor's start, so the largest is the one. */
function dropsOf(row: JsonRow): number {
  const stats = objectAt(row, 'stats')
  const capture = stats === null ? null : objectAt(stats, 'capture')
  return counterOf(capture?.kernel_drops) ?? 0
}
