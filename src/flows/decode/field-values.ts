/**
 * Values of information elements, which may come in fewer bytes than the registry says (RFC 7011 section 6.2).
 */

/** An unsigned integer of 1 to 8 bytes; past 2^53 it is `Infinity`, which every later check refuses. */
export function unsigned(bytes: Buffer, at: number, length: number): number {
  if (length === 4) return bytes.readUInt32BE(at)
  if (length === 2) return bytes.readUInt16BE(at)
  if (length === 1) return bytes[at]!
  if (length === 0) return 0
  if (length > 8) return Number.POSITIVE_INFINITY
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + bytes[at + i]!
  return value <= Number.MAX_SAFE_INTEGER ? value : Number.POSITIVE_INFINITY
}

const secondsFrom1900To1970 = 2_208_988_800

/** RFC 7011 section 6.1.9: microseconds and nanoseconds travel as an NTP timestamp. */
export function ntpUnixMs(bytes: Buffer, at: number, length: number): number | null {
  if (length !== 8) return null
  const seconds = bytes.readUInt32BE(at)
  const fraction = bytes.readUInt32BE(at + 4)
  return (seconds - secondsFrom1900To1970) * 1000 + Math.floor((fraction * 1000) / 2 ** 32)
}
