import { canonicalAddress } from '../address.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import type { Notes } from './notes.ts'
import { protocolNumber } from './protocol-names.ts'
import { unsampled } from './sampling.ts'
import { countOf, durationOf } from './table-row.ts'
import { readLines } from './text-lines.ts'
import { textUnixMs } from './timestamps.ts'
import { addTwoWay, type WayCounts } from './two-way-record.ts'

const name = 'nfdump listing'

export function isNfdumpListing(line: string): boolean {
  return /^Date first seen\s+Duration\s+Proto\s+Src IP Addr:Port\s+Dst IP Addr:Port/.test(line)
}

const row =
  /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\s+([\d:.]+)\s+(\S+)\s+(\S+)\s+(?:<->|->|<-)\s+(\S+)\s+(\S.*)$/

/** `10.0.0.1:443`, and `2001:db8::1.443`, where the port stands behind a dot. */
const end = /^(?:(\d+\.\d+\.\d+\.\d+):|([0-9a-fA-F:]+)\.)(\d+(?:\.\d+)?)$/

/** What `nfdump -o line`, `long`, `extended` and `biline` print: for people, so large numbers are rounded. */
export async function* readNfdumpListing(
  source: ByteSource,
  inputName: string,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  let columns: string[] = []
  notes.remark('nfdump prints times without a zone, read as UTC, and rounds large numbers; its CSV is exact')
  for await (const lines of readLines(source, notes)) {
    const records: FlowRecord[] = []
    for (const line of lines) {
      if (isNfdumpListing(line)) columns = columnsOf(line)
      else if (/^(?:Summary|Time window|Total flows|Sys|Ident):/.test(line))
        notes.setAside(`${name}: summary line`)
      else readRow(line, columns, inputName, notes, records)
    }
    yield records
  }
}

/** The columns behind the addresses, such as `Out Pkt`, two spaces or more apart or known by their words. */
function columnsOf(header: string): string[] {
  const tail = header.slice(header.indexOf('Dst IP Addr:Port') + 'Dst IP Addr:Port'.length)
  return tail.match(/(?:Out|In) (?:Pkt|Byte)|\S+/g) ?? []
}

function readRow(
  line: string,
  columns: readonly string[],
  inputName: string,
  notes: Notes,
  into: FlowRecord[],
): void {
  const match = row.exec(line)
  const [, first, duration, proto, from, to, tail] = match ?? []
  const [, src4, src6, srcPort] = end.exec(from ?? '') ?? []
  const [, dst4, dst6, dstPort] = end.exec(to ?? '') ?? []
  const cells = (tail ?? '').trim().match(/\d+(?:\.\d+)? [KMGT]\b|\S+/g) ?? []
  const srcAddr = canonicalAddress(src4 ?? src6 ?? '')
  const dstAddr = canonicalAddress(dst4 ?? dst6 ?? '')
  const startUnixMs = textUnixMs(first ?? '')
  const get = (column: string) => countOf(cells[columns.indexOf(column)] ?? null)
  const there = ways(get('Bytes') ?? get('In Byte'), get('Packets') ?? get('In Pkt'))
  if (
    srcAddr === null ||
    dstAddr === null ||
    startUnixMs === null ||
    there === null ||
    cells.length !== columns.length
  ) {
    notes.unread(`${name}: line that is no flow, or whose addresses were shortened`, line.length)
    return
  }
  addTwoWay(
    into,
    {
      srcAddr,
      dstAddr,
      srcPort: portOf(srcPort),
      dstPort: portOf(dstPort),
      protocol: protocolNumber(proto),
      startUnixMs,
      endUnixMs: startUnixMs + (durationOf(duration ?? null, 's') ?? 0),
      direction: null,
      exporter: inputName,
      sampling: unsampled,
      there,
      back: ways(get('Out Byte'), get('Out Pkt')),
    },
    name,
    notes,
  )
}

function ways(bytes: number | null, packets: number | null): WayCounts | null {
  return bytes === null ? null : { bytes, packets: packets ?? 0, basis: 'ip' }
}

/** ICMP stands as type.code in the place of a port. */
function portOf(text: string | undefined): number {
  const value = text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : 0
  return value > 65_535 ? 0 : value
}
