/**
 * Datagrams on their way to disk: batches, segments, syncs. A datagram is *stored* once the sync that covers it has
 * returned, and is held in memory until then; so a disk that is full or fails for a while costs nothing as long as memory
 * reaches, and afterwards exactly what is counted.
 *
 * Hot path (`bench/collect.ts`): `add` copies into a buffer that is there already, and makes nothing.
 *
 * Crash points: in a write, the open segment has half a frame at its end (cut off by the next start); before the rename,
 * the segment is still called open (given its name by the next start); after it, it waits to be decoded.
 */
import { crc32 } from 'node:zlib'
import { parseAddress } from '../address.ts'
import { captureMagic, frameHeaderBytes, frameKinds } from './capture-format.ts'
import { endFrame } from './capture-writer.ts'
import { openSegmentPath, segmentPath, spoolFolder } from './folder.ts'
import type { SpoolDisk, SpoolFile } from './spool-disk.ts'
import { statedRecords } from './stated-records.ts'

export type SpoolLimits = {
  readonly segmentBytes: number
  readonly segmentMs: number
  /** What may wait in memory for a disk that does not take it. */
  readonly memoryBytes: number
  /** Left to others, and to the decoder, which needs room to make room. */
  readonly keepFreeBytes: number
  readonly retryMs: number
}

export type Unwritten = {
  readonly datagrams: number
  /** Of those whose header says so. */
  readonly records: number
  readonly datagramsOfUnknownRecords: number
}

export type SpoolCounts = {
  readonly received: number
  readonly receivedBytes: number
  readonly stored: number
  readonly waiting: number
  readonly unwritten: Unwritten
  /** Why the disk takes nothing, while it does not. */
  readonly fault: string | null
}

export type FinishedSegment = { readonly number: number; readonly bytes: number; readonly datagrams: number }

type Batch = { readonly buffer: Buffer; used: number; datagrams: number }

type Segment = {
  readonly number: number
  readonly file: SpoolFile
  readonly openedMs: number
  isClosed: boolean
  written: number
  synced: number
  syncedDatagrams: number
  /** Written, and not known to be on disk. */
  unsynced: Batch[]
}

const batchBytes = 1024 * 1024
const batchesAtOnce = 16
const tickMs = 100
const syncAfterMs = 400
const syncAfterBytes = 8 * 1024 * 1024
const roomCheckMs = 500
const maxAddresses = 50_000
const fixedBodyBytes = 12

class NoRoom extends Error {}

export class Spool {
  readonly #disk: SpoolDisk
  readonly #folder: string
  readonly #limits: SpoolLimits
  readonly #now: () => number
  readonly #monotonicMs: () => number
  readonly #onSegment: (segment: FinishedSegment) => void
  readonly #addresses = new Map<string, Buffer>()
  readonly #free: Buffer[] = []
  #queue: Batch[] = []
  #current: Batch | null = null
  #segment: Segment | null = null
  /** A segment that the disk refused to go on with, until it is cut to what is known of it and has its name. */
  #given: Segment | null = null
  #next: number
  #held = 0
  #received = 0
  #receivedBytes = 0
  #stored = 0
  #waiting = 0
  #unwritten = { datagrams: 0, records: 0, datagramsOfUnknownRecords: 0 }
  #fault: string | null = null
  #syncedMs = 0
  #roomCheckedMs = Number.NEGATIVE_INFINITY
  #roomBytes = 0
  #stopping = false
  #wake: (() => void) | null = null
  #running: Promise<void> | null = null

