/** A small generator with a seed, so that a run can be made again. */
export type Random = (below: number) => number

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

export const maxInputBytes = 64 * 1024

const numbers = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 257, 1023, 1500]
const wide = [0xffff, 0x8000, 0x7fff, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0x0100_0000]
const words = [
  '-',
  '0',
  '-1',
  '4294967296',
  '99999999999999999999',
  '1e309',
  'null',
  '{}',
  '[]',
  '"',
  '\\',
  '\\u0000',
  '::',
  '255.255.255.255',
  'fe80::1%eth0',
  '2001:db8::1',
  'NODATA',
  'SKIPDATA',
  'REJECT',
  '#fields\t',
  '\n',
  '\r\n',
  ',',
  '\t',
  ' ',
]

/** One to eight changes; `other` is what is spliced in. */
export function mutate(input: Buffer, other: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(input)
  for (let changes = 1 + random(8); changes > 0; changes--) bytes = change(bytes, other, random)
  return bytes.subarray(0, maxInputBytes)
}

function change(bytes: Buffer, other: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1)
  const length = Math.min(random(random(2) === 0 ? 8 : 200), bytes.length - at)
  switch (random(11)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random(8)
      return bytes
    case 1:
      if (at < bytes.length) bytes[at] = random(256)
      return bytes
    case 2:
      if (at < bytes.length) bytes[at] = (bytes[at]! + random(35) - 17) & 255
      return bytes
    case 3:
      return put(bytes, at, numbers[random(numbers.length)]!, 1 + random(2))
    case 4:
      return put(bytes, at, [...numbers, ...wide][random(numbers.length + wide.length)]!, 1 << random(3))
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    case 6: {
      const piece = bytes.subarray(at, at + length)
      return Buffer.concat([bytes.subarray(0, at), ...Array(1 + random(4)).fill(piece), bytes.subarray(at)])
    }
    case 7: {
      const from = random(other.length + 1)
      const piece = other.subarray(from, from + random(300))
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + random(2) * piece.length)])
    }
    case 8: {
      const word = Buffer.from(words[random(words.length)]!)
      return Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at + random(2) * word.length)])
    }
    case 9:
      return random(4) === 0 ? bytes.subarray(0, at) : bytes
    default:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length + 1))])
  }
}

function put(bytes: Buffer, at: number, value: number, width: number): Buffer {
  const size = Math.min(width, bytes.length - at)
  if (size <= 0) return bytes
  const fits = value % 2 ** (8 * size)
  bytes.writeUIntBE(fits, at, size)
  return bytes
}
