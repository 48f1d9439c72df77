import { alibabaFlowLog } from './alibaba.ts'
import { awsFlowLog } from './aws.ts'
import type { CsvMapping } from './csv-mapping.ts'
import { gcpPayload } from './gcp.ts'
import { type JsonRow, parseRow } from './json-rows.ts'
import { isNfdumpListing } from './nfdump-text.ts'
import { isEveEvent } from './suricata.ts'
import { isFlowRow, rowCountsBack, tableLayoutOf } from './table.ts'
import { countsBack } from './table-plan.ts'
import { headerOf, jsonFields, splitCells } from './vpc-log.ts'
import { zeekPath } from './zeek.ts'

export type TextFormat =
  | 'aws'
  | 'aws-events'
  | 'alibaba'
  | 'azure'
  | 'gcp'
  | 'zeek'
  | 'zeek-json'
  | 'suricata'
  | 'csv'
  | 'json'
  | 'nfdump'

/** Rows of JSON that are looked at: the first ones of a log can be about something else. */
const rowsTried = 64

/** What a text input is; `null` when it is nothing we read. */
export function sniffText(head: Buffer, mapping: CsvMapping | null): TextFormat | null {
  if (head.subarray(0, 1024).includes(0)) return null
  const text = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart()
  const line = text.split('\n', 1)[0]!.trimEnd()
  if (line === '') return null
  if (text.startsWith('{') || text.startsWith('[')) return jsonFormat(text, mapping)
  if (/^#(?:separator|fields|path)\b/.test(line)) return 'zeek'
  if (isNfdumpListing(line)) return 'nfdump'
  // An explicit mapping comes first: whoever gave it knows the table.
  if (mapping !== null && tableLayoutOf(text, mapping) !== null) return 'csv'
  const layout = tableLayoutOf(text, null)
  // A cloud's log counts one way only: this is a table with names like those, and more to say.
  if (layout?.hasHeader && countsBack(layout.plan) && !/log[-_]status/i.test(line)) return 'csv'
  return vpcLogFormat(line.trim()) ?? (layout === null ? null : 'csv')
}

function vpcLogFormat(line: string): 'aws' | 'alibaba' | null {
  const cells = splitCells(line)
  const header = headerOf(cells)
  if (header?.includes('bytes') && header.includes('start')) {
    return ['eni-id', 'vswitch-id', 'vm-id'].some(name => header.includes(name)) ? 'alibaba' : 'aws'
  }
  const isStatus = (cell: string | undefined) => ['OK', 'NODATA', 'SKIPDATA'].includes(cell ?? '')
  const offset = /^\d{4}-\d\d-\d\dT/.test(cells[0]!) ? 1 : 0
  if (cells.length === awsFlowLog.defaultColumns.length + offset && isStatus(cells.at(-1))) return 'aws'
  return cells.length === alibabaFlowLog.defaultColumns.length && isStatus(cells[17]) ? 'alibaba' : null
}

function jsonFormat(text: string, mapping: CsvMapping | null): TextFormat | null {
  if (/"flow(?:Tuples|Records)"|"(?:NetworkSecurityGroupFlow|FlowLogFlow)Event"/.test(text)) return 'azure'
  const message = /"message"\s*:\s*"([^"\\]{1,2048})"/.exec(text)?.[1]
  if (message !== undefined && /"(?:logE|e)vents"\s*:/.test(text) && vpcLogFormat(message.trim()) === 'aws')
    return 'aws-events'
  for (const row of firstRows(text)) {
    const format = rowFormat(row, mapping)
    if (format !== null) return format
  }
  return null
}

function rowFormat(row: JsonRow, mapping: CsvMapping | null): TextFormat | null {
  if (mapping !== null && isFlowRow(row, mapping)) return 'json'
  if (gcpPayload(row) !== null) return 'gcp'
  if (zeekPath(row) !== null) return 'zeek-json'
  if (isEveEvent(row)) return 'suricata'
  const get = jsonFields(row)
  if ((get('srcaddr') ?? get('pkt-srcaddr')) !== null && get('start') !== null) {
    if (rowCountsBack(row) && get('log-status') === null) return 'json'
    return get('eni-id') !== null || get('vswitch-id') !== null ? 'alibaba' : 'aws'
  }
  return isFlowRow(row, null) ? 'json' : null
}

/** Whole objects at the beginning of a text, one a line or wherever their brackets close. */
function* firstRows(text: string): Generator<JsonRow> {
  let tried = 0
  let depth = 0
  let from = 0
  let inString = false
  for (let at = 0; at < text.length && tried < rowsTried; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at += 1
      else if (char === '"') inString = false
      // A line break within a string is damage: without this one broken line would hide all that follow.
      else if (char === '\n') {
        inString = false
        depth = 0
      }
    } else if (char === '"') inString = true
    else if (char === '{') {
      if (depth === 0) from = at
      depth += 1
    } else if (char === '}' && depth > 0) {
      depth -= 1
      if (depth > 0) continue
      const row = parseRow(text.slice(from, at + 1))
      if (row !== null) yield row
      tried += 1
    }
  }
}
