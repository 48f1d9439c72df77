import { plain } from '../../core/plain-text.ts'
import type { Comparison } from './compare.ts'
import { plural } from './findings.ts'
import type { AuditReport, ServerReport } from './report-types.ts'
import { nameLines, serviceLines } from './terminal-services.ts'
import { humanBytes, humanCount, placeName } from './units.ts'

const maxDestinations = 5

/** The report as text. Names come from files that others wrote, so control characters are taken out. */
export function terminalReport(report: AuditReport, color: boolean): string {
  const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
  const verdictColor = { unexplained: 31, 'in-doubt': 33, 'accounted-for': 32, 'nothing-abroad': 32 }
  const lines = [paint(1, paint(verdictColor[report.verdict.state], plain(report.verdict.text))), '']
  const sending = report.servers.filter(({ bytesAbroad }) => bytesAbroad > 0)
  const isNamed = (row: ServerReport) => !row.innocence.isInnocent || row.instructed + row.claimed > 0
  const rows = sending.filter(isNamed)
  if (rows.length > 0) {
    lines.push(...table(rows).map((line, i) => (i === 0 ? paint(1, line) : line)), '')
    for (const server of rows) lines.push(...details(server, paint), '')
  }
  const innocent = sending.length - rows.length
  if (innocent > 0) {
    const bytes = sending.reduce((sum, row) => sum + (isNamed(row) ? 0 : row.bytesAbroad), 0)
    const of = `${humanBytes(bytes)} abroad in all`
    lines.push(`${plural(innocent, 'server')} sent no more than any server does: ${of}.`, '')
  }
  if (report.services !== null) lines.push(...serviceLines(report.services).map(plain), '')
  if (report.comparison !== null) lines.push(...comparisonLines(report.comparison), '')
  lines.push(...coverageLines(report))
  return `${lines.join('\n')}\n`
}

