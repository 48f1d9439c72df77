/** One field of a template. A `pen` of 0 is IANA's registry; v9 has no other. */
export type TemplateField = { readonly id: number; readonly pen: number; readonly length: number }

export type Template = {
  readonly id: number
  readonly fields: readonly TemplateField[]
  /** What the exporter says of itself, not flows. Some devices send options without any scope. */
  readonly isOptions: boolean
  /** How many of the first fields are scope. */
  readonly scopeFields: number
  /** RFC 3954 section 6.1: scope fields of v9 have their own numbers (1 is the system), not the registry's. */
  readonly scopeIsV9: boolean
  /** Bytes of the shortest record, so that padding can be told from a record; never 0. */
  readonly minBytes: number
  readonly isVariable: boolean
}

/** RFC 7011 section 7: a field of this length says its own length in each record. */
export const variableLength = 65535
/** The PEN under which RFC 5103 gives the reverse direction of an information element. */
export const reversePen = 29305
/** No datagram holds a longer record; in v9, where no length is variable, 65535 is such a length. */
const mostRecordBytes = 65_507

export type TemplateShape = {
  readonly id: number
  readonly fieldCount: number
  readonly isOptions: boolean
  readonly scopeFields: number
  readonly isIpfix: boolean
}

export type TemplateParse = { readonly template: Template; readonly bytes: number }

/**
 * Reads the field specifiers of one template record; `null` when they run past the end, or would make records of no
 * bytes, which would never end, or of more than a datagram.
 */
export function parseFields(bytes: Buffer, at: number, shape: TemplateShape): TemplateParse | null {
  const fields: TemplateField[] = []
  let offset = at
  let minBytes = 0
  let isVariable = false
  for (let i = 0; i < shape.fieldCount; i++) {
    if (offset + 4 > bytes.length) return null
    const rawId = bytes.readUInt16BE(offset)
    const length = bytes.readUInt16BE(offset + 2)
    offset += 4
    let pen = 0
    if (shape.isIpfix && (rawId & 0x8000) !== 0) {
      if (offset + 4 > bytes.length) return null
      pen = bytes.readUInt32BE(offset)
      offset += 4
    }
    if (shape.isIpfix && length === variableLength) {
      isVariable = true
      minBytes += 1
    } else {
      minBytes += length
    }
    fields.push({ id: shape.isIpfix ? rawId & 0x7fff : rawId, pen, length })
  }
  if (minBytes === 0 || minBytes > mostRecordBytes) return null
  const { id, isOptions, scopeFields } = shape
  return {
    template: { id, fields, isOptions, scopeFields, scopeIsV9: !shape.isIpfix, minBytes, isVariable },
    bytes: offset - at,
  }
}

export type RecordField = (field: TemplateField, offset: number, length: number, index: number) => void

/** Walks the fields of one record; the offset after it, or `null` when the record runs past `end`. */
export function walkRecord(
  template: Template,
  bytes: Buffer,
  at: number,
  end: number,
  visit: RecordField,
): number | null {
  let offset = at
  const { fields, isVariable, scopeIsV9 } = template
  if (!isVariable && at + template.minBytes > end) return null
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!
    let length = field.length
    if (isVariable && length === variableLength && !scopeIsV9) {
      if (offset + 1 > end) return null
      length = bytes[offset]!
      offset += 1
      if (length === 255) {
        if (offset + 2 > end) return null
        length = bytes.readUInt16BE(offset)
        offset += 2
      }
    }
    if (offset + length > end) return null
    visit(field, offset, length, i)
    offset += length
  }
  return offset
}
