/**
 * Rows of a cloud's flow log, straight from bytes into columns: hot path, a hundred megabytes a second and more
 * (`bench/decode.ts`). It reads the plain row, of cells with one space between them, and leaves every other one to the
 * reader that knows them all.
 */
import { wordsOf } from '../address-words.ts'
import { makeColumns } from '../columns.ts'
import { batchRows, type FlowColumns, flowSpecs } from '../flow-columns.ts'
import { MAX_RECORD_BYTES } from '../flow-record.ts'
import type { ObserverBook } from '../observer.ts'

/** Which cell is what; -1 where the row has none. */
export type QuickPlan = {
  readonly cells: number
  readonly src: number
  readonly dst: number
  readonly srcPort: number
  readonly dstPort: number
  readonly protocol: number
  readonly packets: number
  readonly bytes: number
  readonly start: number
  readonly end: number
  readonly action: number
  readonly status: number
  readonly direction: number
  readonly observer: number
}

const kinds = [
  'src',
  'dst',
  'srcPort',
  'dstPort',
  'protocol',
  'packets',
  'bytes',
  'start',
  'end',
  'action',
  'status',
  'direction',
  'observer',
] as const

const space = 32
const accept = Buffer.from('ACCEPT')
const ok = Buffer.from('OK')

export function createQuickRows(
  plan: QuickPlan,
  direction: { readonly in: string; readonly out: string },
  observers: ObserverBook,
) {
  const kindOf = new Int8Array(plan.cells).fill(-1)
  for (const [kind, name] of kinds.entries()) if (plan[name] >= 0) kindOf[plan[name]] = kind
  const isWhole =
    plan.src >= 0 && plan.dst >= 0 && plan.packets >= 0 && plan.bytes >= 0 && plan.start >= 0 && plan.end >= 0
  const columns: FlowColumns = makeColumns(flowSpecs, batchRows)
  columns.payloadBytes.fill(-1)
  columns.samplingRate.fill(1)
  const inName = Buffer.from(direction.in)
  const outName = Buffer.from(direction.out)
  let rows = 0

  /** Where a number ends, with the number in `value`; -1 when it is none. */
  let value = 0
  const number = (bytes: Buffer, from: number, end: number): number => {
    value = 0
    let at = from
    for (; at < end; at++) {
      const digit = bytes[at]! - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    return at === from || at - from > 15 ? -1 : at
  }
  /** Fills the words of an address and says where it ends; -1 when it is none. */
  const address = (bytes: Buffer, from: number, end: number, into: Uint32Array): number => {
    let at = from
    let words = 0
    for (let part = 0; part < 4; part++) {
      const first = at
      let octet = 0
      for (; at < end; at++) {
        const digit = bytes[at]! - 48
        if (digit < 0 || digit > 9) break
        octet = octet * 10 + digit
      }
      const length = at - first
      if (length === 0 || length > 3 || octet > 255 || (length > 1 && bytes[first] === 48))
        return address6(bytes, from, end, into)
      words = words * 256 + octet
      if (part < 3) {
        if (bytes[at] !== 46) return address6(bytes, from, end, into)
        at += 1
      }
    }
    const row = rows * 4
    into[row] = words
    into[row + 1] = 0xffff
    into[row + 2] = 0
    into[row + 3] = 0
    return at
  }
  const address6 = (bytes: Buffer, from: number, end: number, into: Uint32Array): number => {
    let at = from
    while (at < end && bytes[at] !== space) at += 1
    if (!bytes.subarray(from, at).includes(58)) return -1
    const words = wordsOf(bytes.toString('latin1', from, at))
    if (words === null) return -1
    into.set(words, rows * 4)
    return at
  }
  const is = (bytes: Buffer, from: number, to: number, word: Buffer): boolean => {
    if (to - from !== word.length) return false
    for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word[i]) return false
    return true
  }

  return {
    columns,
    get rows(): number {
      return rows
    },
    clear(): void {
      rows = 0
    },
    /** False: not a plain row, and nothing was taken of it. There must be room: `rows` below `batchRows`. */
    read(bytes: Buffer, from: number, end: number): boolean {
      if (!isWhole) return false
      let at = from
      let way: 'in' | 'out' | null = null
      let observerFrom = -1
      let observerTo = -1
      columns.srcPort[rows] = 0
      columns.dstPort[rows] = 0
      columns.protocol[rows] = 0
      for (let cell = 0; cell < plan.cells; cell++) {
        const first = at
        switch (kindOf[cell]) {
          case 0:
            at = address(bytes, at, end, columns.src)
            break
          case 1:
            at = address(bytes, at, end, columns.dst)
            break
          case 2:
            at = number(bytes, at, end)
            if (value > 65_535) return false
            columns.srcPort[rows] = value
            break
          case 3:
            at = number(bytes, at, end)
            if (value > 65_535) return false
            columns.dstPort[rows] = value
            break
          case 4:
            at = number(bytes, at, end)
            if (value > 255) return false
            columns.protocol[rows] = value
            break
          case 5:
            at = number(bytes, at, end)
            if (value > MAX_RECORD_BYTES) return false
            columns.packets[rows] = value
            columns.sampledPackets[rows] = value
            break
          case 6:
            at = number(bytes, at, end)
            if (value > MAX_RECORD_BYTES) return false
            columns.ipBytes[rows] = value
            break
          case 7:
            at = number(bytes, at, end)
            columns.startUnixMs[rows] = value > 1e11 ? value : value * 1000
            break
          case 8:
            at = number(bytes, at, end)
            columns.endUnixMs[rows] = value > 1e11 ? value : value * 1000
            break
          default:
            while (at < end && bytes[at] !== space) at += 1
            switch (kindOf[cell]) {
              case 9:
                if (!is(bytes, first, at, accept)) return false
                break
              case 10:
                if (!is(bytes, first, at, ok)) return false
                break
              case 11:
                way = is(bytes, first, at, inName) ? 'in' : is(bytes, first, at, outName) ? 'out' : null
                break
              case 12:
                observerFrom = first
                observerTo = at
            }
        }
        if (at <= first) return false
        if (cell + 1 === plan.cells) {
          if (at !== end) return false
        } else {
          if (at >= end || bytes[at] !== space) return false
          at += 1
        }
      }
      // A dash, or a name that is longer than is kept of it.
      if (observerTo - observerFrom > 64 || bytes[observerFrom] === 45 || observerFrom < 0) return false
      if (columns.endUnixMs[rows]! < columns.startUnixMs[rows]!)
        columns.endUnixMs[rows] = columns.startUnixMs[rows]!
      columns.observer[rows] = observers.idOfBytes(bytes, observerFrom, observerTo, way)
      rows += 1
      return true
    },
  }
}