function table(servers: readonly ServerReport[]): string[] {
  const head = ['server', 'in', 'abroad', 'instructed', 'claimed', 'unexplained', 'disputed']
  const cells = servers.map(row => [
    plain(row.server).slice(0, 40),
    row.country,
    humanBytes(row.bytesAbroad),
    humanBytes(row.instructed),
    humanBytes(row.claimed),
    humanBytes(row.unexplained),
    humanBytes(row.disputed),
  ])
  const widths = head.map((name, i) => Math.max(name.length, ...cells.map(row => row[i]!.length)))
  return [head, ...cells].map(row =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

function details(server: ServerReport, paint: (code: number, text: string) => string): string[] {
  const lines = [paint(1, `${plain(server.server)} (${server.country})`)]
  for (const destination of server.destinations.slice(0, maxDestinations)) {
    const as =
      destination.asn === null ? '' : `, AS${destination.asn} ${plain(destination.asName ?? '')}`.trimEnd()
    const name = placeName(destination.country, destination.candidates)
    const open = destination.unexplained + destination.disputed
    const grade =
      open === 0 ? '' : ` (${humanBytes(open)} ${destination.disputed > 0 ? 'in doubt' : 'unexplained'})`
    lines.push(`  → ${name}${as}: ${humanBytes(destination.bytes)}${grade}`)
    lines.push(...nameLines(destination).map(plain))
  }
  const more = server.destinations.length - maxDestinations
  if (more > 0) lines.push(`  → ${plural(more, 'other destination')}`)
  for (const { severity, title, detail } of server.findings) {
    const mark = { high: paint(31, '!!'), medium: paint(33, ' !'), low: ' ·', info: ' ·' }[severity]
    lines.push(`  ${mark} ${plain(title)}. ${plain(detail)}`)
  }
  return lines
}

const maxChanges = 20

function comparisonLines({ earlier, averaged, servers, newDestinations }: Comparison): string[] {
  const a = averaged ? ' a day' : ''
  const lines = [plain(`Since ${earlier.from ?? 'then'} to ${earlier.until ?? 'then'}:`)]
  const words = { new: 'began to send', gone: 'stopped', more: 'sends more', less: 'sends less' }
  for (const { server, kind, abroad } of servers.slice(0, maxChanges))
    lines.push(
      `  ${plain(server)} ${words[kind]}: ${humanBytes(abroad.now)}${a} abroad, ${humanBytes(abroad.before)}${a} before`,
    )
  if (servers.length > maxChanges) lines.push(`  and ${plural(servers.length - maxChanges, 'more server')}`)
  for (const { country, asn, servers: count, bytes } of newDestinations.slice(0, maxChanges))
    lines.push(
      `  new: ${placeName(country, [])}${asn === null ? '' : `, AS${asn}`}: ${humanBytes(bytes)} from ${plural(count, 'server')}`,
    )
  if (lines.length === 1) lines.push('  no change worth a line')
  return lines
}

function coverageLines({ coverage, inputs, databases }: AuditReport): string[] {
  const span = coverage.from === null ? 'no time' : `${coverage.from} to ${coverage.until}`
  const lines = [
    `${plural(coverage.records, 'flow record')} in ${plural(inputs.flows.length, 'input')}, ${span}.`,
  ]
  for (const { input, reason, count } of coverage.lost) {
    lines.push(`  lost: ${plain(input)}: ${humanCount(count)} × ${plain(reason)}`)
  }
  for (const { input, reason, count, bytes } of coverage.unread) {
    lines.push(`  not read: ${plain(input)}: ${humanCount(count)} × ${plain(reason)} (${humanBytes(bytes)})`)
  }
  for (const { input, reason, count } of coverage.setAside) {
    lines.push(`  set aside: ${plain(input)}: ${humanCount(count)} × ${plain(reason)}`)
  }
  if (coverage.repeatedRecords > 0)
    lines.push(
      `  ${plural(coverage.repeatedRecords, 'record')} came twice, to the last number, and count once`,
    )
  for (const { input, remark } of coverage.remarks) lines.push(`  note: ${plain(input)}: ${plain(remark)}`)
  if (coverage.canaries !== null) {
    const { made, seen, missed } = coverage.canaries
    lines.push(`  reads made on purpose: ${seen} of ${made} are in these records`)
    for (const { time, server, client, bytes, seenBytes } of missed.slice(0, maxChanges))
      lines.push(
        `    not seen: ${time}, ${server} to ${client}: ${humanBytes(seenBytes)} of ${humanBytes(bytes)}`,
      )
  }
  for (const { region, bytes } of coverage.enteredNotSeen) {
    lines.push(`  entered by ${plain(region)} and not in these records: ${humanBytes(bytes)} of payload`)
  }
  if (coverage.outsideInventory.records > 0) {
    const { records, ipBytes } = coverage.outsideInventory
    lines.push(`  from sources outside the inventory: ${plural(records, 'record')}, ${humanBytes(ipBytes)}`)
  }
  if (coverage.toUnplacedPrivate.ipBytes > 0) {
    const { ipBytes, servers } = coverage.toUnplacedPrivate
    const most = servers
      .map(({ server, ipBytes: bytes }) => `${plain(server)} ${humanBytes(bytes)}`)
      .join(', ')
    lines.push(
      `  to private and other local addresses that nobody places: ${humanBytes(ipBytes)} (most: ${most})`,
    )
  }
  for (const { name, region, time, isSame } of inputs.entered) {
    const what = isSame ? 'is as it was entered' : 'IS NOT the file of this name that was entered'
    lines.push(`  ${plain(name)} ${what} in ${plain(region)} on ${plain(time)}`)
  }
  if (coverage.silentServers.length > 0) {
    lines.push(`  no record of: ${coverage.silentServers.slice(0, 20).map(plain).join(', ')}`)
  }
  const used = databases.filter(({ sha256 }) => Object.keys(sha256).length > 0)
  if (used.length > 0)
    lines.push(`Places by ${used.map(({ name, date }) => `${name} of ${date}`).join(', ')}.`)
  return lines
}
