/** The checksums that S3 clients send, incremental, in one table. Values are base64 of the big-endian digest. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { polynomials } from './crc-combine.ts'
import { type CrcUpdate, createCrc } from './crc-wasm.ts'

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
  CRC32C: () => running(crc32c, 0xffff_ffffn, 4),
  CRC64NVME: () => running(crc64, 0xffff_ffff_ffff_ffffn, 8),
  SHA1: () => hash('sha1'),
  SHA256: () => hash('sha256'),
} as const satisfies Record<string, () => RunningChecksum>

export type ChecksumName = keyof typeof checksums

/** What S3 computes and keeps when a client sends none. */
export const defaultChecksum: ChecksumName = 'CRC64NVME'

function hash(name: string): RunningChecksum {
  const running = createHash(name)
  return { update: bytes => void running.update(bytes), digest: () => running.digest() }
}

function u32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4)
  out.writeUInt32BE(value >>> 0)
  return out
}

const crc32c = createCrc(polynomials.CRC32C.polynomial)
const crc64 = createCrc(polynomials.CRC64NVME.polynomial)

function running(crc: CrcUpdate, ones: bigint, digestBytes: 4 | 8): RunningChecksum {
  let register = ones
  return {
    update(bytes) {
      register = crc(register, bytes)
    },
    digest() {
      const out = Buffer.allocUnsafe(8)
      out.writeBigUInt64BE(register ^ ones)
      return out.subarray(8 - digestBytes)
    },
  }
}
