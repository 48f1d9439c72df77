import { isSflow, sflowLength } from './sflow.ts'

/** 1995: no exporter is older, and few bytes that are something else read as a date after it. */
export const earliestUnixSeconds = 788_918_400

/**
 * Is this UDP payload an export, whatever its port? Only when its own counts and lengths describe it to the last
 * byte, so that hardly anything else is taken for one.
 */
export function isWholeExport(payload: Buffer): boolean {
  const version = payload.readUInt16BE(0)
  switch (version) {
    case 0:
      return isSflow(payload) && sflowLength(payload) === payload.length
    case 5:
      return (
        payload.length === 24 + 48 * payload.readUInt16BE(2) &&
        payload.length > 24 &&
        payload.readUInt32BE(8) >= earliestUnixSeconds
      )
    case 9:
      return (
        payload.length >= 24 &&
        payload.readUInt32BE(8) >= earliestUnixSeconds &&
        isSets(payload, 20, id => id < 2 || id > 255)
      )
    case 10:
      return (
        payload.readUInt16BE(2) === payload.length &&
        payload.length > 16 &&
        payload.readUInt32BE(4) >= earliestUnixSeconds &&
        isSets(payload, 16, id => id === 2 || id === 3 || id > 255)
      )
    default:
      return false
  }
}

/** At a port of collectors a header that makes sense is enough: what is wrong behind it is then counted. */
export function mayBeExport(payload: Buffer): boolean {
  const version = payload.readUInt16BE(0)
  const second = payload.readUInt16BE(2)
  switch (version) {
    case 0:
      return isSflow(payload)
    case 1:
    case 5:
    case 7:
      return second > 0 && second <= 1364 && payload.readUInt32BE(8) >= earliestUnixSeconds
    case 9:
      return payload.length >= 20 && second <= 4096 && payload.readUInt32BE(8) >= earliestUnixSeconds
    case 10:
      return second >= 16 && payload.readUInt32BE(4) >= earliestUnixSeconds
    default:
      return false
  }
}

/** Sets end to end up to the last byte; exporters may fill a message up with zeros. */
function isSets(payload: Buffer, from: number, isSetId: (id: number) => boolean): boolean {
  let at = from
  while (at + 4 <= payload.length) {
    const id = payload.readUInt16BE(at)
    const length = payload.readUInt16BE(at + 2)
    if (length < 4 || !isSetId(id)) break
    at += length
  }
  return at > from && at <= payload.length && payload.subarray(at).every(byte => byte === 0)
}
