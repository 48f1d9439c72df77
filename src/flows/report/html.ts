import { plural } from './findings.ts'
import { worldMap } from './html-map.ts'
import { gradeBar, gradeList } from './html-parts.ts'
import { serverSection } from './html-servers.ts'
import { servicesSection } from './html-services.ts'
import { style } from './html-style.ts'
import { type Markup, markup, trusted } from './markup.ts'
import type { AuditReport, Coverage, FileInput, Inputs } from './report-types.ts'
import { humanBytes, humanCount } from './units.ts'

/**
 * The report as one page that needs nothing else: no script, no network (its own policy forbids both), so that it
 * can be opened years later, printed, and handed to someone who trusts nobody.
 */
export function htmlReport(report: AuditReport): string {
  const { verdict, totals, servers, coverage, inputs, databases, method } = report
  const period =
    coverage.from === null ? 'no records' : `${minute(coverage.from)} to ${minute(coverage.until!)} UTC`
  const page = markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit: ${verdict.text}</title>
<style>${trusted(style)}</style></head>
<body><main>
<header><strong>Holdfast audit</strong><span>${period}</span><span>${plural(coverage.records, 'flow record')}</span></header>
<section class="card verdict ${verdict.state}" aria-labelledby="verdict">
<h1 id="verdict">${verdict.text}</h1>
${totals.bytesAbroad === 0 ? null : markup`${gradeBar(totals)}${gradeList(totals)}`}
</section>
${totals.bytesAbroad === 0 ? null : markup`<section aria-labelledby="map"><h2 id="map">Where it went</h2>${worldMap(servers)}</section>`}
${serverSection(servers)}
${servicesSection(report.services, totals.bytesAbroad)}
${coverageSection(coverage)}
<section aria-labelledby="method"><h2 id="method">Method</h2><p>${method.basis}</p><ul>${method.rules.map(rule => markup`<li>${rule}</li>`)}</ul>
<h3>What passes for innocent</h3><ul>${method.innocence.map(line => markup`<li>${line}</li>`)}</ul>
<h3>What this cannot show</h3><ul>${method.limits.map(limit => markup`<li>${limit}</li>`)}</ul></section>
${inputSection(inputs)}
<section aria-labelledby="databases"><h2 id="databases">Databases</h2><ul>${databases.map(
    ({ name, version, date, licence, sha256 }) =>
      markup`<li>${name} ${version}, data of ${date} (${licence})${Object.entries(sha256).map(([file, hash]) => markup`<br><code>${file} ${hash}</code>`)}</li>`,
  )}</ul></section>
<footer><p>Made by <code>holdfast audit</code> on ${minute(report.generated)} UTC. Countries by <a href="https://db-ip.com">IP Geolocation by DB-IP</a> and the others named above. Outlines: Natural Earth; they take no side on borders.</p></footer>
</main></body></html>
`
  return page.text
}

function coverageSection(coverage: Coverage): Markup {
  const notes: string[] = [
    ...coverage.lost.map(({ input, reason, count }) => `Lost in ${input}: ${humanCount(count)} × ${reason}`),
    ...coverage.unread.map(
      ({ input, reason, count, bytes }) =>
        `Not read in ${input}: ${humanCount(count)} × ${reason} (${humanBytes(bytes)})`,
    ),
    ...(coverage.canaries === null
      ? []
      : [
          `${coverage.canaries.seen} of ${plural(coverage.canaries.made, 'read')} made on purpose are in these records`,
          ...coverage.canaries.missed.map(
            ({ time, server, client, bytes, seenBytes }) =>
              `Not seen: the read of ${time} from ${server} by ${client}, ${humanBytes(seenBytes)} of ${humanBytes(bytes)}`,
          ),
        ]),
    ...coverage.enteredNotSeen.map(
      ({ region, bytes, connections }) =>
        `${region} entered ${humanBytes(bytes)} of payload in ${plural(connections, 'connection')} that these records do not show: the records are incomplete, or the entries are not true`,
    ),
    ...(coverage.unreadableEntries > 0
      ? [`${plural(coverage.unreadableEntries, 'connection entry', 'connection entries')} could not be read`]
      : []),
    ...coverage.clockOffsets
      .filter(({ offsetMs }) => offsetMs !== 0)
      .map(
        ({ region, offsetMs, samples }) =>
          `The records’ clock differs from ${region}’s by ${(offsetMs / 1000).toFixed(1)} s (from ${plural(samples, 'exact match', 'exact matches')})`,
      ),
    ...(coverage.sampled
      ? ['Some flows were sampled: their bytes are estimates, and the interval says how far they can be off']
      : []),
    ...(coverage.duplicateBytes > 0
      ? [`${humanBytes(coverage.duplicateBytes)} were seen by more than one observer and count once`]
      : []),
    ...(coverage.repeatedRecords > 0
      ? [`${plural(coverage.repeatedRecords, 'record')} came twice, to the last number, and count once`]
      : []),
    ...(coverage.outsideInventory.records > 0
      ? [
          `${plural(coverage.outsideInventory.records, 'record')} (${humanBytes(coverage.outsideInventory.ipBytes)}) from sources outside the inventory: inbound, transit, or a server that was left out`,
        ]
      : []),
    ...(coverage.toUnplacedPrivate.ipBytes > 0
      ? [
          `${humanBytes(coverage.toUnplacedPrivate.ipBytes)} to private, link-local, multicast and loopback addresses that neither the inventory nor an override places (most: ${coverage.toUnplacedPrivate.servers.map(({ server, ipBytes }) => `${server} ${humanBytes(ipBytes)}`).join(', ')}): a line of one’s own into another country would not show`,
        ]
      : []),
    ...(coverage.silentServers.length > 0
      ? [`No record of ${coverage.silentServers.slice(0, 50).join(', ')}`]
      : []),
    ...coverage.remarks.map(({ input, remark }) => `${input}: ${remark}`),
    ...coverage.setAside.map(
      ({ input, reason, count }) => `Set aside in ${input}: ${humanCount(count)} × ${reason}`,
    ),
  ]
  const lead = coverage.complete
    ? 'Every record that the inputs hold was read, and no exporter reports a gap.'
    : 'Parts of the records are missing. What is missing may have left the country too.'
  return markup`<section aria-labelledby="coverage"><h2 id="coverage">Coverage</h2><p>${lead}</p>
<ul>${notes.slice(0, 300).map(note => markup`<li>${note}</li>`)}</ul></section>`
}

function fileRow(kind: string, input: FileInput | null) {
  if (input === null) return []
  const { name, bytes, sha256 } = input
  return [{ kind, name, detail: humanBytes(bytes), sha256 }]
}

function inputSection(inputs: Inputs): Markup {
  const rows: { kind: string; name: string; detail: string; sha256: string }[] = [
    ...inputs.flows.map(({ name, formats, records, bytes, sha256 }) => ({
      kind: 'Flows',
      name,
      detail: `${formats.join(' → ')}, ${humanBytes(bytes)}, ${plural(records, 'record')}`,
      sha256,
    })),
    {
      kind: 'Inventory',
      name: inputs.inventory.name,
      detail: humanBytes(inputs.inventory.bytes),
      sha256: inputs.inventory.sha256,
    },
    ...fileRow('Places', inputs.places),
    ...inputs.ranges.flatMap(input => fileRow('Provider’s ranges', input)),
    ...fileRow('Marks', inputs.expected),
    ...inputs.services.flatMap(input => fileRow('Services', input)),
    ...fileRow('Mapping of columns', inputs.mapping),
    ...fileRow('Reads made on purpose', inputs.canaries),
    ...inputs.statements.map(({ name, region, entries, sha256 }) => ({
      kind: 'Statement',
      name,
      detail: `${region}, ${plural(entries, 'entry', 'entries')}, verified`,
      sha256,
    })),
  ]
  return markup`<section aria-labelledby="inputs"><h2 id="inputs">Inputs</h2>
${inputs.statements.length === 0 ? markup`<p>No statement was given, so nothing could be explained by the books: all of it is only attributed.</p>` : null}
<div class="scroll"><table><thead><tr><th>Input</th><th>What</th><th>SHA-256</th></tr></thead><tbody>${rows
    .slice(0, 1000)
    .map(
      ({ kind, name, detail, sha256 }) =>
        markup`<tr><td>${kind}<small>${name}</small></td><td>${detail}${enteredText(inputs, sha256)}</td><td><code>${sha256}</code></td></tr>`,
    )}</tbody></table></div></section>`
}

function enteredText({ entered }: Inputs, hash: string): Markup | null {
  const found = entered.find(({ sha256 }) => sha256 === hash)
  if (found === undefined) return null
  const what = found.isSame ? 'as entered' : 'NOT the file of this name that was entered'
  return markup`<small>${what} in ${found.region} on ${minute(found.time)} UTC, ${found.entry}</small>`
}

function minute(isoTime: string): string {
  return isoTime.slice(0, 16).replace('T', ' ')
}
