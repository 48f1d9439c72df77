import type { ListedServer } from '../attribute/server-list.ts'
import type { NamePages } from '../names/name-book.ts'
import type { Named } from '../names/namer.ts'
import { type NameSource, nameSources } from '../names/sighting.ts'
import type { Reconciled } from '../reconcile/reconcile.ts'
import type { ServiceSums, ServicesReport } from './report-types.ts'

const mostServers = 100
const mostServices = 10_000
const mostNamesOfTag = 20

type Group = {
  bytes: number
  sharedBytes: number
  unexplained: number
  disputed: number
  connections: number
  readonly members: Set<string>
  readonly servers: Map<ListedServer, number>
}

/**
 * What went abroad, by the tags and services of the operator's lists. A connection counts once for each of its tags, so
 * tags do not add up; services do.
 */
export function createServices() {
  const tags = new Map<string, Group>()
  const services = new Map<string, { readonly group: Group; readonly tags: Set<string> }>()
  const bySource = new Map<NameSource, number>()
  let namedBytes = 0
  return {
    add(server: ListedServer, connection: Reconciled, named: Named): void {
      if (connection.ipBytes === 0) return
      namedBytes += connection.ipBytes
      bySource.set(named.source, (bySource.get(named.source) ?? 0) + connection.ipBytes)
      for (const tag of named.tags) {
        let group = tags.get(tag)
        if (group === undefined) tags.set(tag, (group = createGroup()))
        addTo(group, server, connection, named, named.service ?? named.name)
      }
      if (named.service === null) return
      let known = services.get(named.service)
      if (known === undefined) {
        if (services.size >= mostServices) return
        services.set(named.service, (known = { group: createGroup(), tags: new Set() }))
      }
      for (const tag of named.tags) known.tags.add(tag)
      addTo(known.group, server, connection, named, named.name)
    },
    report: (pages: NamePages): ServicesReport => ({
      namedBytes,
      bySource: Object.fromEntries(
        nameSources.flatMap(source => (bySource.has(source) ? [[source, bySource.get(source)!]] : [])),
      ),
      byTag: [...tags]
        .map(([tag, group]) => ({ tag, ...sumsOf(group), services: [...group.members].sort() }))
        .sort((a, b) => b.bytes - a.bytes || (a.tag < b.tag ? -1 : 1)),
      byService: [...services]
        .map(([service, { group, tags: its }]) => ({
          ...{ service, tags: [...its].sort(), ...sumsOf(group), names: [...group.members].sort() },
        }))
        .sort((a, b) => b.bytes - a.bytes || (a.service < b.service ? -1 : 1)),
      namesForgotten: pages.forgotten,
      namesRefused: pages.refused,
    }),
  }
}

function createGroup(): Group {
  return {
    ...{ bytes: 0, sharedBytes: 0, unexplained: 0, disputed: 0, connections: 0 },
    members: new Set(),
    servers: new Map(),
  }
}

function addTo(
  group: Group,
  server: ListedServer,
  connection: Reconciled,
  { isShared }: Named,
  member: string,
): void {
  group.bytes += connection.ipBytes
  if (isShared) group.sharedBytes += connection.ipBytes
  group.unexplained += connection.unexplained
  group.disputed += connection.disputed
  group.connections += 1
  if (group.members.size < mostNamesOfTag) group.members.add(member)
  group.servers.set(server, (group.servers.get(server) ?? 0) + connection.ipBytes)
}

function sumsOf({ bytes, sharedBytes, unexplained, disputed, connections, servers }: Group): ServiceSums {
  const largest = [...servers]
    .map(([{ server, home }, sent]) => ({ server, country: home, bytes: sent }))
    .sort((a, b) => b.bytes - a.bytes || (a.server < b.server ? -1 : 1))
  return {
    ...{ bytes, sharedBytes, unexplained, disputed, connections },
    servers: largest.slice(0, mostServers),
    serverCount: largest.length,
  }
}
