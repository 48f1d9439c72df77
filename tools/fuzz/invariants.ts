import { hasCode } from '../../src/core/errors.ts'
import { parseAddress } from '../../src/flows/address.ts'
import { readColumns, readInput } from '../../src/flows/decode/read-input.ts'
import type { FlowRecord } from '../../src/flows/flow-record.ts'
import type { NameSighting } from '../../src/flows/names/sighting.ts'
import { createObserverBook } from '../../src/flows/observer.ts'

const latestUnixMs = 8.64e15

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** What must hold for any input, read in chunks of a size, and does not; `null` when all of it does. */
export async function brokenInvariant(bytes: Buffer, chunkBytes: number): Promise<string | null> {
  const started = process.cpuUsage()
  let fault: string | null = null
  try {
    const reading = readInput('input', chunks(bytes, chunkBytes))
    let step = await reading.next()
    while (step.done !== true) {
      for (const record of step.value) fault ??= wrongRecord(record)
      step = await reading.next()
    }
    if (step.value.bytes !== bytes.length) fault ??= 'not all bytes were read'
    if (JSON.stringify(step.value).length > 1_000_000) fault ??= 'notes without bound'
    const columns = readColumns('input', chunks(bytes, chunkBytes), null, createObserverBook(), {
      // Every address is a server's, so that every name is read.
      serverAt: address => (parseAddress(address) === null ? -1 : 0),
      add: sighting => void (fault ??= wrongName(sighting)),
      refuse: () => {},
    })
    for await (const _ of columns);
  } catch (error) {
    if (!hasCode(error, 'bad-input'))
      fault = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const { user, system } = process.cpuUsage(started)
  const tookMs = (user + system) / 1000
  // Generous, for compression: this is about quadratic time.
  if (tookMs > 3000 + bytes.length * 0.1) fault ??= `took ${Math.round(tookMs)} ms for ${bytes.length} bytes`
  return fault
}

function wrongName({ name, dstAddr, socket, fromUnixMs, untilUnixMs }: NameSighting): string | null {
  if (!/^[a-z0-9_.-]{1,253}$/.test(name)) return `a name of ${JSON.stringify(name)}`
  if (parseAddress(dstAddr) === null) return 'a name of no address'
  for (const time of [fromUnixMs, untilUnixMs])
    if (!Number.isFinite(time) || Math.abs(time) > latestUnixMs + 86_400_000) return `a name at ${time}`
  if (untilUnixMs < fromUnixMs) return 'a name that ends before it starts'
  if (socket === null) return null
  const { srcPort, dstPort } = socket
  return [srcPort, dstPort].every(port => port >= 0 && port <= 65_535) ? null : 'a name of no port'
}

function wrongRecord(record: FlowRecord): string | null {
  const { packets, ipBytes, payloadBytes, original, startUnixMs, endUnixMs, srcPort, dstPort, protocol } =
    record
  for (const count of [packets, ipBytes, original.bytes, original.packets, payloadBytes ?? 0]) {
    if (!Number.isSafeInteger(count) || count < 0) return `a counter of ${count}`
  }
  for (const time of [startUnixMs, endUnixMs]) {
    if (!Number.isFinite(time) || Math.abs(time) > latestUnixMs) return `a time of ${time}`
  }
  if (startUnixMs > endUnixMs) return `ends (${endUnixMs}) before it starts (${startUnixMs})`
  for (const port of [srcPort, dstPort]) if (!(port >= 0 && port <= 65_535)) return `a port of ${port}`
  if (!(protocol >= 0 && protocol <= 255)) return `a protocol of ${protocol}`
  if (parseAddress(record.srcAddr) === null || parseAddress(record.dstAddr) === null) return 'no address'
  if (!(record.sampling.rate >= 1)) return `a sampling rate of ${record.sampling.rate}`
  return record.exporter.length > 512 ? 'an exporter without bound' : null
}
