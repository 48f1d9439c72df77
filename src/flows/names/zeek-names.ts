import { portNumber } from '../decode/json-values.ts'
import { textUnixMs } from '../decode/timestamps.ts'
import { TCP, UDP } from '../flow-record.ts'
import { withoutPort } from './http-host.ts'
import { addLoggedAnswers, addLoggedName, loggedTtl } from './log-claims.ts'
import type { NameSink } from './sighting.ts'

const mostAnswers = 256

/**
 * A row of Zeek's ssl.log, quic.log, http.log or dns.log. Each has the connection's own addresses and ports beside its
 * uid, and conn.log the same ones: so the two are joined without it, across files and exporters.
 */
export function readZeekNames(path: string, get: (column: string) => string | null, sink: NameSink): void {
  const ends = {
    client: get('id.orig_h'),
    server: get('id.resp_h'),
    srcPort: portNumber(get('id.orig_p')),
    dstPort: portNumber(get('id.resp_p')),
    unixMs: textUnixMs(get('ts') ?? ''),
  }
  switch (path) {
    case 'ssl':
    case 'quic': {
      const name = get('server_name')
      if (name === null) return
      if (path === 'ssl') addLoggedName(sink, ends, name, 'sni-log', TCP)
      else addLoggedName(sink, ends, name, 'quic-log', UDP)
      return
    }
    case 'http': {
      const host = withoutPort(get('host') ?? '[')
      if (host !== null) addLoggedName(sink, ends, host, 'http-log', TCP)
      return
    }
    case 'dns': {
      const query = get('query')
      const answers = get('answers')
      if (query === null || answers === null) return
      const ttls = (get('TTLs') ?? '').split(',')
      const all = answers.split(',', mostAnswers)
      addLoggedAnswers(
        sink,
        ends.client,
        ends.unixMs,
        query,
        all.map((address, i) => ({ address, ttlSeconds: loggedTtl(ttls[i]) })),
      )
    }
  }
}