  constructor(options: {
    readonly disk: SpoolDisk
    readonly folder: string
    readonly firstSegment: number
    readonly limits: SpoolLimits
    readonly now: () => number
    readonly monotonicMs: () => number
    readonly onSegment: (segment: FinishedSegment) => void
  }) {
    this.#disk = options.disk
    this.#folder = options.folder
    this.#limits = options.limits
    this.#now = options.now
    this.#monotonicMs = options.monotonicMs
    this.#onSegment = options.onSegment
    this.#next = options.firstSegment
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Never waits and never throws. */
  add(payload: Buffer, address: string, port: number): void {
    this.#received += 1
    this.#receivedBytes += payload.length
    const from = this.#addressBytes(address)
    const bodyBytes = fixedBodyBytes + from.length + payload.length
    let batch = this.#current
    if (batch === null || batch.used + frameHeaderBytes + bodyBytes > batchBytes) {
      this.#seal()
      batch = this.#take()
      if (batch === null) {
        this.#countUnwritten(payload)
        return
      }
      if (this.#queue.length > 0) this.#wake?.()
    }
    const { buffer } = batch
    const at = batch.used + frameHeaderBytes
    const end = at + bodyBytes
    buffer[at] = frameKinds.datagram
    const unixMs = Math.max(0, this.#now())
    buffer.writeUInt32BE(Math.floor(unixMs / 2 ** 32), at + 1)
    buffer.writeUInt32BE(unixMs >>> 0, at + 5)
    buffer[at + 9] = from.length === 4 ? 4 : 6
    buffer.writeUInt16BE(port, at + 10)
    from.copy(buffer, at + fixedBodyBytes)
    payload.copy(buffer, at + fixedBodyBytes + from.length)
    buffer.writeUInt32BE(bodyBytes, batch.used)
    buffer.writeUInt32BE(crc32(buffer.subarray(at, end)), batch.used + 4)
    batch.used = end
    batch.datagrams += 1
    this.#waiting += 1
  }

  counts(): SpoolCounts {
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      stored: this.#stored,
      waiting: this.#waiting,
      unwritten: { ...this.#unwritten },
      fault: this.#fault,
    }
  }

  /** Stores what has arrived and finishes the open segment. What the disk does not take by then is counted as unwritten. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#wake?.()
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      const isLast = this.#stopping
      try {
        await this.#step(isLast)
        this.#fault = null
        if (isLast) return
      } catch (error) {
        this.#fault = error instanceof Error ? error.message : String(error)
        this.#giveUpSegment()
        if (isLast) {
          await this.#finishGiven().catch(() => {})
          this.#dropAll()
          return
        }
        await this.#pause(this.#limits.retryMs)
        continue
      }
      if (this.#queue.length === 0) await this.#pause(tickMs)
    }
  }

  async #step(isLast: boolean): Promise<void> {
    await this.#finishGiven()
    this.#seal()
    if (this.#queue.length > 0) {
      await this.#demandRoom()
      this.#segment ??= await this.#open()
      const batches = this.#queue.splice(0, isLast ? this.#queue.length : batchesAtOnce)
      const segment = this.#segment
      segment.unsynced.push(...batches)
      const buffers = batches.map(({ buffer, used }) => buffer.subarray(0, used))
      const bytes = buffers.reduce((sum, { length }) => sum + length, 0)
      await segment.file.write(buffers, segment.written)
      segment.written += bytes
      this.#roomBytes -= bytes
    }
    const segment = this.#segment
    if (segment === null) return
    const nowMs = this.#monotonicMs()
    const isFull =
      segment.written >= this.#limits.segmentBytes || nowMs - segment.openedMs >= this.#limits.segmentMs
    if (isLast || isFull) await this.#finish(segment)
    else if (
      segment.unsynced.length > 0 &&
      (nowMs - this.#syncedMs >= syncAfterMs || segment.written - segment.synced >= syncAfterBytes)
    )
      await this.#sync(segment)
  }

  async #open(): Promise<Segment> {
    const number = this.#next
    const file = await this.#disk.create(openSegmentPath(this.#folder, number))
    this.#next += 1
    const segment = {
      number,
      file,
      openedMs: this.#monotonicMs(),
      isClosed: false,
      written: captureMagic.length,
      synced: 0,
      syncedDatagrams: 0,
      unsynced: [],
    }
    // From here on it is ours to cut or to take away.
    this.#segment = segment
    await file.write([captureMagic], 0)
    return segment
  }

  async #sync(segment: Segment): Promise<void> {
    await segment.file.sync()
    this.#syncedMs = this.#monotonicMs()
    segment.synced = segment.written
    for (const batch of segment.unsynced) {
      segment.syncedDatagrams += batch.datagrams
      this.#stored += batch.datagrams
      this.#waiting -= batch.datagrams
      this.#release(batch)
    }
    segment.unsynced = []
  }

  async #finish(segment: Segment): Promise<void> {
    const datagrams = segment.unsynced.reduce((sum, batch) => sum + batch.datagrams, segment.syncedDatagrams)
    const end = endFrame(datagrams)
    await segment.file.write([end], segment.written)
    segment.written += end.length
    await this.#sync(segment)
    this.#given = segment
    this.#segment = null
    await this.#finishGiven()
  }

  /** What is not known to be on disk goes back to where it came from, before everything newer. */
  #giveUpSegment(): void {
    const segment = this.#segment
    if (segment === null) return
    this.#queue = [...segment.unsynced, ...this.#queue]
    segment.unsynced = []
    // A write that failed may have left anything behind.
    segment.written = Number.POSITIVE_INFINITY
    this.#segment = null
    this.#given = segment
  }

  async #finishGiven(): Promise<void> {
    const segment = this.#given
    if (segment === null) return
    const open = openSegmentPath(this.#folder, segment.number)
    if (segment.written !== segment.synced) {
      // What is cut off is written again elsewhere: it must not come back with the power.
      await segment.file.truncate(segment.synced)
      await segment.file.sync()
      segment.written = segment.synced
    }
    if (!segment.isClosed) await segment.file.close()
    segment.isClosed = true
    if (segment.syncedDatagrams === 0) await this.#disk.remove(open)
    else await this.#disk.rename(open, segmentPath(this.#folder, segment.number))
    this.#given = null
    const { number, synced, syncedDatagrams } = segment
    if (syncedDatagrams > 0) this.#onSegment({ number, bytes: synced, datagrams: syncedDatagrams })
  }

  async #demandRoom(): Promise<void> {
    const nowMs = this.#monotonicMs()
    if (nowMs - this.#roomCheckedMs >= roomCheckMs || this.#roomBytes <= 0) {
      this.#roomBytes = (await this.#disk.freeBytes(spoolFolder(this.#folder))) - this.#limits.keepFreeBytes
      this.#roomCheckedMs = nowMs
    }
    const needed = this.#queue.slice(0, batchesAtOnce).reduce((sum, { used }) => sum + used, 0)
    if (this.#roomBytes < needed) {
      this.#roomCheckedMs = Number.NEGATIVE_INFINITY
      throw new NoRoom('the disk is full, but for what is kept free')
    }
  }

  #seal(): void {
    if (this.#current === null || this.#current.used === 0) return
    this.#queue.push(this.#current)
    this.#current = null
  }

  #take(): Batch | null {
    if (this.#current !== null) return this.#current
    let buffer = this.#free.pop()
    if (buffer === undefined) {
      if (this.#held + batchBytes > this.#limits.memoryBytes) return null
      this.#held += batchBytes
      buffer = Buffer.allocUnsafeSlow(batchBytes)
    }
    this.#current = { buffer, used: 0, datagrams: 0 }
    return this.#current
  }

  #release(batch: Batch): void {
    // A burst's buffers are given back, a few are kept for the next.
    if (this.#free.length < batchesAtOnce * 2) this.#free.push(batch.buffer)
    else this.#held -= batchBytes
  }

  #countUnwritten(payload: Buffer): void {
    const records = statedRecords(payload)
    this.#unwritten.datagrams += 1
    if (records === null) this.#unwritten.datagramsOfUnknownRecords += 1
    else this.#unwritten.records += records
  }

  #dropAll(): void {
    this.#seal()
    for (const { buffer, used } of this.#queue) {
      for (let at = 0; at < used; ) {
        const length = buffer.readUInt32BE(at)
        const addressBytes = buffer[at + frameHeaderBytes + 9] === 6 ? 16 : 4
        const from = at + frameHeaderBytes + fixedBodyBytes + addressBytes
        at += frameHeaderBytes + length
        this.#countUnwritten(buffer.subarray(from, at))
      }
    }
    this.#queue = []
    this.#waiting = 0
  }

  #addressBytes(address: string): Buffer {
    const known = this.#addresses.get(address)
    if (known !== undefined) return known
    if (this.#addresses.size >= maxAddresses) this.#addresses.clear()
    const bytes = packed(address)
    this.#addresses.set(address, bytes)
    return bytes
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        // A disk that failed is not asked again sooner because more has come.
        if (this.#fault !== null && !this.#stopping) return
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function packed(text: string): Buffer {
  const address = parseAddress(text.replace(/%.*$/, ''))
  if (address === null) return Buffer.alloc(4)
  const bytes = Buffer.alloc(address.family === 4 ? 4 : 16)
  if (address.family === 4) bytes.writeUInt32BE(address.value)
  else {
    bytes.writeBigUInt64BE(address.hi, 0)
    bytes.writeBigUInt64BE(address.lo, 8)
  }
  return bytes
}
