import { plural } from './findings.ts'
import { type Markup, markup } from './markup.ts'
import { doubtText, sourceText } from './name-words.ts'
import type { DestinationReport, NameReport, ServiceSums, ServicesReport } from './report-types.ts'
import { humanBytes, humanCount } from './units.ts'

const maxRows = 200
const maxMembers = 8
const maxServers = 5

/** By tag, then by service; names are claims, which is said before the first of them. */
export function servicesSection(services: ServicesReport | null, bytesAbroad: number): Markup | null {
  if (services === null) return null
  const { byTag, byService, namedBytes, namesForgotten, namesRefused } = services
  return markup`<section aria-labelledby="services"><h2 id="services">Services</h2>
<p>${humanBytes(namedBytes)} of ${humanBytes(bytesAbroad)} abroad went to addresses whose name is known. A name is what a client or a name server said: it can be false, and explains nothing.</p>
${
  byTag.length === 0
    ? null
    : table(
        'Tag',
        byTag.map(row => ({ ...row, title: row.tag, members: row.services })),
      )
}
${
  byService.length === 0
    ? null
    : table(
        'Service',
        byService.map(row => ({ ...row, title: row.service, members: row.names })),
      )
}
${namesForgotten === 0 ? null : markup`<p class="soft">${plural(namesForgotten, 'claim')} gave way to newer ones for lack of room: some bytes could have had a name.</p>`}
${namesRefused === 0 ? null : markup`<p class="soft">${plural(namesRefused, 'claim')} held no domain name and ${namesRefused === 1 ? 'was' : 'were'} refused.</p>`}
</section>`
}

type Row = ServiceSums & { readonly title: string; readonly members: readonly string[] }

function table(head: string, rows: readonly Row[]): Markup {
  const more = rows.length - maxRows
  return markup`<div class="scroll services"><table><thead><tr><th>${head}</th><th>Servers</th><th class="num">Bytes</th><th class="num">Unexplained</th></tr></thead><tbody>${rows.slice(0, maxRows).map(tableRow)}</tbody></table></div>
${more > 0 ? markup`<p class="soft">${humanCount(more)} more in the JSON report.</p>` : null}`
}

function tableRow(row: Row): Markup {
  const { title, members, servers, serverCount, bytes, sharedBytes, unexplained, disputed } = row
  const shown = members.slice(0, maxMembers).join(', ')
  const names = servers.slice(0, maxServers).map(({ server }) => server)
  const more = serverCount - names.length
  return markup`<tr><td>${title}<small>${shown}${members.length > maxMembers ? ' …' : ''}</small></td>
<td>${names.join(', ')}${more > 0 ? markup`<small>and ${humanCount(more)} more</small>` : null}</td>
<td class="num">${humanBytes(bytes)}${sharedBytes > 0 ? markup`<small>${humanBytes(sharedBytes)} perhaps other</small>` : null}</td><td class="num${unexplained > 0 ? ' bad' : ''}">${unexplained === 0 ? '–' : humanBytes(unexplained)}${disputed > 0 ? markup`<small>${humanBytes(disputed)} in doubt</small>` : null}</td></tr>`
}

/** The names of one destination, within its row. */
export function nameList({ names, namesLeftOut }: DestinationReport): Markup | null {
  if (names.length === 0) return null
  return markup`<small style="margin-top:6px">Names that clients used:</small>${names.map(nameRow)}
${namesLeftOut > 0 ? markup`<small>and ${plural(namesLeftOut, 'other')}</small>` : null}`
}

function nameRow(row: NameReport): Markup {
  const listed = [...(row.service === null ? [] : [row.service]), ...row.tags].join(', ')
  const doubt = doubtText(row)
  return markup`<small><code>${row.name}</code> ${humanBytes(row.bytes)} (${sourceText(row.sources)}${doubt === '' ? '' : `; ${doubt}`})${listed === '' ? '' : `: ${listed}`}</small>`
}
