import { type JsonRow, objectAt } from '../decode/json-rows.ts'
import { portNumber, textOf } from '../decode/json-values.ts'
import { textUnixMs } from '../decode/timestamps.ts'
import { TCP, UDP } from '../flow-record.ts'
import { withoutPort } from './http-host.ts'
import { addLoggedAnswers, addLoggedName, loggedTtl } from './log-claims.ts'
import type { NameSink, NameSource } from './sighting.ts'

const dnsPort = 53
const mostAnswers = 256

/**
 * An event `tls`, `quic`, `http` or `dns` of Suricata's eve.json. They carry the connection's addresses and ports beside
 * its flow_id, and so do `flow` events: they are joined by those, across files and exporters.
 */
export function readEveNames(type: string, row: JsonRow, sink: NameSink): void {
  const ends = {
    client: textOf(row.src_ip),
    server: textOf(row.dest_ip),
    srcPort: portNumber(row.src_port),
    dstPort: portNumber(row.dest_port),
    unixMs: textUnixMs(textOf(row.timestamp) ?? ''),
  }
  const name = (text: string | null, source: NameSource, protocol: number): void => {
    if (text !== null) addLoggedName(sink, ends, text, source, protocol)
  }
  switch (type) {
    case 'tls':
      name(textOf(objectAt(row, 'tls')?.sni), 'sni-log', TCP)
      return
    case 'quic':
      name(textOf(objectAt(row, 'quic')?.sni), 'quic-log', UDP)
      return
    case 'http':
      name(withoutPort(textOf(objectAt(row, 'http')?.hostname) ?? '['), 'http-log', TCP)
      return
    case 'dns':
      readAnswers(row, ends, sink)
  }
}

/** Three versions of the event: an event an answer, all answers in one, and the question in a list of its own. */
function readAnswers(
  row: JsonRow,
  ends: { client: string | null; server: string | null; srcPort: number; unixMs: number | null },
  sink: NameSink,
): void {
  const dns = objectAt(row, 'dns')
  const type = dns === null ? null : textOf(dns.type)
  if (dns === null || (type !== 'answer' && type !== 'response')) return
  // Some versions print an answer the way that its packet went, some the way that the question did.
  const client = ends.srcPort === dnsPort ? ends.server : ends.client
  const asked = Array.isArray(dns.queries) ? (dns.queries[0] as unknown) : null
  const query = textOf(dns.rrname) ?? (isRow(asked) ? textOf(asked.rrname) : null)
  if (query === null) return
  const list: unknown[] = Array.isArray(dns.answers) ? dns.answers : [dns]
  const answers = list.slice(0, mostAnswers).flatMap(each => {
    const address = isRow(each) ? textOf(each.rdata) : null
    return address === null ? [] : [{ address, ttlSeconds: loggedTtl((each as JsonRow).ttl) }]
  })
  const grouped = objectAt(dns, 'grouped')
  for (const kind of ['A', 'AAAA']) {
    const some: unknown = answers.length === 0 ? grouped?.[kind] : null
    if (!Array.isArray(some)) continue
    for (const address of some.slice(0, mostAnswers))
      if (typeof address === 'string') answers.push({ address, ttlSeconds: 0 })
  }
  addLoggedAnswers(sink, client, ends.unixMs, query, answers)
}

function isRow(value: unknown): value is JsonRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
