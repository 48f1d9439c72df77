/**
 * Sums by server address, destination network, country, AS, protocol and port, for each hour. The address of the server
 * stays, and so does the network that it sent to: what was rolled up is still evidence.
 */
import { rm } from 'node:fs/promises'
import { parseAddress } from '../address.ts'
import { wordsOf } from '../address-words.ts'
import type { ColumnSpecs } from '../columns.ts'
import type { Duck } from '../engine/duck.ts'
import { parquetFiles } from '../engine/parquet-files.ts'
import { installedDatabases } from '../locate/installed-databases.ts'
import { createLocator, type Locator } from '../locate/locate.ts'
import { parsePlaces } from '../locate/places.ts'
import { addressTextSql } from './address-sql.ts'
import { networkBits, networkOf } from './network.ts'
import { noNotes } from './note-counts.ts'
import { copyDurable } from './raw-parquet.ts'

export type RollUpPlan = {
  readonly places: { readonly name: string; readonly text: string } | null
  readonly databases: 'installed' | 'none'
}

const placeSpecs = {
  id: 'u32',
  network: 'address',
  bits: 'u8',
  /** Two letters as a number; 0 where nobody knows or the databases clash. */
  country: 'u16',
  asn: 'u32',
} as const satisfies ColumnSpecs

/** A well-known port by its number, the others as their kind: what a connection's own side chose says nothing. */
const portKind = `CASE WHEN dst_port < 1024 THEN CAST(dst_port AS VARCHAR)
  WHEN dst_port < 49152 THEN '1024-49151' ELSE '49152-65535' END`

/** The largest double below 2^64: a sender who makes up huge records must not make the sum overflow. */
const mostSum = '18446744073709549568'
const cappedSum = (column: 'bytes' | 'packets') =>
  `CAST(least(sum(round(${column} * sampling_rate)), CAST(${mostSum} AS DOUBLE)) AS UBIGINT)`

export type RollUp = (
  paths: readonly string[],
  into: string,
  /** Called with a relation that has the rows, before the file is there. */
  meanwhile: (relation: string) => Promise<number>,
) => Promise<number>

export function createRollUp(duck: Duck, plan: RollUpPlan): RollUp {
  let locator: Locator | null = null
  const locate = (): Locator => {
    const overrides = plan.places === null ? null : parsePlaces(plan.places.name, plan.places.text)
    const found = plan.databases === 'installed' ? installedDatabases() : { countries: [], asn: null }
    return createLocator({ overrides, ...found })
  }
  const drop = () =>
    duck.run('DROP TABLE IF EXISTS hour_rows; DROP TABLE IF EXISTS destinations; DROP TABLE IF EXISTS places')

  return async (paths, into, meanwhile) => {
    const files = parquetFiles(paths)
    locator ??= locate()
    await drop()
    try {
      await duck.run(`CREATE TABLE destinations AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id
        FROM (SELECT DISTINCT dst_addr AS text FROM ${files})`)
      const table = await duck.table('places', placeSpecs)
      const rows = table.filler()
      for await (const batch of duck.texts('SELECT text, id FROM destinations'))
        for (const [text, id] of batch) {
          const address = parseAddress(text)
          const words = wordsOf(text)
          if (address === null || words === null) continue
          const { country, asn } = locator.place(address)
          const row = rows.next()
          rows.columns.id[row] = id
          rows.columns.network.set(networkOf(words, address.family), row * 4)
          rows.columns.bits[row] = networkBits[address.family]
          rows.columns.country[row] =
            country === null ? 0 : country.charCodeAt(0) * 256 + country.charCodeAt(1)
          rows.columns.asn[row] = asn ?? 0
        }
      rows.end()
      duck.flush()
      await duck.run(`CREATE TABLE hour_rows AS
        SELECT date_trunc('hour', "start") AS hour, src_addr, network, bits, country, asn, protocol,
          ${portKind} AS dst_port, exporter, direction,
          ${cappedSum('bytes')} AS bytes, ${cappedSum('packets')} AS packets, count(*) AS flows
        FROM ${files} AS raw JOIN destinations ON destinations.text = dst_addr JOIN places USING (id)
        GROUP BY ALL`)
      await duck.run(`CREATE OR REPLACE VIEW rolled AS SELECT hour, src_addr,
        concat(${addressTextSql('network')}, '/', bits) AS dst_network,
        CASE country WHEN 0 THEN NULL ELSE concat(chr(country >> 8), chr(country & 255)) END AS dst_country,
        nullif(asn, 0) AS dst_asn, protocol, dst_port, exporter, direction, bytes, packets, flows FROM hour_rows`)
      const said = await meanwhile('rolled')
      await copyDurable(duck, 'SELECT * FROM rolled ORDER BY ALL', into, noNotes, 'zstd')
      return said
    } catch (error) {
      await rm(`${into}.part`, { force: true })
      throw error
    } finally {
      await duck.run('DROP VIEW IF EXISTS rolled')
      await drop()
    }
  }
}
