import { textOfWords } from '../address-words.ts'
import type { FlowBatch } from '../flow-columns.ts'
import { type AttributedRows, createAbroadBatch, createHourSums, createPairSums } from './abroad-columns.ts'
import { createAddressTable, local, timed } from './address-table.ts'
import type { AddressBook } from './known-address.ts'
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
  readonly add: (batch: FlowBatch) => void
  /** Hands on what is not handed on yet. */
  readonly finish: () => TrafficSums
}

/**
 * Whose bytes, from which country to which. What left is handed on row by row, for each connection may have an entry of
 * its own; everything else is only summed. Memory is bounded whatever the records hold.
 */
export function createAttribution(book: AddressBook, list: ServerList, rows: AttributedRows): Attribution {
  const table = createAddressTable(book)
  const batch = createAbroadBatch(rows.abroad)
  const received = createPairSums(rows.received)
  const outsiders = createPairSums(rows.outsiders)
  const domestic = createHourSums(rows.domestic)
  const homes = list.servers.map(({ home }) => table.numberOf(home))
  const sums = noTraffic(list.servers.length)

  const serverAt = (words: Uint32Array, row: number, unixMs: number): number =>
    table.server === timed ? book.serverAt(book.find(textOfWords(words, row)), unixMs) : table.server

  return {
    add({ columns, rows }) {
      const { src, dst } = columns
      for (let row = 0; row < rows; row++) {
        const unixMs = columns.startUnixMs[row]!
        const ipBytes = columns.ipBytes[row]!
        table.find(src, row)
        const fromCountry = table.country
        const server = serverAt(src, row, unixMs)
        table.find(dst, row)
        const toCountry = table.country
        const to = serverAt(dst, row, unixMs)
        if (to >= 0) {
          const from = server >= 0 ? homes[server] : fromCountry
          if (from !== local && from !== homes[to]) received.add(to, src, row, ipBytes)
        }
        if (server < 0) {
          sums.outsideRecords += 1
          sums.outsideBytes += ipBytes
          continue
        }
        sums.records[server]! += 1
        if (to < 0 && toCountry === local) {
          sums.localBytes[server]! += ipBytes
          continue
        }
        const country = to >= 0 ? homes[to] : toCountry
        if (country !== homes[server]) {
          batch.add(server, columns, row)
          continue
        }
        sums.domesticBytes[server]! += ipBytes
        domestic.add(server, unixMs, ipBytes)
        if (to < 0) outsiders.add(server, dst, row, ipBytes)
      }
    },
    finish() {
      for (const part of [batch, received, outsiders, domestic]) part.flush()
      return sums
    },
  }
}

function noTraffic(servers: number): TrafficSums {
  return {
    domesticBytes: new Float64Array(servers),
    localBytes: new Float64Array(servers),
    records: new Float64Array(servers),
    outsideRecords: 0,
    outsideBytes: 0,
  }
}
