import { plural } from './findings.ts'
import { capital, gradeBar } from './html-parts.ts'
import { nameList } from './html-services.ts'
import { type Markup, markup, trusted } from './markup.ts'
import type { DestinationReport, ServerReport } from './report-types.ts'
import { countryName, humanBytes, humanCount, placeName } from './units.ts'

const maxOpen = 3
const maxServers = 500
const maxDestinations = 50

/**
 * The servers that sent abroad more than any server does, the worst first; each opens to its findings and destinations.
 * Those that are innocent follow, in few words.
 */
export function serverSection(servers: readonly ServerReport[]): Markup {
  const isNamed = (row: ServerReport) => !row.innocence.isInnocent || row.instructed + row.claimed > 0
  const named = servers.filter(isNamed)
  const innocent = servers.filter(row => !isNamed(row) && row.bytesAbroad > 0)
  const quiet = servers.filter(row => !isNamed(row) && row.bytesAbroad === 0)
  const rest = named.length - maxServers
  return markup`<section aria-labelledby="servers"><h2 id="servers">Servers</h2>
${named.slice(0, maxServers).map((server, i) => serverCard(server, i < maxOpen && server.unexplained + server.disputed > 0))}
${rest > 0 ? markup`<p class="soft">${plural(rest, 'more server')} in the JSON report.</p>` : null}
${innocent.length === 0 ? null : innocents(innocent)}
${quiet.length === 0 ? null : markup`<p class="soft">Nothing abroad: ${namesOf(quiet)}.</p>`}
</section>`
}

function innocents(servers: readonly ServerReport[]): Markup {
  const bytes = servers.reduce((sum, row) => sum + row.bytesAbroad, 0)
  return markup`<details class="more"><summary>${plural(servers.length, 'server')} sent no more than any server does, ${humanBytes(bytes)} in all</summary>
<p class="soft">By the threshold that stands under Method: ${namesOf(servers)}.</p></details>`
}

function namesOf(servers: readonly ServerReport[]): string {
  const names = servers.slice(0, 100).map(({ server }) => server)
  return `${names.join(', ')}${servers.length > 100 ? ' …' : ''}`
}

function serverCard(server: ServerReport, isOpen: boolean): Markup {
  const { bytesAbroad, findings, destinations, innocence } = server
  return markup`<details class="card server"${isOpen ? markup` open` : null}>
<summary><span class="name">${server.server}<small>${countryName(server.country)}</small></span>${sparkline(server)}${gradeBar(server)}<span class="num">${humanBytes(bytesAbroad)}</span></summary>
<div class="inside">
${findings.map(
  finding =>
    markup`<div class="finding"><span class="${finding.severity}">${capital(finding.severity)}</span><p>${finding.title}</p><p>${finding.detail}</p></div>`,
)}
${couldBe(server)}
${innocence.isInnocent ? null : markup`<p class="soft" style="margin-top:14px">Not innocent by the stated threshold: ${innocence.reasons.slice(0, 2).join('; ')}${innocence.reasons.length > 2 ? `; and ${innocence.reasons.length - 2} more` : ''}.</p>`}
<h3>Destinations</h3>
<div class="scroll"><table><thead><tr><th>Country and network</th><th class="num">Bytes</th><th class="num">Unexplained</th><th class="num">Claimed</th><th class="num">Instructed</th></tr></thead>
<tbody>${destinations.slice(0, maxDestinations).map(destinationRow)}</tbody></table></div>
<p class="soft" style="margin-top:12px">${plural(server.connections, 'connection')} abroad. At home: ${humanBytes(server.bytesDomestic)}. Within instructed and claimed, ${humanBytes(server.overhead)} are headers, acknowledgements and retransmission.</p>
${server.remarks.map(remark => markup`<p class="soft">${remark}</p>`)}
</div></details>`
}

const sparkHeight = 22
const sparkStep = 2

/** Bytes abroad over the period; what nothing explains is drawn over it. */
function sparkline({ activity }: ServerReport): Markup {
  const { abroad, open, hoursEach } = activity
  const most = Math.max(1, ...abroad)
  const width = abroad.length * sparkStep
  const path = (values: readonly number[]) =>
    values
      .map((value, i) => {
        const height = value === 0 ? 0 : Math.max(1.2, (value / most) * sparkHeight)
        return height === 0
          ? ''
          : `M${i * sparkStep} ${sparkHeight}v-${height.toFixed(1)}h${sparkStep - 0.5}v${height.toFixed(1)}z`
      })
      .join('')
  const peak = abroad.indexOf(most)
  const label = `Bytes abroad in ${abroad.length} steps of ${plural(hoursEach, 'hour')}; most, ${humanBytes(most)}, in step ${peak + 1}`
  return markup`<svg class="spark" viewBox="0 0 ${width} ${sparkHeight}" preserveAspectRatio="none" role="img" aria-label="${label}"><path class="all" d="${trusted(path(abroad))}"/><path class="open" d="${trusted(path(open))}"/></svg>`
}

function couldBe({ couldBe: { high }, unexplainedInterval }: ServerReport): Markup | null {
  if (high === 0 && unexplainedInterval.low === unexplainedInterval.high) return null
  const { low } = unexplainedInterval
  return markup`<p class="soft" style="margin-top:14px">Taking in what is not sure (sampling, entries of other connections of the same addresses), between ${humanBytes(low)} and ${humanBytes(unexplainedInterval.high)} are unexplained.</p>`
}

function destinationRow(row: DestinationReport): Markup {
  const as = row.asn === null ? '' : `AS${row.asn} ${row.asName ?? ''}`
  const name = placeName(row.country, row.candidates)
  const open = row.country === null ? row.disputed : row.unexplained
  const more = row.addressCount - row.addresses.length
  return markup`<tr><td>${capital(name)}<small>${as}</small>
<details class="more"><summary>${plural(row.addressCount, 'address', 'addresses')}, ${plural(row.connections, 'connection')}</summary>
<small>${row.from.slice(0, 19).replace('T', ' ')} to ${row.until.slice(0, 19).replace('T', ' ')} UTC</small>
${row.addresses.map(({ address, bytes }) => markup`<small><code>${address}</code> ${humanBytes(bytes)}</small>`)}
${more > 0 ? markup`<small>and ${humanCount(more)} more</small>` : null}
${nameList(row)}</details></td>
<td class="num">${humanBytes(row.bytes)}</td><td class="num${open === 0 ? '' : row.country === null ? ' doubt' : ' bad'}">${amount(open)}${row.country === null && open > 0 ? markup`<small>in doubt</small>` : null}</td>
<td class="num">${amount(row.claimed)}</td><td class="num">${amount(row.instructed)}</td></tr>`
}

function amount(bytes: number): string {
  return bytes === 0 ? '–' : humanBytes(bytes)
}
