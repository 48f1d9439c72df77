import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { HoldfastError, messageOf, unreachable } from '../../core/errors.ts'
import { createPacker, type FlowBatch } from '../flow-columns.ts'
import type { FlowRecord } from '../flow-record.ts'
import type { NameSink } from '../names/sighting.ts'
import type { ObserverBook } from '../observer.ts'
import { alibabaFlowLog } from './alibaba.ts'
import { awsFlowLog } from './aws.ts'
import { readAzureFlowLog } from './azure.ts'
import { ByteSource } from './byte-source.ts'
import type { CsvMapping } from './csv-mapping.ts'
import { readExportFile } from './export-file.ts'
import { readFlowCapture } from './flow-capture.ts'
import { readGcpFlowLog } from './gcp.ts'
import { logEventLines } from './log-events.ts'
import { readNfdumpListing } from './nfdump-text.ts'
import { type InputNotes, Notes } from './notes.ts'
import { otherFormat } from './other-formats.ts'
import { readPcap } from './pcap.ts'
import { readPcapng } from './pcapng.ts'
import { type InputFormat, sniff, sniffBytes } from './sniff.ts'
import { readEve } from './suricata.ts'
import { readJsonTable, readTable } from './table.ts'
import { readVpcLog } from './vpc-log.ts'
import { readZeekJson, readZeekTsv } from './zeek.ts'

export type ReadInput = InputNotes & {
  readonly name: string
  /** Outermost first, such as `["gzip","aws"]`; `parquet` is read by the engine (`engine/parquet.ts`), and `collector` is what
   * one says of its own folder (`collect/folder-inputs.ts`). */
  readonly formats: readonly (InputFormat | 'parquet' | 'collector')[]
  readonly bytes: number
  readonly sha256: string
  readonly records: number
  readonly fromUnixMs: number | null
  readonly untilUnixMs: number | null
}

/** A compressed file within a compressed file happens; a chain of them is an attack. */
const maxLayers = 3

/**
 * Reads one input to its end, in one pass and bounded memory: hash, decompress, recognise, decode. Damage is counted
 * in the result and never thrown; an input that is nothing we read throws `bad-input`.
 */
export async function* readInput(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  mapping: CsvMapping | null = null,
): AsyncGenerator<readonly FlowRecord[], ReadInput> {
  const reading = read(name, chunks, mapping, null, null)
  for (;;) {
    const step = await reading.next()
    if (step.done === true) return step.value
    if (!('columns' in step.value)) yield step.value
  }
}

/**
 * The same as columns, for inputs of millions of records. A batch is valid until the next step. `names` takes the names of
 * what was connected to, where the input shows them.
 */
export async function* readColumns(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  mapping: CsvMapping | null,
  observers: ObserverBook,
  names: NameSink | null = null,
): AsyncGenerator<FlowBatch, ReadInput> {
  const reading = read(name, chunks, mapping, observers, names)
  const packer = createPacker(observers)
  for (;;) {
    const step = await reading.next()
    if (step.done === true) return step.value
    if ('columns' in step.value) yield step.value
    else yield* packer.pack(step.value)
  }
}

/** Without a book of observers there are no columns. */
async function* read(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  mapping: CsvMapping | null,
  observers: ObserverBook | null,
  names: NameSink | null,
): AsyncGenerator<FlowBatch | readonly FlowRecord[], ReadInput> {
  const notes = new Notes()
  const hash = createHash('sha256')
  let bytes = 0
  const hashed = (async function* () {
    for await (const chunk of chunks) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  })()
  const opened = await open(name, hashed, mapping, notes)
  let records = 0
  let fromUnixMs = Number.POSITIVE_INFINITY
  let untilUnixMs = Number.NEGATIVE_INFINITY
  for await (const batch of decode(opened.format, opened.source, name, mapping, notes, observers, names)) {
    if ('columns' in batch) {
      const { startUnixMs, endUnixMs } = batch.columns
      records += batch.rows
      for (let row = 0; row < batch.rows; row++) {
        if (startUnixMs[row]! < fromUnixMs) fromUnixMs = startUnixMs[row]!
        if (endUnixMs[row]! > untilUnixMs) untilUnixMs = endUnixMs[row]!
      }
    } else {
      records += batch.length
      for (const { startUnixMs, endUnixMs } of batch) {
        if (startUnixMs < fromUnixMs) fromUnixMs = startUnixMs
        if (endUnixMs > untilUnixMs) untilUnixMs = endUnixMs
      }
    }
    yield batch
  }
  // A decompressor stops at the end of its data; the hash covers the whole file.
  for await (const chunk of hashed) notes.unread('bytes after the end of the compressed data', chunk.length)
  const sha256 = hash.digest('hex')
  const { formats } = opened
  const times = records === 0 ? { fromUnixMs: null, untilUnixMs: null } : { fromUnixMs, untilUnixMs }
  return { ...notes.summary(), name, formats, bytes, sha256, records, ...times }
}

