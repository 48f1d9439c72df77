import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import {
  type AsnDatabase,
  type CountryDatabase,
  createAsnDatabase,
  createCountryDatabase,
  type DatabaseFiles,
} from './databases.ts'

/** The databases that the project installs. No single free one is right about clouds, hence two that vote. */
export function installedDatabases(): { countries: readonly CountryDatabase[]; asn: AsnDatabase } {
  return {
    countries: [
      createCountryDatabase(
        installed('@ip-location-db/dbip-country', 'CC BY 4.0, IP Geolocation by DB-IP, https://db-ip.com'),
        'dbip-country',
      ),
      createCountryDatabase(
        installed(
          '@ip-location-db/geo-whois-asn-country',
          'CC0-1.0; registries’ data by NRO, https://www.nro.net',
        ),
        'geo-whois-asn-country',
      ),
    ],
    asn: createAsnDatabase(installed('@ip-location-db/asn', 'CC BY 4.0, RouteViews and DB-IP'), 'asn'),
  }
}

function installed(name: string, licence: string): DatabaseFiles {
  const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  // The packages' last number is the day of the data and a counter: 2.3.2026061719.
  const day = /\.(\d{4})(\d\d)(\d\d)\d*$/.exec(version)
  return {
    name,
    version,
    date: day === null ? 'unknown' : `${day[1]}-${day[2]}-${day[3]}`,
    licence,
    read: file => readFileSync(join(dirname(manifest), file)),
  }
}
