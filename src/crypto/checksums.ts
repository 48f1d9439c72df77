/** The checksums that S3 clients send, incremental, in one table. Values are base64 of the big-endian digest. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export interface RunningChecksum {
  update(bytes: Uint8Array): void
  /** Raw digest, big-endian. */
  digest(): Buffer
}

export const checksums = {
  CRC32: () => {
    let value = 0
    return {
      update: (bytes: Uint8Array) => {
        value = crc32(bytes, value)
      },
      digest: () => u32(value),
    }
  },
  CRC32C: () => crc32c(),
  CRC64NVME: () => crc64nvme(),
  SHA1: () => hash('sha1'),
  SHA256: () => hash('sha256'),
} as const satisfies Record<string, () => RunningChecksum>

export type ChecksumName = keyof typeof checksums

function hash(name: string): RunningChecksum {
  const running = createHash(name)
  return { update: bytes => void running.update(bytes), digest: () => running.digest() }
}

function u32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4)
  out.writeUInt32BE(value >>> 0)
  return out
}

/** Castagnoli, reflected polynomial 0x82F63B78 (RFC 3720), eight bytes a step. */
function crc32c(): RunningChecksum {
  const t = crc32cTables
  let crc = 0xffff_ffff
  return {
    update(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      let i = 0
      for (; i + 8 <= bytes.length; i += 8) {
        const low = (view.getUint32(i, true) ^ crc) >>> 0
        const high = view.getUint32(i + 4, true)
        crc =
          t[7]![low & 255]! ^
          t[6]![(low >>> 8) & 255]! ^
          t[5]![(low >>> 16) & 255]! ^
          t[4]![low >>> 24]! ^
          t[3]![high & 255]! ^
          t[2]![(high >>> 8) & 255]! ^
          t[1]![(high >>> 16) & 255]! ^
          t[0]![high >>> 24]!
      }
      for (; i < bytes.length; i++) crc = t[0]![(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8)
    },
    digest: () => u32(crc ^ 0xffff_ffff),
  }
}

const crc32cTables = makeCrc32cTables()
function makeCrc32cTables(): Uint32Array[] {
  const made = Array.from({ length: 8 }, () => new Uint32Array(256))
  for (let n = 0; n < 256; n++) {
    let c = n
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f6_3b78 : c >>> 1
    made[0]![n] = c
  }
  for (let n = 0; n < 256; n++) {
    for (let k = 1; k < 8; k++) {
      const before = made[k - 1]![n]!
      made[k]![n] = made[0]![before & 255]! ^ (before >>> 8)
    }
  }
  return made
}

/** NVMe's CRC-64, reflected polynomial 0x9A6C9329AC4BC9B5, in two 32-bit halves: BigInt would be 50 times slower. */
function crc64nvme(): RunningChecksum {
  const { low, high } = crc64Tables
  let lo = 0xffff_ffff
  let hi = 0xffff_ffff
  return {
    update(bytes) {
      for (let i = 0; i < bytes.length; i++) {
        const index = (lo ^ bytes[i]!) & 255
        lo = ((lo >>> 8) | (hi << 24)) ^ low[index]!
        hi = (hi >>> 8) ^ high[index]!
      }
    },
    digest: () => Buffer.concat([u32(~hi), u32(~lo)]),
  }
}

const crc64Tables = makeCrc64Tables()
function makeCrc64Tables(): { low: Int32Array; high: Int32Array } {
  const polynomial = 0x9a6c_9329_ac4b_c9b5n
  const low = new Int32Array(256)
  const high = new Int32Array(256)
  for (let n = 0; n < 256; n++) {
    let c = BigInt(n)
    for (let k = 0; k < 8; k++) c = c & 1n ? (c >> 1n) ^ polynomial : c >> 1n
    low[n] = Number(BigInt.asIntN(32, c))
    high[n] = Number(BigInt.asIntN(32, c >> 32n))
  }
  return { low, high }
}
