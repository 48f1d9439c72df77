/** Datagrams as exporters send them: many servers, many clients, different counters; 24 or 30 records each. */

export const unixSeconds = 1_768_471_200

/** The same numbers in every run. */
let state = 12345
export function random(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

export const server = () => 0x0a000000 + random(2000)
export const client = () => 0x2d000000 + random(200_000)

export function writer(bytes: number) {
  const buffer = Buffer.alloc(bytes)
  let at = 0
  return {
    buffer,
    u8: (value: number) => void (at = buffer.writeUInt8(value, at)),
    u16: (value: number) => void (at = buffer.writeUInt16BE(value, at)),
    u32: (value: number) => void (at = buffer.writeUInt32BE(value >>> 0, at)),
    zeros: (count: number) => void (at += count),
    done: () => buffer.subarray(0, at),
  }
}

export function netflowV5(sequence: number): Buffer {
  const w = writer(24 + 30 * 48)
  for (const value of [5, 30]) w.u16(value)
  for (const value of [1_000_000, unixSeconds, 0, sequence * 30]) w.u32(value)
  w.zeros(4)
  for (let i = 0; i < 30; i++) {
    for (const value of [server(), client(), 0]) w.u32(value)
    w.zeros(4)
    const packets = 1 + random(1000)
    for (const value of [packets, packets * 700, 900_000, 990_000]) w.u32(value)
    for (const value of [443, 1024 + random(60_000)]) w.u16(value)
    for (const value of [0, 24, 6, 0]) w.u8(value)
    w.zeros(8)
  }
  return w.done()
}

/** The fields that a Cisco or Juniper router sends by default, about twenty. */
const fields: readonly (readonly [number, number])[] = [
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 4],
  [14, 4],
  [2, 8],
  [1, 8],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
  [6, 1],
  [4, 1],
  [5, 1],
  [16, 4],
  [17, 4],
  [9, 1],
  [13, 1],
  [61, 1],
  [48, 1],
]
const recordBytes = fields.reduce((sum, [, length]) => sum + length, 0)

export function templated(version: 9 | 10, sequence: number, records: number, withTemplate: boolean): Buffer {
  const w = writer(4000)
  w.u16(version)
  if (version === 9) {
    w.u16(records)
    for (const value of [1_000_000, unixSeconds, sequence, 7]) w.u32(value)
  } else {
    w.u16(0)
    for (const value of [unixSeconds, sequence * records, 7]) w.u32(value)
  }
  // IPFIX has its own absolute times; the routers' 22 and 21 count from a start that options tell.
  const ids =
    version === 9
      ? fields
      : fields.map(([id, length]) => [id === 22 ? 150 : id === 21 ? 151 : id, length] as const)
  if (withTemplate) {
    for (const value of [version === 9 ? 0 : 2, 8 + 4 * ids.length, 256, ids.length]) w.u16(value)
    for (const [id, length] of ids) {
      w.u16(id)
      w.u16(length)
    }
  }
  w.u16(256)
  w.u16(4 + records * recordBytes)
  for (let i = 0; i < records; i++) {
    const packets = 1 + random(1000)
    for (const value of [server(), client(), 0, 1, 2, 0, packets, 0, packets * 700]) w.u32(value)
    if (version === 9) for (const value of [900_000, 990_000]) w.u32(value)
    else for (const value of [unixSeconds - 60, unixSeconds - 1]) w.u32(value)
    for (const value of [443, 1024 + random(60_000)]) w.u16(value)
    for (const value of [24, 6, 0]) w.u8(value)
    for (const value of [64_512, 64_513]) w.u32(value)
    for (const value of [24, 24, 0, 0]) w.u8(value)
  }
  const message = w.done()
  if (version === 10) message.writeUInt16BE(message.length, 2)
  return message
}
