import type { NameSource } from '../names/sighting.ts'
import type { NameReport } from './report-types.ts'
import { humanBytes } from './units.ts'

/** Where a name comes from, in a reader's words. */
const sourceWords: Readonly<Record<NameSource, string>> = {
  sni: 'TLS',
  quic: 'QUIC',
  http: 'HTTP',
  dns: 'DNS',
  'sni-log': 'TLS, by a log',
  'quic-log': 'QUIC, by a log',
  'http-log': 'HTTP, by a log',
  'dns-log': 'DNS, by a log',
}

export function sourceText(sources: readonly NameSource[]): string {
  return sources.map(source => sourceWords[source]).join('; ')
}

/** What a reader must know of a name beside where it comes from. */
export function doubtText({ isExact, sharedBytes, mayBeOuter, sources }: NameReport): string {
  const isAnswer = sources.every(source => source.startsWith('dns'))
  return [
    ...(mayBeOuter ? ['perhaps an outer name, another one encrypted within'] : []),
    ...(sharedBytes > 0 ? [`${humanBytes(sharedBytes)} could be of another name`] : []),
    ...(isExact || isAnswer ? [] : ['some by another connection to that port']),
  ].join('; ')
}
