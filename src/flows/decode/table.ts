import { HoldfastError } from '../../core/errors.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import { csvCells, delimiters } from './csv-cells.ts'
import type { CsvMapping } from './csv-mapping.ts'
import { type JsonRow, readJsonRows } from './json-rows.ts'
import { MomentFlows } from './moment-flows.ts'
import type { Notes } from './notes.ts'
import { countsBack, planTable, type TablePlan } from './table-plan.ts'
import { readTableRow } from './table-row.ts'
import { readLines } from './text-lines.ts'

export type TableLayout = {
  readonly plan: TablePlan
  readonly delimiter: string
  readonly hasHeader: boolean
}

/** A line of more cells is no header: names are looked for in each. */
const maxCells = 1000
const mostComments = 50

/** How a table is laid out, from its first line; `null` when that names no flows. */
function tableLayout(firstLine: string, mapping: CsvMapping | null): TableLayout | null {
  const tried = mapping?.delimiter == null ? delimiters : [mapping.delimiter]
  for (const delimiter of tried) {
    const cells = csvCells(headerText(firstLine), delimiter)
    if (cells === null || cells.length > maxCells || (cells.length < 4 && mapping?.header == null)) continue
    const header = mapping?.header ?? cells
    const plan = planTable(header, mapping)
    if (plan !== null && (mapping?.header == null || cells.length === header.length)) {
      return { plan, delimiter, hasHeader: mapping?.header == null }
    }
  }
  return null
}

/** The layout of a table that may begin with lines of comment. */
export function tableLayoutOf(text: string, mapping: CsvMapping | null): TableLayout | null {
  for (const line of text.split('\n', mostComments)) {
    const trimmed = line.endsWith('\r') ? line.slice(0, -1) : line
    const layout = tableLayout(trimmed, mapping)
    if (layout !== null) return layout
    if (trimmed.trim() !== '' && !trimmed.startsWith('#')) return null
  }
  return null
}

/** A header may stand behind a comment sign. */
function headerText(line: string): string {
  return line.replace(/^\uFEFF/, '').replace(/^#\s*/, '')
}

/** A table with a delimiter, by its own column names or by a mapping. */
export async function* readTable(
  source: ByteSource,
  inputName: string,
  mapping: CsvMapping | null,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  remarkMapping(mapping, notes)
  const moments = new MomentFlows()
  let layout: TableLayout | null = null
  let header: string | null = null
  let hasEnded = false
  for await (const lines of readLines(source, notes, 'kept')) {
    const records: FlowRecord[] = []
    for (const line of lines) {
      if (layout === null) {
        layout = tableLayout(line, mapping)
        if (layout === null && line.startsWith('#')) {
          notes.setAside('table: line that is no row')
          continue
        }
        if (layout === null) throw noLayout(inputName, mapping)
        if (layout.hasHeader) {
          header = line
          continue
        }
      }
      if (hasEnded || line.startsWith('#')) {
        notes.setAside('table: line that is no row')
        continue
      }
      // What nfdump writes under its rows.
      if (line === 'Summary') {
        hasEnded = true
        continue
      }
      const cells = csvCells(line, layout.delimiter)
      if (cells === null || cells.length !== layout.plan.cells) {
        // Files that were put end to end repeat their header.
        const again: TableLayout | null = layout.hasHeader ? tableLayout(line, mapping) : null
        if (again === null)
          notes.unread('table: row with another number of cells than the header', line.length)
        else {
          layout = again
          header = line
        }
        continue
      }
      if (line === header) continue
      readTableRow(cells, layout.plan, mapping, inputName, notes, records, moments)
    }
    yield [...records, ...moments.takeDone()]
  }
  yield moments.endAll()
}

function remarkMapping(mapping: CsvMapping | null, notes: Notes): void {
  if (mapping !== null) notes.remark(`the columns are those of the mapping with SHA-256 ${mapping.sha256}`)
}

function noLayout(inputName: string, mapping: CsvMapping | null): HoldfastError {
  const why = mapping === null ? 'names no flows' : 'lacks columns that the mapping names'
  return new HoldfastError('bad-input', `${inputName}: its first line ${why}`)
}

/** Rows in JSON with the same names; names within objects are joined, as in `source.ip`. */
export async function* readJsonTable(
  source: ByteSource,
  inputName: string,
  mapping: CsvMapping | null,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  remarkMapping(mapping, notes)
  const moments = new MomentFlows()
  const plans = new Map<string, TablePlan | null>()
  for await (const rows of readJsonRows(source, 'JSON', notes)) {
    const records: FlowRecord[] = []
    for (const row of rows) {
      const { names, cells } = flattened(row)
      const key = names.join('\n')
      let plan = plans.get(key)
      if (plan === undefined) {
        plan = planTable(names, mapping)
        if (plans.size < 256) plans.set(key, plan)
      }
      if (plan === null) notes.unread('JSON: row that names no flow')
      else readTableRow(cells, plan, mapping, inputName, notes, records, moments)
    }
    yield [...records, ...moments.takeDone()]
  }
  yield moments.endAll()
}

/** Does this row name what a flow needs? */
export function isFlowRow(row: JsonRow, mapping: CsvMapping | null): boolean {
  return planTable(flattened(row).names, mapping) !== null
}

/** Does this row name what came back, too? */
export function rowCountsBack(row: JsonRow): boolean {
  const plan = planTable(flattened(row).names, null)
  return plan !== null && countsBack(plan)
}

function flattened(row: JsonRow): { names: string[]; cells: string[] } {
  const names: string[] = []
  const cells: string[] = []
  const add = (value: unknown, name: string, depth: number): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      if (depth < 4) {
        for (const [key, inner] of Object.entries(value))
          add(inner, name === '' ? key : `${name}.${key}`, depth + 1)
      }
      return
    }
    names.push(name)
    cells.push(typeof value === 'string' || typeof value === 'number' ? String(value) : '')
  }
  add(row, '', 0)
  return { names, cells }
}
