/** What an audit is given of a fleet, beside its flow records. */
import type { CountryCode } from '../../src/core/ids.ts'
import type { AuditSources } from '../../src/pipes/flow.ts'
import { booksOf } from './books.ts'
import type { Fleet } from './generate.ts'

/** What every order of a fleet was signed for. */
const fleetOrder = {
  tenant: 'fleet',
  fromRegion: 'in-mumbai',
  toRegion: 'de-frankfurt',
  approvedUnixMs: 0,
  notBeforeUnixMs: 0,
  expiresUnixMs: Number.POSITIVE_INFINITY,
  limitBytes: null,
  limitObjects: null,
}
const made = { name: 'made', sha256: '0'.repeat(64), bytes: 0 }

export function sourcesOf(fleet: Fleet): Omit<AuditSources, 'flows' | 'engine' | 'nowUnixMs'> {
  return {
    directory: {
      inventory: { name: 'inventory.csv', text: fleet.inventory },
      places: { name: 'places.csv', text: fleet.places },
      home: 'IN' as CountryCode,
      databases: 'none',
    },
    books: booksOf(fleet.entered),
    orders: () => fleetOrder,
    inputs: {
      inventory: made,
      places: null,
      ranges: [],
      expected: null,
      canaries: null,
      services: [],
      mapping: null,
      statements: [],
      home: 'IN',
    },
    onProgress: () => {},
  }
}
