import { plural } from './findings.ts'
import { doubtText, sourceText } from './name-words.ts'
import type { DestinationReport, ServicesReport } from './report-types.ts'
import { humanBytes } from './units.ts'

const maxNames = 3
const maxRows = 20
const maxServers = 5

/** The names of one destination. Texts of lists have no control characters: they were refused when they were read. */
export function nameLines({ names, namesLeftOut }: DestinationReport): string[] {
  const lines = names.slice(0, maxNames).map(row => {
    const listed = [...(row.service === null ? [] : [row.service]), ...row.tags].join(', ')
    const doubt = doubtText(row)
    const how = `${sourceText(row.sources)}${doubt === '' ? '' : `; ${doubt}`}`
    return `      ${row.name}${listed === '' ? '' : ` [${listed}]`}: ${humanBytes(row.bytes)} (${how})`
  })
  const more = names.length - maxNames + namesLeftOut
  if (more > 0) lines.push(`      and ${plural(more, 'other name')}`)
  return lines
}

export function serviceLines(services: ServicesReport): string[] {
  const { byTag, byService, namedBytes, namesForgotten } = services
  const lines = [
    `Names are known for ${humanBytes(namedBytes)} abroad, as clients and name servers claim them.`,
  ]
  const rows = [
    ...byTag.map(row => ({ ...row, title: `tag ${row.tag}` })),
    ...byService.map(row => ({ ...row, title: row.service })),
  ]
  for (const { title, bytes, sharedBytes, unexplained, servers, serverCount } of rows.slice(0, maxRows)) {
    const names = servers.slice(0, maxServers).map(({ server }) => server)
    const more = serverCount > names.length ? ` and ${plural(serverCount - names.length, 'other')}` : ''
    const open = unexplained === 0 ? '' : ` (${humanBytes(unexplained)} unexplained)`
    const other = sharedBytes === 0 ? '' : `; ${humanBytes(sharedBytes)} of it could be of other names`
    lines.push(`  ${title}: ${humanBytes(bytes)}${open} from ${names.join(', ')}${more}${other}`)
  }
  if (rows.length > maxRows)
    lines.push(`  and ${plural(rows.length - maxRows, 'more tag or service', 'more tags and services')}`)
  if (namesForgotten > 0)
    lines.push(`  ${plural(namesForgotten, 'claim')} to a name gave way to newer ones for lack of room`)
  return lines
}
