import { utf8 } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { hasFields, parseCanonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'

/** An entry's private half; `docs/formats/entry.md`, "Payload". A type it does not know is kept, not refused. */
export interface EntryPayload {
  readonly v: 1
  readonly id: string
  readonly type: string
  readonly tenant: string
  readonly region: string
  /** `YYYY-MM-DDTHH:MM:SS.mmmZ` */
  readonly time: string
  readonly seq: number
  /** The commitment of the tenant's entry before, hex; 64 zeros for number 0. */
  readonly prev: string
  readonly body: { readonly [field: string]: Json }
}

export const noPrevious = '0'.repeat(64)
const fields = 'body,id,prev,region,seq,tenant,time,type,v'.split(',')
/** In UTF-8. */
export const maxPayloadBytes = 1 << 20
const hex64 = /^[0-9a-f]{64}$/

export const payloadTooLong = `the payload is longer than ${maxPayloadBytes} bytes`

/** The payload, or what is wrong with it. Never lenient: two readers must not see two things in one commitment. */
export function parsePayload(text: string): EntryPayload | string {
  if (3 * text.length > maxPayloadBytes && utf8(text).length > maxPayloadBytes) return payloadTooLong
  const value = parseCanonicalJson(text)
  return value === null ? 'the payload is not canonical JSON' : checkPayload(value)
}

/** The same of a value that was parsed as canonical JSON. What is as expected needs no look at its form. */
export function checkPayload(
  value: Json,
  expected: { readonly tenant: string; readonly prev: string } | null = null,
): EntryPayload | string {
  if (!isRecord(value)) return 'the payload is not an object'
  // Canonical, so the keys are in order.
  if (!hasFields(value, fields)) return 'the payload has other fields than the format'
  const { v, id, type, tenant, region, time, seq, prev, body } = value
  if (v !== 1) return 'the payload has another version than 1'
  if (typeof id !== 'string' || !/^[0-9a-hjkmnp-tv-z]{26}$/.test(id)) return 'the payload has no entry id'
  if (typeof type !== 'string' || type === '') return 'the payload has no type'
  if (typeof tenant !== 'string' || (tenant !== expected?.tenant && !hex64.test(tenant)))
    return 'the payload names no tenant'
  if (typeof region !== 'string' || region === '') return 'the payload names no region'
  if (typeof time !== 'string' || (parseIsoTime(time) ?? -1) < 0) return 'the payload has no valid time'
  if (typeof seq !== 'number' || seq < 0) return 'the payload has no sequence number'
  if (typeof prev !== 'string' || (prev !== expected?.prev && !hex64.test(prev)))
    return 'the payload does not name the entry before'
  if (!isRecord(body)) return 'the payload has no body'
  return { v, id, type, tenant, region, time, seq, prev, body }
}

function isRecord(value: Json | undefined): value is { readonly [field: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
