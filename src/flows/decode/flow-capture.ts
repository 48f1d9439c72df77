import { crc32 } from 'node:zlib'
import { addressText } from '../address.ts'
import { captureMagic, frameHeaderBytes, frameKinds, maxFrameBytes } from '../collect/capture-format.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { ByteSource } from './byte-source.ts'
import { createExportDecoder } from './export-decoder.ts'
import type { Notes } from './notes.ts'
import { latestUnixMs } from './timestamps.ts'

/** A file that `--listen` wrote. What a crash left at its end is counted, and everything before it is read. */
export async function* readFlowCapture(
  source: ByteSource,
  notes: Notes,
): AsyncGenerator<readonly FlowRecord[]> {
  await source.fill(captureMagic.length)
  source.take(captureMagic.length)
  const decoder = createExportDecoder(notes)
  let datagrams = 0
  let ended = false
  while ((await source.fill(frameHeaderBytes)) && !ended) {
    const head = source.take(frameHeaderBytes)
    const length = head.readUInt32BE(0)
    const checksum = head.readUInt32BE(4)
    if (length === 0 || length > maxFrameBytes) {
      notes.unread('capture: a frame of impossible length; what follows it cannot be found', length)
      break
    }
    if (!(await source.fill(length))) {
      notes.unread('capture: cut off within its last frame', source.available)
      source.takeAll()
      break
    }
    const body = source.take(length)
    if (crc32(body) !== checksum) {
      notes.unread('capture: damaged frame (its checksum differs)', length)
      continue
    }
    if (body[0] === frameKinds.end && length === 9) {
      ended = true
      const stated = body.readBigUInt64BE(1)
      if (stated !== BigInt(datagrams))
        notes.lost('capture: datagrams its end counts and it does not hold', 1)
      continue
    }
    const addressBytes = body[9] === 6 ? 16 : 4
    if (body[0] !== frameKinds.datagram || length < 12 + addressBytes) {
      notes.unread('capture: frame of a kind we do not know', length)
      continue
    }
    datagrams += 1
    // A copy: decoders may hold a set until its template comes, and the source reuses its buffer.
    const exporter = addressText(body, 12, addressBytes)
    const arrivedUnixMs = Math.min(Number(body.readBigUInt64BE(1)), latestUnixMs)
    yield decoder.decode(body.subarray(12 + addressBytes), exporter, arrivedUnixMs)
  }
  yield decoder.end()
  if (!ended) notes.remark('the capture was not ended in order: it may have been cut off')
  for await (const chunk of source.rest()) notes.unread('capture: bytes after its end', chunk.length)
}
