import { HoldfastError } from '../../core/errors.ts'

export type CsvRow = {
  readonly line: number
  /** The cell, or `null` when it is empty or the table has no such column. */
  readonly get: (column: string) => string | null
}

/** A small table with a header (RFC 4180). `#` starts a comment line. Throws `bad-input` with the line's number. */
export function parseCsvTable(name: string, text: string, required: readonly string[]): CsvRow[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  let header: Map<string, number> | null = null
  const rows: CsvRow[] = []
  for (const [index, raw] of lines.entries()) {
    if (raw.trim() === '' || raw.startsWith('#')) continue
    const line = index + 1
    const cells = splitRow(raw)
    if (typeof cells === 'string') throw new HoldfastError('bad-input', `${name}:${line}: ${cells}`)
    if (header === null) {
      const columns: ReadonlyMap<string, number> = new Map(cells.map((cell, i) => [cell.toLowerCase(), i]))
      header = new Map(columns)
      const missing = required.filter(column => !columns.has(column))
      if (missing.length > 0) {
        throw new HoldfastError('bad-input', `${name}:${line}: its header lacks ${missing.join(' and ')}`)
      }
      continue
    }
    const columns = header
    if (cells.length > columns.size) {
      throw new HoldfastError('bad-input', `${name}:${line}: more cells than the header has columns`)
    }
    rows.push({
      line,
      get(column) {
        const at = columns.get(column)
        const cell = at === undefined ? '' : (cells[at] ?? '')
        return cell === '' ? null : cell
      },
    })
  }
  if (header === null) throw new HoldfastError('bad-input', `${name} is empty: it needs a header`)
  return rows
}

/** The cells, or what is wrong with the quotes. */
function splitRow(line: string): string[] | string {
  const cells: string[] = []
  let at = 0
  for (;;) {
    if (line[at] === '"') {
      let cell = ''
      let from = at + 1
      for (;;) {
        const end = line.indexOf('"', from)
        if (end < 0) return 'a quote is not closed'
        cell += line.slice(from, end)
        at = end + 1
        if (line[at] !== '"') break
        cell += '"'
        from = at + 1
      }
      const comma = line.indexOf(',', at)
      if (line.slice(at, comma < 0 ? line.length : comma).trim() !== '')
        return 'something stands between a closed quote and the comma'
      cells.push(cell.trim())
      if (comma < 0) return cells
      at = comma + 1
    } else {
      const comma = line.indexOf(',', at)
      cells.push(line.slice(at, comma < 0 ? line.length : comma).trim())
      if (comma < 0) return cells
      at = comma + 1
    }
  }
}
