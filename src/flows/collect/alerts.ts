/**
 * After each hour: servers that sent more than so much abroad to networks that they had not sent to before. One JSON
 * object a line, written before the hour's roll-up has its name, so that a crash says it twice rather than never.
 */
import { open } from 'node:fs/promises'
import type { ColumnSpecs } from '../columns.ts'
import type { Duck } from '../engine/duck.ts'
import { parquetFiles } from '../engine/parquet-files.ts'
import { type DirectorySources, openDirectory } from '../locate/directory.ts'
import { hourMs, hoursOf, rangeFiles } from './folder.ts'

export type AlertPlan = {
  readonly file: string
  readonly leastBytes: number
  readonly directory: DirectorySources
}

/** What a server sent to before is remembered so long. */
const rememberedMs = 30 * 24 * hourMs
const mostDestinations = 10

const serverSpecs = { id: 'u32', server: 'u32', home: 'u16' } as const satisfies ColumnSpecs

export function createAlerts(duck: Duck, folder: string, plan: AlertPlan) {
  const directory = openDirectory(plan.directory)

  const nameServers = async (relation: string, unixMs: number): Promise<void> => {
    await duck.run(`CREATE TABLE sources AS SELECT src_addr AS text, CAST(row_number() OVER () AS UINTEGER) AS id
      FROM (SELECT DISTINCT src_addr FROM ${relation})`)
    const rows = (await duck.table('owners', serverSpecs)).filler()
    for await (const batch of duck.texts('SELECT text, id FROM sources'))
      for (const [text, id] of batch) {
        const server = directory.book.serverAt(directory.book.find(text), unixMs)
        if (server < 0) continue
        const { home } = directory.list.servers[server]!
        const row = rows.next()
        rows.columns.id[row] = id
        rows.columns.server[row] = server
        rows.columns.home[row] = home.charCodeAt(0) * 256 + home.charCodeAt(1)
      }
    rows.end()
    duck.flush()
    await duck.run(`CREATE TABLE own AS SELECT text, server, concat(chr(home >> 8), chr(home & 255)) AS home
      FROM sources JOIN owners USING (id)`)
  }

  const earlierRollUps = async (hour: number): Promise<string[]> => {
    const paths: string[] = []
    for (const other of await hoursOf(folder, 'rollup')) {
      if (other === null || other > hour || (hour - other) * hourMs > rememberedMs) continue
      for (const { path } of await rangeFiles(folder, 'rollup', other)) paths.push(path)
    }
    return paths
  }

  /** Answers how many alerts it wrote. */
  return async (hour: number, relation: string): Promise<number> => {
    const drop = () =>
      duck.run(
        'DROP TABLE IF EXISTS sources; DROP TABLE IF EXISTS owners; DROP TABLE IF EXISTS own; DROP TABLE IF EXISTS fresh',
      )
    await drop()
    try {
      await nameServers(relation, hour * hourMs)
      const earlier = await earlierRollUps(hour)
      const known =
        earlier.length === 0
          ? ''
          : `ANTI JOIN (SELECT DISTINCT server, dst_network
             FROM ${parquetFiles(earlier)} JOIN own ON text = src_addr) AS seen
             ON seen.server = now.server AND seen.dst_network = now.dst_network`
      // What several exporters saw is taken from the one that saw most of it.
      await duck.run(`CREATE TABLE fresh AS SELECT now.* FROM
        (SELECT server, home, dst_network, dst_country, dst_asn, max(bytes) AS bytes FROM
          (SELECT server, home, dst_network, dst_country, dst_asn, exporter, direction, sum(bytes) AS bytes
           FROM ${relation} JOIN own ON text = src_addr WHERE dst_country <> home GROUP BY ALL)
         GROUP BY ALL) AS now ${known}`)
      const servers = await duck.rows(`SELECT server, CAST(sum(bytes) AS DOUBLE) AS bytes FROM fresh
        GROUP BY server HAVING sum(bytes) >= ${plan.leastBytes} ORDER BY bytes DESC, server`)
      const lines: string[] = []
      for (const { server, bytes } of servers) lines.push(await line(hour, Number(server), Number(bytes)))
      if (lines.length > 0) await append(plan.file, lines)
      return lines.length
    } finally {
      await drop()
    }
  }

  async function line(hour: number, server: number, bytes: number): Promise<string> {
    const rows = await duck.rows(`SELECT dst_network, dst_country, CAST(dst_asn AS DOUBLE) AS dst_asn,
      CAST(bytes AS DOUBLE) AS bytes FROM fresh WHERE server = ${server} ORDER BY fresh.bytes DESC, dst_network
      LIMIT ${mostDestinations}`)
    const { server: name, home } = directory.list.servers[server]!
    const hourStart = new Date(hour * hourMs).toISOString()
    return JSON.stringify({
      id: `${hourStart} ${name}`,
      hour: hourStart,
      server: name,
      home,
      bytesToNewNetworks: bytes,
      networks: rows.map(row => ({
        network: row.dst_network,
        country: row.dst_country,
        asn: row.dst_asn === null ? null : Number(row.dst_asn),
        bytes: Number(row.bytes),
      })),
    })
  }
}

async function append(path: string, lines: readonly string[]): Promise<void> {
  const file = await open(path, 'a', 0o600)
  try {
    await file.writeFile(`${lines.join('\n')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}
