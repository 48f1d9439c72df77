import type { AuditReport, DestinationReport, ServerReport } from './report-types.ts'

/** A row for each server and destination, and one for each server that sent nothing abroad. */
const columns: readonly (readonly [
  name: string,
  cell: (server: ServerReport, to: DestinationReport | null) => string | number | boolean | null,
])[] = [
  ['server', ({ server }) => server],
  ['server_country', ({ country }) => country],
  ['innocent', ({ innocence }) => innocence.isInnocent],
  ['country', (_, to) => to?.country ?? null],
  ['candidates', (_, to) => to?.candidates.join(' ') ?? null],
  ['asn', (_, to) => to?.asn ?? null],
  ['as_name', (_, to) => to?.asName ?? null],
  ['bytes', (_, to) => to?.bytes ?? 0],
  ['instructed', (_, to) => to?.instructed ?? 0],
  ['claimed', (_, to) => to?.claimed ?? 0],
  ['unexplained', (_, to) => to?.unexplained ?? 0],
  ['disputed', (_, to) => to?.disputed ?? 0],
  ['overhead', (_, to) => to?.overhead ?? 0],
  ['connections', (_, to) => to?.connections ?? 0],
  ['addresses', (_, to) => to?.addressCount ?? 0],
  ['largest_address', (_, to) => to?.addresses[0]?.address ?? null],
  ['from', (_, to) => to?.from ?? null],
  ['until', (_, to) => to?.until ?? null],
  ['names', (_, to) => joined(to?.names.map(({ name }) => name))],
  ['name_sources', (_, to) => joined(to?.names.flatMap(({ sources }) => sources))],
  [
    'services',
    (_, to) =>
      joined(
        to?.names.flatMap(({ service }) => service ?? []),
        '; ',
      ),
  ],
  [
    'tags',
    (_, to) =>
      joined(
        to?.names.flatMap(({ tags }) => tags),
        '; ',
      ),
  ],
]

/** Each once, in order; `null` for none. */
function joined(texts: readonly string[] | undefined, between = ' '): string | null {
  return texts === undefined || texts.length === 0 ? null : [...new Set(texts)].join(between)
}

/** RFC 4180. IP bytes; the four grades of a row add up to its bytes. */
export function csvReport(report: AuditReport): string {
  const lines = [columns.map(([name]) => name).join(',')]
  for (const server of report.servers) {
    const rows = server.destinations.length === 0 ? [null] : server.destinations
    for (const to of rows) lines.push(columns.map(([, cell]) => printed(cell(server, to))).join(','))
  }
  return `${lines.join('\r\n')}\r\n`
}

/** A name that begins as a formula does would be one where the file is opened: it gets an apostrophe before it. */
function printed(value: string | number | boolean | null): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
