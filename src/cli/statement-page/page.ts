/** A verified statement as a page to read, print and file, as a bank would send it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isoTime } from '../../core/time.ts'
import { type Markup, markup, trusted } from '../../flows/report/markup.ts'
import { countryName, humanBytes, humanCount } from '../../flows/report/units.ts'
import type { CheckedRow, StatementFacts } from '../../verify/statement.ts'
import type { Account } from './account.ts'
import { describeEntry, isAbroad } from './describe.ts'

/** More would be a page that no browser opens; the statement itself has them all. */
export const maxPageRows = 20_000

export interface StatementPage {
  readonly facts: StatementFacts
  readonly name: string
  readonly country: string
  /** Hex id of the key that signed the log. */
  readonly logKey: string
  readonly account: Account
  /** The last `maxPageRows`. */
  readonly rows: readonly CheckedRow[]
  /** The statement's file, for who checks the page against it. */
  readonly file: string
  readonly sha256: string
}

const style = readFileSync(join(import.meta.dirname, 'style.css'), 'utf8')

export function statementPage(page: StatementPage): string {
  const { facts, name, country, rows } = page
  const { region, first, count, entered } = facts
  const last = first + count - 1
  const times = rows.map(({ timeUnixMs }) => timeUnixMs)
  const period = rows.length === 0 ? 'no entries' : `${date(times[0]!)} to ${date(times.at(-1)!)}`
  const hidden = count - rows.length
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Statement of ${region} for ${name}</title><style>${trusted(style)}</style></head><body>
<header><div><p class="kicker">Statement</p><h1>${name}</h1><p>${region}, ${countryName(country)}</p></div>
<dl><dt>Period</dt><dd>${period}</dd><dt>Entries</dt><dd>${count === 0 ? 'none' : `no. ${first} to ${last}`} of ${humanCount(entered)}</dd>
<dt>Made</dt><dd>${facts.time.replace('T', ' ').slice(0, 19)} UTC</dd></dl></header>
<main>
<p class="seal">✓ Verified: every entry of this range is here, in order and unchanged, as the region signed it.${facts.blank > 0 ? ` ${facts.blank} were erased on the tenant's own instruction and stand blank.` : ''}</p>
${first === 0 ? '' : markup`<p class="note">This is a part: sums are of what happened in it, and do not say what was there before.</p>`}
${bucketTable(page)}
${abroadTable(page)}
${instructionTable(page)}
<section><h2>Entries</h2>
${hidden > 0 ? markup`<p class="note">The newest ${humanCount(rows.length)}; ${humanCount(hidden)} before them stand in the statement itself.</p>` : ''}
<table class="entries"><thead><tr><th scope="col">No.</th><th scope="col">Time (UTC)</th><th scope="col">What</th></tr></thead><tbody>
${rows.map(entryRow)}
</tbody></table></section>
</main>
<footer><h2>How to check it</h2>
<p>This page is a rendering. What counts is the statement it was made from: <code>${page.file}</code>, SHA-256 <code>${page.sha256}</code>. Whoever holds it and the customer's <code>trust.json</code> runs <code>holdfast verify</code>, on any machine, offline.</p>
<dl><dt>Tenant</dt><dd>${facts.tenant}</dd><dt>Log</dt><dd>${facts.checkpoint.origin}</dd><dt>Key</dt><dd>${page.logKey}</dd>
<dt>Tree</dt><dd>${humanCount(facts.checkpoint.size)} entries of all tenants, root ${Buffer.from(facts.checkpoint.root).toString('base64')}</dd></dl>
</footer></body></html>
`.text
}

function bucketTable({ account, facts }: StatementPage): Markup | '' {
  if (account.buckets.size === 0) return ''
  const isWhole = facts.first === 0
  const rows = [...account.buckets].sort(([a], [b]) => (a < b ? -1 : 1))
  return markup`<section><h2>Buckets</h2><table><thead><tr><th scope="col">Bucket</th><th scope="col" class="n">Came in</th><th scope="col" class="n">Went out</th>${isWhole ? markup`<th scope="col" class="n">At rest now</th>` : ''}<th scope="col" class="n">Read at home</th></tr></thead><tbody>
${rows.map(
  ([name, each]) => markup`<tr><th scope="row">${name}</th>
<td class="n">${humanCount(each.objectsIn)}<small>${humanBytes(each.bytesIn)}</small></td>
<td class="n">${humanCount(each.objectsOut)}<small>${isWhole ? humanBytes(each.bytesOut) : ''}</small></td>
${isWhole ? markup`<td class="n">${humanCount(each.objectsIn - each.objectsOut)}<small>${humanBytes(each.bytesIn - each.bytesOut)}</small></td>` : ''}
<td class="n">${humanCount(each.readsHome)}<small>${humanBytes(each.readsHomeBytes)}</small></td></tr>
`,
)}</tbody></table><p class="note">Objects, with their sealed bytes as they lie on disk; reads with the bytes that were sent.</p></section>`
}

function abroadTable({ account }: StatementPage): Markup {
  if (account.abroad.size === 0)
    return markup`<section><h2>Over the border</h2><p>Nothing was read from abroad, and no connection abroad was entered.</p>${refusals(account)}</section>`
  const rows = [...account.abroad].sort(([, a], [, b]) => b.bytesOut - a.bytesOut)
  return markup`<section><h2>Over the border</h2><table><thead><tr><th scope="col">Country</th><th scope="col" class="n">Reads</th><th scope="col" class="n">Content read</th><th scope="col" class="n">Connections</th><th scope="col" class="n">All bytes out</th></tr></thead><tbody>
${rows.map(
  ([
    code,
    each,
  ]) => markup`<tr><th scope="row">${code === '?' ? 'not known' : countryName(code)}</th><td class="n">${humanCount(each.reads)}</td><td class="n">${humanBytes(each.bytes)}</td><td class="n">${humanCount(each.connections)}</td><td class="n">${humanBytes(each.bytesOut)}</td></tr>
`,
)}</tbody></table>${refusals(account)}</section>`
}

function refusals({ refusals: count }: Account): Markup {
  return markup`<p class="note">${count === 0 ? 'Nothing was refused.' : `${humanCount(count)} request(s) were refused.`}</p>`
}

function instructionTable({ account }: StatementPage): Markup | '' {
  if (account.instructions.size === 0) return ''
  return markup`<section><h2>Instructions</h2><table><thead><tr><th scope="col">Id</th><th scope="col">What</th><th scope="col">Purpose</th><th scope="col" class="n">Approvals</th><th scope="col">State</th><th scope="col" class="n">Moved</th></tr></thead><tbody>
${[...account.instructions].map(
  ([
    id,
    each,
  ]) => markup`<tr><th scope="row"><code>${id.slice(0, 12)}</code></th><td>${each.kind}${each.from === '' ? '' : ` from ${each.from}`}${each.to === '' ? '' : ` to ${each.to}`}</td><td>${each.purpose}</td><td class="n">${each.approvals}</td><td>${each.state}</td><td class="n">${humanCount(each.objects)}<small>${humanBytes(each.bytes)}</small></td></tr>
`,
)}</tbody></table></section>`
}

function entryRow({ seq, timeUnixMs, payload }: CheckedRow): Markup {
  const when = isoTime(timeUnixMs).replace('T', ' ').slice(0, 19)
  if (payload === null)
    return markup`<tr class="blank"><td>${seq}</td><td>${when}</td><td>Erased on the tenant's instruction</td></tr>
`
  return markup`<tr${isAbroad(payload) ? trusted(' class="abroad"') : ''}><td>${seq}</td><td>${when}</td><td>${describeEntry(payload)}</td></tr>
`
}

function date(unixMs: number): string {
  return isoTime(unixMs).slice(0, 10)
}
