import { HoldfastError } from '../../core/errors.ts'
import type { CountryCode } from '../../core/ids.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { Inventory } from '../locate/inventory.ts'
import type { Locator, Place } from '../locate/locate.ts'
import { directedKey, type Observed } from './observed.ts'

/** What is known of a server apart from what it sent abroad. */
export type ServerTraffic = {
  readonly server: string
  readonly home: CountryCode
  domesticBytes: number
  localBytes: number
  abroadRecords: number
  /** Domestic hosts outside the inventory, which could pass bytes on: bytes by address. */
  readonly outsiders: Map<string, number>
}

export type Attribution = {
  readonly add: (records: readonly FlowRecord[]) => void
  readonly servers: () => ReadonlyMap<string, ServerTraffic>
  readonly observed: () => Iterable<Observed>
  /** Would traffic between these have been kept as abroad, had it been seen? */
  readonly leaves: (srcAddr: string, dstAddr: string, unixMs: number) => boolean
  /** Records whose source the inventory does not hold: inbound traffic, transit, or a forgotten server. */
  readonly outside: () => { readonly records: number; readonly ipBytes: number }
}

/**
 * Connections abroad are kept one by one, for each may be explained by its own entry; everything else is only summed.
 * This many take 2 GB; more are an honest refusal and not a crash.
 */
const maxConnections = 1_000_000
const maxOutsiders = 10_000

export function createAttribution(sources: {
  readonly inventory: Inventory
  readonly locator: Locator
  /** For servers whose row names no country. The caller has made sure that it is there when it is needed. */
  readonly home: CountryCode | null
}): Attribution {
  const { inventory, locator, home } = sources
  const servers = new Map<string, ServerTraffic>()
  const observed = new Map<string, Observed>()
  let outsideRecords = 0
  let outsideBytes = 0

  const placeOf = (address: string, unixMs: number): { place: Place; isInventory: boolean } => {
    const row = inventory.find(address, unixMs)
    const country = row === null ? null : (row.country ?? home)
    if (country === null) return { place: locator.place(address), isInventory: row !== null }
    const { asn, asName } = locator.place(address)
    return { place: { country, candidates: [], basis: 'inventory', asn, asName }, isInventory: true }
  }

  const addOne = (record: FlowRecord): void => {
    const row = inventory.find(record.srcAddr, record.startUnixMs)
    const country = row?.country ?? home
    if (row === null || country === null) {
      outsideRecords += 1
      outsideBytes += record.ipBytes
      return
    }
    const serverKey = `${row.server}\n${country}`
    let traffic = servers.get(serverKey)
    if (traffic === undefined) {
      traffic = {
        server: row.server,
        home: country,
        domesticBytes: 0,
        localBytes: 0,
        abroadRecords: 0,
        outsiders: new Map(),
      }
      servers.set(serverKey, traffic)
    }
    const { place, isInventory } = placeOf(record.dstAddr, record.startUnixMs)
    if (place.basis === 'local') {
      traffic.localBytes += record.ipBytes
      return
    }
    if (place.country === country) {
      traffic.domesticBytes += record.ipBytes
      if (!isInventory) addOutsider(traffic.outsiders, record)
      return
    }
    traffic.abroadRecords += 1
    const tuple = directedKey(record.srcAddr, record.srcPort, record.dstAddr, record.dstPort)
    const key = `${serverKey}\n${record.protocol} ${tuple}`
    let connection = observed.get(key)
    if (connection === undefined) {
      if (observed.size >= maxConnections) {
        const message = `more than ${maxConnections} connections abroad in one audit: audit a shorter time at once`
        throw new HoldfastError('bad-input', message)
      }
      const { srcAddr, srcPort, dstAddr, dstPort, protocol } = record
      const ends = { srcAddr, srcPort, dstAddr, dstPort, protocol }
      connection = { server: row.server, home: country, ...ends, place, segments: [] }
      observed.set(key, connection)
    }
    connection.segments.push({
      startUnixMs: record.startUnixMs,
      endUnixMs: record.endUnixMs,
      ipBytes: record.ipBytes,
      packets: record.packets,
      payloadBytes: record.payloadBytes,
      observer: record.direction === null ? record.exporter : `${record.exporter} ${record.direction}`,
      sampledPackets: record.original.packets,
      samplingRate: record.sampling.rate,
    })
  }

  return {
    add(records) {
      for (const record of records) addOne(record)
    },
    servers: () => servers,
    observed: () => observed.values(),
    leaves(srcAddr, dstAddr, unixMs) {
      const row = inventory.find(srcAddr, unixMs)
      const { place } = placeOf(dstAddr, unixMs)
      return row !== null && place.basis !== 'local' && place.country !== (row.country ?? home)
    },
    outside: () => ({ records: outsideRecords, ipBytes: outsideBytes }),
  }
}

function addOutsider(outsiders: Map<string, number>, record: FlowRecord): void {
  const known = outsiders.get(record.dstAddr)
  if (known === undefined && outsiders.size >= maxOutsiders) return
  outsiders.set(record.dstAddr, (known ?? 0) + record.ipBytes)
}
