import { reversePen, type Template } from './template.ts'

/** Added to a reverse element's number (RFC 5103), which is else the same as the forward one's. */
export const reverse = 0x10000

/** Elements of IANA's registry that say something of a flow; its first 127 are NetFlow v9's. */
const wanted = new Set([
  1, 2, 4, 7, 8, 11, 12, 21, 22, 23, 24, 27, 28, 61, 85, 86, 136, 148, 150, 151, 152, 153, 154, 155, 156, 157,
  158, 159, 160, 161, 162, 180, 181, 182, 183, 231, 232, 298, 299, 312, 313, 315, 323, 352, 353,
])
const ofSampling = new Set([34, 48, 50, 302, 305, 306, 309, 310, 311])
const interfaces = new Set([10, 14])
const reversed = new Set([1, 2, 23, 24, 85, 86, 352, 353])

/**
 * A template as what is to be done for each of its records: only fields that matter, each with its place. Worked out
 * once for each template, for templates describe millions of records.
 */
export type RecordPlan = {
  readonly ids: Int32Array
  /** In a template of fixed lengths the offset from the record's start. */
  readonly offsets: Int32Array
  readonly lengths: Int32Array
  /** Every field, for templates of variable length: its number or -1, and its length. */
  readonly walk: { readonly ids: Int32Array; readonly lengths: Int32Array } | null
  readonly hasSampling: boolean
  /** Counters that run on from record to record: nothing says how much is new. */
  readonly hasTotalsOnly: boolean
}

/** `withInterfaces` reads them too, which is needed only where sampling rates are stated by interface. */
export function planRecord(template: Template, withInterfaces = false): RecordPlan {
  const ids: number[] = []
  const offsets: number[] = []
  const lengths: number[] = []
  const walkIds: number[] = []
  let offset = 0
  let hasSampling = false
  for (const { id, pen, length } of template.fields) {
    const isOfSampling = pen === 0 && (ofSampling.has(id) || (withInterfaces && interfaces.has(id)))
    const isWanted = isOfSampling || (pen === 0 ? wanted.has(id) : pen === reversePen && reversed.has(id))
    const number = isWanted ? (pen === reversePen ? id + reverse : id) : -1
    if (isOfSampling) hasSampling = true
    walkIds.push(number)
    if (number >= 0) {
      ids.push(number)
      offsets.push(offset)
      lengths.push(length)
    }
    offset += length
  }
  const has = (id: number) => ids.includes(id)
  return {
    ids: Int32Array.from(ids),
    offsets: Int32Array.from(offsets),
    lengths: Int32Array.from(lengths),
    walk: template.isVariable
      ? { ids: Int32Array.from(walkIds), lengths: Int32Array.from(template.fields, field => field.length) }
      : null,
    hasSampling,
    hasTotalsOnly: (has(85) || has(353)) && ![1, 23, 231, 352].some(has),
  }
}

/** Bytes of the length in front of a variable field at `at`, and the length; -1 when it runs past the end. */
export function variableField(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return -1
  const short = bytes[at]!
  if (short !== 255) return (1 << 16) | short
  return at + 3 > end ? -1 : (3 << 16) | bytes.readUInt16BE(at + 1)
}
