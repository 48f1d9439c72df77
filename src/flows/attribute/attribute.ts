import type { CountryCode } from '../../core/ids.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { Inventory } from '../locate/inventory.ts'
import type { Locator } from '../locate/locate.ts'
import { type AttributedRows, createAbroadBatch, createHourSums, createPairSums } from './abroad-columns.ts'
import { createAddressBook, type KnownAddress } from './known-address.ts'
import { createObserverBook } from './observer.ts'
import type { ServerList } from './server-list.ts'

/** What was only summed. By the server's number. */
export type TrafficSums = {
  readonly domesticBytes: Float64Array
  readonly localBytes: Float64Array
  /** Records of bytes that the server sent, wherever to: one that has none was not seen. */
  readonly records: Float64Array
  /** Records whose source the inventory does not hold: inbound traffic, transit, or a forgotten server. */
  outsideRecords: number
  outsideBytes: number
}

export type Attribution = {
  readonly add: (records: readonly FlowRecord[]) => void
  /** Hands on what is not handed on yet. */
  readonly finish: () => TrafficSums
  readonly observerNames: ReadonlyMap<number, string>
}

/**
 * Whose bytes, from which country to which. What left is handed on row by row, for each connection may have an entry of
 * its own; everything else is only summed. Memory is bounded whatever the records hold.
 */
export function createAttribution(
  sources: {
    readonly inventory: Inventory
    readonly locator: Locator
    /** For servers whose row names no country. The caller has made sure that it is there when it is needed. */
    readonly home: CountryCode | null
  },
  list: ServerList,
  rows: AttributedRows,
): Attribution {
  const book = createAddressBook(sources, list)
  const observers = createObserverBook()
  const batch = createAbroadBatch(rows.abroad)
  const received = createPairSums(rows.received)
  const outsiders = createPairSums(rows.outsiders)
  const domestic = createHourSums(rows.domestic)
  const count = list.servers.length
  const sums: TrafficSums = {
    domesticBytes: new Float64Array(count),
    localBytes: new Float64Array(count),
    records: new Float64Array(count),
    outsideRecords: 0,
    outsideBytes: 0,
  }

  const keep = (record: FlowRecord, server: number, src: KnownAddress, dst: KnownAddress): void => {
    const row = batch.next()
    const { columns } = batch
    columns.server[row] = server
    columns.src.set(src.words, row * 4)
    columns.dst.set(dst.words, row * 4)
    columns.srcPort[row] = record.srcPort
    columns.dstPort[row] = record.dstPort
    columns.protocol[row] = record.protocol
    columns.startUnixMs[row] = record.startUnixMs
    columns.endUnixMs[row] = record.endUnixMs
    columns.ipBytes[row] = record.ipBytes
    columns.packets[row] = record.packets
    columns.payloadBytes[row] = record.payloadBytes ?? -1
    columns.observer[row] = observers.idOf(record.exporter, record.direction)
    columns.sampledPackets[row] = record.original.packets
    columns.samplingRate[row] = record.sampling.rate
  }

  const addOne = (record: FlowRecord): void => {
    const { startUnixMs, ipBytes } = record
    const src = book.find(record.srcAddr)
    const dst = book.find(record.dstAddr)
    const to = book.serverAt(dst, startUnixMs)
    if (to >= 0) {
      const { basis, country } = book.placeAt(src, startUnixMs)
      if (basis !== 'local' && country !== list.servers[to]!.home) received.add(to, src.words, ipBytes)
    }
    const server = book.serverAt(src, startUnixMs)
    if (server < 0) {
      sums.outsideRecords += 1
      sums.outsideBytes += ipBytes
      return
    }
    sums.records[server]! += 1
    const { home } = list.servers[server]!
    const country = to >= 0 ? list.servers[to]!.home : dst.place.country
    if (to < 0 && dst.place.basis === 'local') {
      sums.localBytes[server]! += ipBytes
      return
    }
    if (country !== home) {
      keep(record, server, src, dst)
      return
    }
    sums.domesticBytes[server]! += ipBytes
    domestic.add(server, startUnixMs, ipBytes)
    if (to < 0) outsiders.add(server, dst.words, ipBytes)
  }

  return {
    add(records) {
      for (const record of records) addOne(record)
    },
    finish() {
      for (const part of [batch, received, outsiders, domestic]) part.flush()
      return sums
    },
    observerNames: observers.names,
  }
}
