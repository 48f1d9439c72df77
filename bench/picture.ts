/** A bar chart of targets side by side, as SVG: each workload's bars relative to its best. */
export interface Bars {
  readonly title: string
  readonly note: string
  readonly targets: readonly string[]
  readonly rows: readonly {
    readonly name: string
    readonly values: readonly (number | null)[]
    readonly unit: string
  }[]
}

const colors = ['#0f766e', '#9a3412', '#1e3a8a', '#6b7280']
const left = 250
const width = 900
const bar = 14

export function drawBars({ title, note, targets, rows }: Bars): string {
  const rowHeight = bar * targets.length + 12
  const height = 70 + rows.length * rowHeight + 30
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="24" font-size="16" font-weight="600">${escapeText(title)}</text>`,
  ]
  for (const [i, name] of targets.entries()) {
    out.push(
      `<rect x="${16 + i * 160}" y="38" width="12" height="12" fill="${colors[i % colors.length]}"/>`,
      `<text x="${34 + i * 160}" y="48">${escapeText(name)}</text>`,
    )
  }
  for (const [row, { name, values, unit }] of rows.entries()) {
    const top = 66 + row * rowHeight
    const best = Math.max(...values.map(value => value ?? 0), 1e-9)
    out.push(
      `<text x="${left - 8}" y="${top + (bar * targets.length) / 2 + 4}" text-anchor="end">${escapeText(name)}</text>`,
    )
    for (const [i, value] of values.entries()) {
      const length = ((value ?? 0) / best) * (width - left - 130)
      const y = top + i * bar
      out.push(
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar - 2}" fill="${colors[i % colors.length]}"/>`,
        `<text x="${(left + length + 6).toFixed(1)}" y="${y + bar - 4}">${value === null ? '–' : `${Math.round(value).toLocaleString('en')} ${unit}`}</text>`,
      )
    }
  }
  out.push(`<text x="16" y="${height - 12}" fill="#555">${escapeText(note)}</text>`, '</svg>')
  return `${out.join('\n')}\n`
}

function escapeText(text: string): string {
  return text.replace(/[&<>]/g, c => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;'))
}
