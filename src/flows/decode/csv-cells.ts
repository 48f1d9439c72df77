/** Delimiters that are looked for when nobody says which it is. */
export const delimiters = [',', '\t', ';', '|'] as const

/** The cells of one line (RFC 4180, with any delimiter), trimmed; `null` when a quote is not closed. */
export function csvCells(line: string, delimiter: string): string[] | null {
  if (!line.includes('"')) {
    const plain = line.split(delimiter)
    for (let i = 0; i < plain.length; i++) plain[i] = plain[i]!.trim()
    return plain
  }
  const cells: string[] = []
  let at = 0
  for (;;) {
    while (line[at] === ' ') at += 1
    if (line[at] !== '"') {
      const end = line.indexOf(delimiter, at)
      cells.push(line.slice(at, end < 0 ? line.length : end).trim())
      if (end < 0) return cells
      at = end + 1
      continue
    }
    let cell = ''
    at += 1
    for (;;) {
      const end = line.indexOf('"', at)
      if (end < 0) return null
      cell += line.slice(at, end)
      at = end + 1
      if (line[at] !== '"') break
      cell += '"'
      at += 1
    }
    cells.push(cell.trim())
    const next = line.indexOf(delimiter, at)
    if (next < 0) return cells
    at = next + 1
  }
}
