import type { IpStart } from './link-layer.ts'

type BehindLlc = (frame: Buffer, at: number, direction: null) => IpStart | string

const cutOff = 'frame shorter than its link header'

/** Radiotap: a header of little-endian length before the IEEE 802.11 frame. */
export function wifiBehindRadiotap(frame: Buffer, behindLlc: BehindLlc): IpStart | string {
  if (frame.length < 8) return cutOff
  return wifi(frame, frame.readUInt16LE(2), behindLlc)
}

/** An IEEE 802.11 data frame that is not encrypted; the rest of the air carries no IP that can be read. */
export function wifi(frame: Buffer, at: number, behindLlc: BehindLlc): IpStart | string {
  if (frame.length < at + 24) return cutOff
  const control = frame[at]!
  const flags = frame[at + 1]!
  if ((control & 0x0c) !== 0x08) return 'not IP: IEEE 802.11 management or control'
  // Subtypes 4 to 7 and 12 to 15 carry no data.
  if ((control & 0x40) !== 0) return 'not IP: IEEE 802.11 frame without data'
  if ((flags & 0x40) !== 0) return 'not IP: IEEE 802.11 frame that is encrypted'
  const hasFourAddresses = (flags & 3) === 3
  const isQos = (control & 0x80) !== 0
  let length = 24 + (hasFourAddresses ? 6 : 0)
  if (isQos) {
    if (frame.length < at + length + 2) return cutOff
    if ((frame[at + length]! & 0x80) !== 0) return 'IEEE 802.11 aggregate, which is not taken apart'
    length += 2 + ((flags & 0x80) !== 0 ? 4 : 0)
  }
  return behindLlc(frame, at + length, null)
}
