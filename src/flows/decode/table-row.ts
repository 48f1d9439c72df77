import { canonicalAddress } from '../address.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { CsvMapping } from './csv-mapping.ts'
import type { MomentFlows } from './moment-flows.ts'
import type { Notes } from './notes.ts'
import { protocolNumber } from './protocol-names.ts'
import { unsampled } from './sampling.ts'
import type { TableField } from './table-fields.ts'
import type { TablePlan } from './table-plan.ts'
import { numberUnixMs, textUnixMs } from './timestamps.ts'
import { addTwoWay, type WayCounts } from './two-way-record.ts'

/** No flow was recorded before; seconds since a capture's start look like dates of 1970. */
export const earliestUnixMs = Date.UTC(1990, 0, 1)

/** What a reader of the report must know of rows such as these, here and in Parquet. */
export const countsBoth =
  'the table counts both directions in one number: all of it is taken as sent by the source'

export const beforeEarliest = 'the table has dates before 1990: are its times relative, or in another unit?'
export const datedByMoment = 'rows are dated by one moment: those of one connection are summed'

const nothing = new Set(['', '-', 'null', 'none', 'n/a', 'nan'])

/** One row of a table of flows, by the plan that its header gave. Rows that are dated by one moment go to `moments`. */
export function readTableRow(
  cells: readonly string[],
  plan: TablePlan,
  mapping: CsvMapping | null,
  inputName: string,
  notes: Notes,
  into: FlowRecord[],
  moments: MomentFlows,
): void {
  const get = (field: TableField): string | null => {
    for (const position of plan.at[field]) {
      const cell = cells[position]
      if (cell !== undefined && !nothing.has(cell.toLowerCase())) return cell
    }
    return null
  }
  const srcAddr = addressOf(cells, plan.at.srcAddr)
  const dstAddr = addressOf(cells, plan.at.dstAddr)
  const there = countsThere(get, plan)
  const back = countsBack(get, plan, there)
  const unit = mapping?.time ?? 'auto'
  const durationMs = durationOf(get('duration'), mapping?.durationUnit ?? 's')
  // A zero beside a time of the other kind is one that nobody knew.
  const statedEnd = timeOf(get('end'), unit) || null
  const startOrZero = timeOf(get('start'), unit)
  const statedStart = startOrZero === 0 && statedEnd !== null ? null : startOrZero
  const start = statedStart ?? (statedEnd === null ? null : statedEnd - (durationMs ?? 0))
  if (srcAddr === null || dstAddr === null || (there === null && back === null) || start === null) {
    notes.unread('table: row without addresses, bytes or times that can be read')
    return
  }
  const isMoment = durationMs === null && (statedEnd === null || statedStart === null)
  if (isMoment) notes.remark(datedByMoment)
  if (start < earliestUnixMs) {
    notes.remark(beforeEarliest)
  }
  if (there?.isBoth === true) {
    notes.remark(countsBoth)
  }
  const rate = countOf(get('samplingRate')) ?? mapping?.samplingRate ?? 0
  const rows = isMoment ? [] : into
  addTwoWay(
    rows,
    {
      srcAddr,
      dstAddr,
      srcPort: portOf(get('srcPort')),
      dstPort: portOf(get('dstPort')),
      protocol: protocolNumber(get('protocol')),
      startUnixMs: start,
      endUnixMs: Math.max(start, statedEnd ?? start + (durationMs ?? 0)),
      direction: directionOf(get('direction')),
      exporter: exporterOf(get('exporter')) ?? inputName,
      sampling: rate > 1 && rate <= 2 ** 32 ? { rate, from: 'record' } : unsampled,
      there: there === null ? null : { bytes: there.bytes, packets: there.packets, basis: there.basis },
      back,
    },
    'table',
    notes,
  )
  if (isMoment) for (const record of rows) moments.add(record)
}

type Get = (field: TableField) => string | null

