/** Versions on the wire between regions, one after the other: u32be length, that many bytes of JSON, then ciphertext. */
import { utf8 } from '../core/bytes.ts'
import { type Head, headSchema, maxHeadBytes } from './protocol.ts'
import { TransferRefused } from './refused.ts'

export interface Frames {
  /** The next version; `null` when the wire ends between two. What is left of the one before must have been read. */
  next(): Promise<Head | null>
  /** How long the head is that `next` gave last. */
  readonly headBytes: number
  /** The next `bytes` bytes of ciphertext; throws when the wire ends before. */
  read(bytes: number): AsyncGenerator<Buffer, void>
  /** The same in one piece. */
  readWhole(bytes: number): Promise<Buffer>
}

export function frameHead(head: Head): Buffer {
  const json = utf8(JSON.stringify(head))
  const out = Buffer.allocUnsafe(4 + json.length)
  out.writeUInt32BE(json.length)
  out.set(json, 4)
  return out
}

export function openFrames(wire: AsyncIterable<Buffer>): Frames {
  const source = wire[Symbol.asyncIterator]()
  // What has come and is not read yet. Short frames come by the dozen in a chunk: `at` moves, and nothing is copied.
  let held: Buffer = Buffer.alloc(0)
  let at = 0
  let headBytes = 0
  // Only when all that is held was read.
  const more = async (): Promise<boolean> => {
    const step = await source.next()
    if (step.done === true) return false
    held = step.value
    at = 0
    return true
  }
  const take = async (bytes: number): Promise<Buffer> => {
    if (held.length - at < bytes) {
      const chunks = [held.subarray(at)]
      let have = held.length - at
      held = Buffer.alloc(0)
      at = 0
      while (have < bytes) {
        const step = await source.next()
        if (step.done === true) throw cut()
        chunks.push(step.value)
        have += step.value.length
      }
      held = Buffer.concat(chunks, have)
    }
    const taken = held.subarray(at, at + bytes)
    at += bytes
    return taken
  }

  return {
    async next() {
      if (at === held.length && !(await more())) return null
      headBytes = (await take(4)).readUInt32BE(0)
      if (headBytes > maxHeadBytes)
        throw new TransferRefused('instruction-out-of-scope', 'The object’s description is too long.')
      return parseHead(await take(headBytes))
    },
    get headBytes() {
      return headBytes
    },
    async *read(bytes) {
      let left = bytes
      while (left > 0) {
        if (at === held.length && !(await more())) throw cut()
        const chunk = held.subarray(at, at + left)
        at += chunk.length
        left -= chunk.length
        yield chunk
      }
    },
    readWhole: take,
  }
}

function parseHead(bytes: Buffer): Head {
  try {
    return headSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch {
    throw new TransferRefused('instruction-out-of-scope', 'The object’s description does not parse.')
  }
}

function cut(): TransferRefused {
  return new TransferRefused('instruction-out-of-scope', 'The wire ended before the object did.')
}