async function open(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  mapping: CsvMapping | null,
  notes: Notes,
): Promise<{ source: ByteSource; format: InputFormat; formats: InputFormat[] }> {
  let source = new ByteSource(chunks)
  const formats: InputFormat[] = []
  for (let layer = 0; layer < maxLayers; layer++) {
    await source.fill(sniffBytes)
    const format = sniff(source.peek(Math.min(sniffBytes, source.available)), mapping)
    if (format === null) {
      const other = otherFormat(source.peek(Math.min(sniffBytes, source.available)))
      const no = other === null ? 'is in no format that the audit reads' : `is ${other}`
      const what = source.available === 0 ? 'is empty' : no
      throw new HoldfastError('bad-input', `${name} ${what}`)
    }
    formats.push(format)
    if (format !== 'gzip' && format !== 'zstd') return { source, format, formats }
    source = new ByteSource(decompress(source, format, notes))
  }
  throw new HoldfastError('bad-input', `${name} is compressed more than ${maxLayers - 1} times over`)
}

async function* decompress(
  source: ByteSource,
  format: 'gzip' | 'zstd',
  notes: Notes,
): AsyncGenerator<Uint8Array> {
  const transform = format === 'gzip' ? createGunzip() : createZstdDecompress()
  const input = Readable.from(source.rest(), { objectMode: false })
  input.on('error', error => transform.destroy(error))
  input.pipe(transform)
  try {
    for await (const chunk of transform) yield chunk as Buffer
  } catch (error) {
    notes.unread(`${format} data damaged or cut off (${messageOf(error)}): nothing after it could be read`)
    input.unpipe(transform)
    // The rest is read all the same, so that the hash is the file's.
    for await (const _ of input);
  }
}

function decode(
  format: InputFormat,
  source: ByteSource,
  name: string,
  mapping: CsvMapping | null,
  notes: Notes,
  observers: ObserverBook | null,
  names: NameSink | null,
): AsyncGenerator<FlowBatch | readonly FlowRecord[]> {
  switch (format) {
    case 'flow-capture':
      return readFlowCapture(source, notes)
    case 'pcap':
      return readPcap(source, name, notes, names)
    case 'pcapng':
      return readPcapng(source, name, notes, names)
    case 'netflow-v1':
    case 'netflow-v5':
    case 'netflow-v7':
    case 'netflow-v9':
    case 'ipfix':
    case 'sflow':
      return readExportFile(source, name, notes)
    case 'aws':
      return readVpcLog(awsFlowLog, source, name, notes, observers)
    case 'aws-events': {
      const lines = new ByteSource(logEventLines(source, notes))
      return readVpcLog(awsFlowLog, lines, name, notes, observers)
    }
    case 'alibaba':
      return readVpcLog(alibabaFlowLog, source, name, notes, observers)
    case 'azure':
      return readAzureFlowLog(source, name, notes)
    case 'gcp':
      return readGcpFlowLog(source, name, notes)
    case 'zeek':
      return readZeekTsv(source, name, notes, names)
    case 'zeek-json':
      return readZeekJson(source, name, notes, names)
    case 'suricata':
      return readEve(source, name, notes, names)
    case 'csv':
      return readTable(source, name, mapping, notes)
    case 'json':
      return readJsonTable(source, name, mapping, notes)
    case 'nfdump':
      return readNfdumpListing(source, name, notes)
    case 'gzip':
    case 'zstd':
      throw new Error('compression is taken off before')
    default:
      return unreachable(format)
  }
}
