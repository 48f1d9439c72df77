/** A fleet's records as IPFIX, each interface an exporter of its own, in flow captures of a day each. */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { captureHeader, datagramFrame, endFrame } from '../../src/flows/collect/capture-writer.ts'
import type { Fleet, FleetRow } from './generate.ts'

const recordsEach = 24
const chunkBytes = 1 << 20

/** Element and length: addresses, ports, protocol, octets, packets, start and end in seconds. */
const fields = [
  [8, 4],
  [12, 4],
  [7, 2],
  [11, 2],
  [4, 1],
  [1, 8],
  [2, 4],
  [150, 4],
  [151, 4],
] as const
const recordBytes = fields.reduce((sum, [, length]) => sum + length, 0)

export async function writeExports(
  fleet: Fleet,
  days: number,
  folder: string,
): Promise<{ files: string[]; rows: number }> {
  const files: string[] = []
  const sent = new Map<string, number>()
  let rows = 0
  for (let day = 0; day < days; day++) {
    const file = join(folder, `ipfix-${String(day).padStart(2, '0')}.hfcap`)
    files.push(file)
    const stream = createWriteStream(file)
    const known = new Set<string>()
    let chunks = [captureHeader()]
    let waiting = 0
    let datagrams = 0
    let observer = ''
    let records: Buffer[] = []
    let seconds = 0

    const flush = (): void => {
      if (records.length === 0) return
      const message = messageOf(records, sent.get(observer) ?? 0, seconds, !known.has(observer))
      known.add(observer)
      sent.set(observer, (sent.get(observer) ?? 0) + records.length)
      const address = addressOf(observer)
      const frame = datagramFrame({ arrivedUnixMs: seconds * 1000, address, port: 4739, payload: message })
      chunks.push(frame)
      waiting += frame.length
      datagrams += 1
      records = []
    }
    for (const row of fleet.day(day)) {
      rows += 1
      if (row.observer !== observer || records.length === recordsEach) {
        flush()
        observer = row.observer
      }
      records.push(recordOf(row))
      seconds = row.endSeconds
      if (waiting < chunkBytes) continue
      if (!stream.write(Buffer.concat(chunks))) await once(stream, 'drain')
      chunks = []
      waiting = 0
    }
    flush()
    stream.end(Buffer.concat([...chunks, endFrame(datagrams)]))
    await once(stream, 'finish')
  }
  return { files, rows }
}

function addressOf(observer: string): string {
  const number = Number(/\d+$/.exec(observer)?.[0] ?? 0)
  return `172.16.${number >> 8}.${number & 255}`
}

function recordOf(row: FleetRow): Buffer {
  const record = Buffer.allocUnsafe(recordBytes)
  writeAddress(record, row.src, 0)
  writeAddress(record, row.dst, 4)
  record.writeUInt16BE(row.srcPort, 8)
  record.writeUInt16BE(row.dstPort, 10)
  record[12] = row.protocol
  record.writeUInt32BE(Math.floor(row.bytes / 2 ** 32), 13)
  record.writeUInt32BE(row.bytes % 2 ** 32, 17)
  record.writeUInt32BE(row.packets, 21)
  record.writeUInt32BE(row.startSeconds, 25)
  record.writeUInt32BE(row.endSeconds, 29)
  return record
}

function writeAddress(record: Buffer, text: string, at: number): void {
  let value = 0
  let to = at
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit >= 0) value = value * 10 + digit
    else {
      record[to++] = value
      value = 0
    }
  }
  record[to] = value
}

function messageOf(
  records: readonly Buffer[],
  sequence: number,
  seconds: number,
  hasTemplate: boolean,
): Buffer {
  const templateBytes = hasTemplate ? 8 + fields.length * 4 : 0
  const message = Buffer.alloc(16 + templateBytes + 4 + records.length * recordBytes)
  message.writeUInt16BE(10, 0)
  message.writeUInt16BE(message.length, 2)
  message.writeUInt32BE(seconds, 4)
  message.writeUInt32BE(sequence, 8)
  let at = 16
  if (hasTemplate) {
    for (const value of [2, templateBytes, 256, fields.length]) at = message.writeUInt16BE(value, at)
    for (const field of fields) for (const value of field) at = message.writeUInt16BE(value, at)
  }
  at = message.writeUInt16BE(256, at)
  at = message.writeUInt16BE(4 + records.length * recordBytes, at)
  for (const record of records) at += record.copy(message, at)
  return message
}
