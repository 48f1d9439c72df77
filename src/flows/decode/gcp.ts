import { canonicalAddress } from '../address.ts'
import { type FlowRecord, MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import { type JsonRow, objectAt, readJsonRows } from './json-rows.ts'
import { counterOf, portNumber } from './json-values.ts'
import type { Notes } from './notes.ts'
import { unsampled } from './sampling.ts'
import { textUnixMs } from './timestamps.ts'

const name = 'GCP flow log'

/** The flow of a log entry: within `jsonPayload` as Cloud Logging writes it, or by itself. */
export function gcpPayload(row: JsonRow): JsonRow | null {
  const payload = objectAt(row, 'jsonPayload') ?? row
  const connection = objectAt(payload, 'connection')
  return connection !== null && 'src_ip' in connection ? payload : null
}

/** Google Cloud's VPC flow logs, as JSON lines or as one array. */
export async function* readGcpFlowLog(
  source: ByteSource,
  inputName: string,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  notes.remark(
    'GCP samples packets itself and states the sums that it estimates from them, without the rate; entries that the log’s own sampling or filter left out are missing, and how many nobody says',
  )
  for await (const rows of readJsonRows(source, name, notes)) {
    const records: FlowRecord[] = []
    for (const row of rows) {
      const payload = gcpPayload(row)
      if (payload === null) notes.setAside(`${name}: entry of another log`)
      else readPayload(payload, row, inputName, notes, records)
    }
    yield records
  }
}

function readPayload(
  payload: JsonRow,
  row: JsonRow,
  inputName: string,
  notes: Notes,
  into: FlowRecord[],
): void {
  const connection = objectAt(payload, 'connection')!
  const srcAddr = canonicalAddress(String(connection.src_ip))
  const dstAddr = canonicalAddress(String(connection.dest_ip))
  const bytes = counterOf(payload.bytes_sent)
  const packets = counterOf(payload.packets_sent)
  const end = timeOf(payload.end_time) ?? timeOf(row.timestamp)
  const start = timeOf(payload.start_time) ?? end
  if (srcAddr === null || dstAddr === null || bytes === null || start === null) {
    notes.unread(`${name}: entry without addresses, bytes or times that can be read`)
    return
  }
  if (bytes > MAX_RECORD_BYTES || (packets ?? 0) > MAX_RECORD_BYTES) {
    notes.unread(`${name}: counter too large to be true`)
    return
  }
  if (bytes === 0 && (packets ?? 0) === 0) {
    notes.setAside('record of no bytes')
    return
  }
  const reporter = String(payload.reporter ?? '')
  into.push({
    srcAddr,
    dstAddr,
    srcPort: portNumber(connection.src_port),
    dstPort: portNumber(connection.dest_port),
    protocol: portNumber(connection.protocol) & 0xff,
    packets: packets ?? 0,
    ipBytes: bytes,
    payloadBytes: null,
    original: { bytes, packets: packets ?? 0, basis: 'ip' },
    startUnixMs: start,
    endUnixMs: Math.max(start, end ?? start),
    direction: reporter.startsWith('SRC') ? 'out' : reporter.startsWith('DEST') ? 'in' : null,
    // Both sides may report a flow: they are two observers, and what both saw counts once.
    exporter: `${observerOf(payload, row) ?? inputName}${reporter === '' ? '' : ` ${reporter.slice(0, 16)}`}`,
    sampling: unsampled,
  })
}

/** The project's subnetwork; the machine would be finer, but metadata may be left out of a log. */
function observerOf(payload: JsonRow, row: JsonRow): string | null {
  const resource = objectAt(row, 'resource')
  const labels = resource === null ? null : objectAt(resource, 'labels')
  const subnetwork = labels?.subnetwork_name ?? objectAt(payload, 'src_vpc')?.subnetwork_name
  return typeof subnetwork === 'string' && subnetwork !== '' ? subnetwork.slice(0, 64) : null
}

function timeOf(value: unknown): number | null {
  return typeof value === 'string' ? textUnixMs(value) : null
}