function countsThere(get: Get, plan: TablePlan): (WayCounts & { readonly isBoth: boolean }) | null {
  const { basis } = plan
  const bytes = countOf(get('bytes'))
  if (bytes !== null) {
    return { bytes, packets: countOf(get('packets')) ?? (plan.rowIsPacket ? 1 : 0), basis, isBoth: false }
  }
  const both = plan.at.bytes.length > 0 ? null : countOf(get('bothBytes'))
  if (both === null) return null
  return {
    bytes: both,
    packets: countOf(get('bothPackets')) ?? countOf(get('packets')) ?? 0,
    basis,
    isBoth: true,
  }
}

/** What came back, by its own column or as what the sum of both leaves. */
function countsBack(get: Get, plan: TablePlan, there: WayCounts | null): WayCounts | null {
  const { basis } = plan
  const bytes = countOf(get('backBytes'))
  const packets = countOf(get('backPackets')) ?? 0
  if (bytes !== null) return { bytes, packets, basis }
  const both = plan.at.backBytes.length > 0 ? null : countOf(get('bothBytes'))
  if (both === null || there === null || both <= there.bytes) return null
  const bothPackets = countOf(get('bothPackets')) ?? there.packets
  return { bytes: both - there.bytes, packets: Math.max(packets, bothPackets - there.packets), basis }
}

function addressOf(cells: readonly string[], positions: readonly number[]): string | null {
  for (const position of positions) {
    const address = canonicalAddress(cells[position] ?? '')
    // Tools write zeros in the column of the family that a flow is not of.
    if (address !== null && (positions.length === 1 || (address !== '0.0.0.0' && address !== '::')))
      return address
  }
  return null
}

const units: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 }

/** A whole number, with the separators and the letters (1.2 M) that tools print for people. */
export function countOf(text: string | null): number | null {
  if (text === null) return null
  const plain = plainCount(text)
  if (plain >= 0) return plain
  const match = /^(\d{1,16}|\d{1,3}(?:,\d{3})+)(?:\.(\d{1,6}))?\s?([kKmMgGtT])?$/.exec(text)
  if (match === null) return null
  const whole = Number(match[1]!.replaceAll(',', ''))
  const fraction = Number(`0.${match[2] ?? '0'}`)
  const value = Math.round((whole + fraction) * (units[match[3]?.toLowerCase() ?? ''] ?? 1))
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY
}

/** Digits alone, as nearly all are; -1 for everything else. */
function plainCount(text: string): number {
  if (text.length === 0 || text.length > 15) return -1
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

function timeOf(text: string | null, unit: CsvMapping['time']): number | null {
  return text === null ? null : textUnixMs(text, unit)
}

/** Seconds or another unit, or hours, minutes and seconds with colons. */
export function durationOf(text: string | null, unit: CsvMapping['durationUnit']): number | null {
  if (text === null) return null
  if (/^\d+(?:\.\d+)?$/.test(text)) return numberUnixMs(Number(text), unit)
  const match = /^(?:(\d+) days? )?(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text)
  if (match === null) return null
  const hours = Number(match[1] ?? 0) * 24 + Number(match[2])
  return Math.floor((hours * 3600 + Number(match[3]) * 60 + Number(match[4])) * 1000)
}

const ins = new Set(['in', 'i', 'ingress', 'inbound', '0'])
const outs = new Set(['out', 'o', 'egress', 'outbound', '1'])

function directionOf(text: string | null): FlowRecord['direction'] {
  const word = text?.toLowerCase() ?? ''
  return ins.has(word) ? 'in' : outs.has(word) ? 'out' : null
}

function exporterOf(text: string | null): string | null {
  return text === null || text === '0.0.0.0' || text === '::' ? null : text.slice(0, 64)
}

/** tshark prints the ports of a tunnel's packets with commas between; the outer one is first. */
function portOf(text: string | null): number {
  const value = text !== null && /^\d{1,5}(?:,|\.0+$|$)/.test(text) ? Number.parseInt(text, 10) : 0
  return value > 65_535 ? 0 : value
}
